"""Off-site copies in an S3 server: sent by the run, kept by the same rules, brought back, and never a run's failure."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from tasks.engine import finishing
from tasks.engine.dumpfile import inspect_dump
from tasks.engine.errors import OffsiteFailed
from tasks.engine.offsite import Synced
from tests.support.installation import Installation, installed
from tests.support.workers import wait_until
from worker.demo.servers import PostgresServer, ValkeyServer, free_port

BUCKET, SECRET = "backups", "an off-site s3cret"


@dataclass(frozen=True, kw_only=True)
class Storage:
    """A bucket on an S3 server of the tests."""

    address: str
    client: Any

    @property
    def settings(self) -> dict[str, str]:
        return {
            "OFFSITE_URL": f"s3://{BUCKET}/neon",
            "OFFSITE_ENDPOINT": self.address,
            "OFFSITE_ACCESS_KEY_ID": "AKIDOFFSITE",
            "OFFSITE_SECRET_ACCESS_KEY": SECRET,
        }

    def names(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return sorted(entry["Key"].split("/", 2)[2] for entry in found)

    def contents(self, stamp: str) -> dict[str, bytes]:
        keys = [entry["Key"] for entry in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
        return {key: self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys if stamp in key}

    def put(self, installation: Installation, name: str) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"neon/{installation.settings().pair}/{name}", Body=b"old")

    def empty(self) -> None:
        for entry in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            self.client.delete_object(Bucket=BUCKET, Key=entry["Key"])


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(port), "the S3 server to answer", 60)
        address = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3", endpoint_url=address, aws_access_key_id="key", aws_secret_access_key=SECRET, region_name="us-east-1"
        )
        client.create_bucket(Bucket=BUCKET)
        yield Storage(address=address, client=client)
        client.close()
    finally:
        server.kill()
        server.wait()


def answers(port: int) -> bool:
    with closing(socket.socket()) as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def installation(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
    storage: Storage,
) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("offsite")
    with installed(
        source_server, target_server, valkey_server, home, own_roles=False, application=True, **storage.settings
    ) as made:
        yield made


@pytest.fixture(autouse=True)
def _empty(storage: Storage) -> None:
    storage.empty()


def copy_offsite(installation: Installation, **others: str) -> Synced:
    means = installation.means(lock=False, **others)
    return finishing.copy_offsite(means.settings, means.journal)


def test_a_run_sends_its_dump_and_its_report_follows(installation: Installation, storage: Storage) -> None:
    report = installation.run_here(DUMP_COMPRESSION="zstd")
    stamp = report["stamp"]
    assert (report["outcome"], report["warnings"]) == ("succeeded", [])
    assert f"source_db_backup_{stamp}.sql.zst" in storage.names()
    assert copy_offsite(installation).sent[-1] == f"reports/{stamp}.json"
    of_run = [name for name in storage.names() if stamp in name]
    assert of_run == [
        f"reports/{stamp}.json",
        f"source_db_backup_{stamp}.manifest.json",
        f"source_db_backup_{stamp}.sql.zst",
    ]
    assert copy_offsite(installation).sent == (), "what lies there already is not sent again"


def test_what_lies_there_is_brought_back_and_is_the_same(installation: Installation) -> None:
    report = installation.run_here()
    copy_offsite(installation)
    dump = installation.backup_dir / report["source_dump"]["file"]
    whole = dump.read_bytes()
    lost = [dump, installation.reports_dir / f"{report['stamp']}.json", dump.with_suffix(".manifest.json")]
    texts = [path.read_bytes() for path in lost]
    kept = installation.backup_dir.rename(installation.home / "lost with its disk")
    listed = command(installation, "offsite", "--fetch", report["stamp"], "--json")
    assert json.loads(listed.stdout)[0]["stamp"] == report["stamp"]
    assert [path.read_bytes() for path in lost] == texts
    assert installation.backup_dir.stat().st_mode & 0o777 == 0o700
    assert inspect_dump(dump).sha256 == report["source_dump"]["sha256"]
    assert (dump.read_bytes(), dump.stat().st_mode & 0o777) == (whole, 0o600)
    assert SECRET not in listed.stdout + listed.stderr
    shutil.rmtree(installation.backup_dir)
    kept.rename(installation.backup_dir)


@pytest.mark.parametrize("damaged", ["dump", "manifest", "no manifest"])
def test_a_dump_that_was_damaged_here_does_not_replace_the_whole_one_there(
    installation: Installation, storage: Storage, damaged: str
) -> None:
    report = installation.run_here()
    copy_offsite(installation)
    there = storage.contents(report["stamp"])
    dump = installation.backup_dir / report["source_dump"]["file"]
    path = dump if damaged == "dump" else dump.with_suffix(".manifest.json")
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    if damaged == "no manifest":
        path.unlink()
        dump.write_bytes(dump.read_bytes()[:-40])
    with pytest.raises(OffsiteFailed, match=f"nothing of {dump.name} was sent, and what lies off-site of it stays: "):
        copy_offsite(installation)
    assert storage.contents(report["stamp"]) == there
    for each in (dump, dump.with_suffix(".manifest.json")):
        each.unlink(missing_ok=True)
    command(installation, "offsite", "--fetch", report["stamp"])
    assert path.read_bytes() == whole


def test_a_dump_that_lies_there_damaged_is_not_brought(installation: Installation, storage: Storage) -> None:
    report = installation.run_here()
    dump = installation.backup_dir / report["source_dump"]["file"]
    copy_offsite(installation)
    storage.put(installation, dump.name)
    dump.unlink()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        command(installation, "offsite", "--fetch", report["stamp"])
    assert f"off-site {dump.name} is damaged: its SHA-256" in refused.value.stderr
    assert not dump.exists()
    assert installation.leftovers() == []


def test_old_dumps_expire_there_by_the_same_rules_and_nothing_else_does(
    installation: Installation, storage: Storage
) -> None:
    installation.run_here()
    here = [path.name[17:32] for path in installation.backup_dir.glob("source_db_backup_*.sql*")]
    there = [(datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%d_060000") for days in (5, 20, 30, 40)]
    for name in (name for stamp in there for name in names_of(stamp)):
        storage.put(installation, name)
    others = {"holiday.jpg", "source_db_backup_20200101_060000.sql"}  # the second has no manifest
    for name in others:
        storage.put(installation, name)
    expired = [stamp for stamp in sorted([*here, *there])[:-3] if stamp in there[1:]]
    assert sorted(copy_offsite(installation).deleted) == sorted(name for stamp in expired for name in names_of(stamp))
    assert others <= set(storage.names())
    assert not [name for name in storage.names() if any(stamp in name for stamp in expired)]


def names_of(stamp: str) -> tuple[str, str, str]:
    return f"source_db_backup_{stamp}.sql", f"source_db_backup_{stamp}.manifest.json", f"reports/{stamp}.json"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("OFFSITE_ENDPOINT", "http://127.0.0.1:9", "error sending request"),
        ("OFFSITE_URL", "s3://no-such-bucket/x", "404 Not Found"),
    ],
)
def test_a_storage_that_does_not_answer_costs_a_warning_and_the_next_look_makes_up_for_it(
    installation: Installation, storage: Storage, setting: str, value: str, said: str
) -> None:
    report = installation.run_here(**{setting: value})
    assert (report["outcome"], report["success"]) == ("succeeded", True)
    (warning,) = report["warnings"]
    assert warning.startswith(
        "the off-site copy is not made yet, and is tried again every 15 minutes: off-site, at s3://"
    )
    assert said in warning
    assert "see that OFFSITE_URL and its key are right" in warning
    assert SECRET not in json.dumps(report)
    assert storage.names() == []
    assert report["source_dump"]["file"] in copy_offsite(installation).sent


def test_a_storage_that_hangs_is_given_up_at_the_limit(installation: Installation) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        report = installation.run_here(OFFSITE_ENDPOINT=endpoint, OFFSITE_TIMEOUT_S="3")
    assert report["outcome"] == "succeeded"
    assert "the off-site copy is not made yet" in report["warnings"][0]


def test_a_folder_serves_too(installation: Installation, tmp_path: Path) -> None:
    report = installation.run_here(OFFSITE_URL=f"file://{tmp_path}/elsewhere")
    assert report["source_dump"]["file"] in [path.name for path in tmp_path.rglob("*.sql")]


def command(installation: Installation, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "worker", *words],
        env=installation.environment,
        cwd=installation.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

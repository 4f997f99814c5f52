"""Servers that speak TLS alone, with certificates as providers have them: their own, or of a root that is pinned."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.installation import Installation, installed
from worker.demo.servers import PostgresServer, ValkeyServer, find_postgres

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as files."""

    file: Path
    key: Path


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def self_signed(folder: Path, name: str) -> Certificate:
    """Signed by itself, for a name: a root, or what Railway's image makes for `localhost`."""
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    openssl("req", "-x509", *_NEW_KEY, "-subj", f"/CN={name}", "-days", "2", "-keyout", made.key, "-out", made.file)
    return made


def signed(folder: Path, name: str, root: Certificate) -> Certificate:
    made, request = Certificate(folder / f"{name}.crt", folder / f"{name}.key"), folder / f"{name}.csr"
    openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
    openssl(
        *("x509", "-req", "-in", request, "-CA", root.file, "-CAkey", root.key),
        *("-set_serial", "1", "-days", "2", "-out", made.file),
    )
    return made


def tls_server(root: Path, certificate: Certificate) -> PostgresServer:
    """One that lets nobody in without TLS."""
    server = PostgresServer(root, find_postgres(), settings={"ssl": "on"}).create()
    owner = server.data.stat()
    for name, found in (("server.crt", certificate.file), ("server.key", certificate.key)):
        path = server.data / name
        path.write_bytes(found.read_bytes())
        path.chmod(0o600)
        os.chown(path, owner.st_uid, owner.st_gid)
    (server.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    return server.start()


@dataclass(frozen=True)
class Tls:
    """An installation whose source has a root's certificate and whose target has its own, and those roots."""

    installation: Installation
    source_root: Path
    target_root: Path

    def run(self, source: str, target: str) -> dict[str, object]:
        """One run with these parameters in the URLs."""
        found = self.installation
        return found.run_here(
            DATABASE_URL=f"{found.source_url}?{source}", RAILWAY_BACKUP_DB_URL=f"{found.target_url}?{target}"
        )


@pytest.fixture(scope="module")
def tls(server_root: Path, valkey_server: ValkeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    folder = tmp_path_factory.mktemp("certificates")
    root, own = self_signed(folder, "root"), self_signed(folder, "localhost")
    source = tls_server(server_root / "tls-source", signed(folder, "neon", root))
    target = tls_server(server_root / "tls-target", own)
    home = tmp_path_factory.mktemp("tls")
    with installed(source, target, valkey_server, home, own_roles=True) as installation:
        yield Tls(installation, source_root=root.file, target_root=own.file)
    source.remove()
    target.remove()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("sslmode=require&channel_binding=require", "sslmode=require"),
        ("sslmode=verify-ca&sslrootcert={tls.source_root}", "sslmode=verify-ca&sslrootcert={tls.target_root}"),
        (
            "sslmode=verify-ca&channel_binding=require&sslrootcert={tls.source_root}",
            "sslmode=require&channel_binding=require",
        ),
    ],
    ids=["as Neon and Railway give them", "pinned roots", "channels bound on both sides"],
)
def test_encrypted_sessions_carry_a_whole_run(tls: Tls, source: str, target: str) -> None:
    """Of the engine and of pg_dump: these servers let in no other."""
    report = tls.run(source.format(tls=tls), target.format(tls=tls))
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert tls.installation.differences() == []
    assert tls.installation.leftovers() == []


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("sslmode=disable", "sslmode=require", ("the source (127.0.0.1", "no encryption")),
        (
            "sslmode=require",
            "sslmode=verify-ca&sslrootcert={tls.source_root}",
            ("the target (127.0.0.1", "certificate verify failed"),
        ),
        (
            "sslmode=require",
            "sslmode=verify-full&sslrootcert={tls.target_root}",
            ("the target (127.0.0.1", 'certificate for "localhost" does not match host name "127.0.0.1"'),
        ),
        (
            "sslmode=require",
            "sslmode=verify-ca&sslrootcert=/nowhere/root.crt",
            ("the target (127.0.0.1", "/nowhere/root.crt"),
        ),
    ],
    ids=["no TLS", "another root", "another name", "no root there"],
)
def test_a_server_that_is_not_the_one_that_was_meant_is_refused_in_a_sentence(
    tls: Tls, source: str, target: str, said: tuple[str, ...]
) -> None:
    before = tls.installation.fingerprint()
    report = tls.run(source.format(tls=tls), target.format(tls=tls))
    assert report["outcome"] == "failed"
    assert [words for words in said if words not in str(report["error"])] == []
    assert "\n" not in str(report["error"])
    assert tls.installation.fingerprint() == before


def test_a_server_that_cannot_bind_its_channel_is_refused_when_that_is_asked_for(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with installed(source_server, target_server, valkey_server, tmp_path) as found:
        report = found.run_here(DATABASE_URL=f"{found.source_url}?channel_binding=require")
    assert report["outcome"] == "failed"
    assert "channel binding" in report["error"].lower()

"""What each command prints with `--json`, after real runs, is shaped as its example in docs/command-line-json.md."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.documents import ROOT, blocks
from tests.support.command import command
from tests.support.installation import CHANGES, installed
from tests.support.listener import listening
from worker.cli import cli
from worker.demo.servers import PostgresServer, ValkeyServer

_STAMP = re.compile(r"[0-9]{8}_[0-9]{6}")
EXAMPLES = {
    block.heading: json.loads(block.text)
    for block in blocks((ROOT / "docs" / "command-line-json.md").read_text(), "json")
}
COMMANDS = {
    "run": ("run", "--here"),
    "status": ("status",),
    "doctor": ("doctor",),
    "list": ("list",),
    "show": ("show", "last"),
    "verify": ("verify", "last"),
    "drill": ("drill", "last"),
    "restore": ("restore", "last", "--to", "target"),
    "adopt": ("adopt",),
    "promote": ("promote",),
    "expire": ("expire",),
    "notify-test": ("notify-test",),
    "offsite": ("offsite",),
}


def differences(example: Any, real: Any, at: str = "") -> Iterator[str]:
    """Where a document has other keys, or values of another kind, than its example; null stands for any kind."""
    if example is None or real is None:
        return
    if isinstance(example, dict) and isinstance(real, dict):
        example, real = ({_STAMP.sub("<stamp>", key): value for key, value in each.items()} for each in (example, real))
        yield from (f"{at}.{key} is in one of them only" for key in example.keys() ^ real.keys())
        for key in example.keys() & real.keys():
            yield from differences(example[key], real[key], f"{at}.{key}")
    elif isinstance(example, list) and isinstance(real, list):
        for one in real:
            yield from min((list(differences(each, one, f"{at}[]")) for each in example), key=len, default=[])
    elif _kind(example) != _kind(real):
        yield f"{at} is {real!r} and not as {example!r}"


def _kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


@pytest.fixture(scope="module")
def printed(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Any]]:
    """What every command printed, one after the other, in one installation that had a run before."""
    home = tmp_path_factory.mktemp("json")
    away: Path = home / "offsite"
    away.mkdir()
    with listening() as listener, installed(source_server, target_server, valkey_server, home) as one:
        extra = {"OFFSITE_URL": away.as_uri(), "NOTIFY_URLS": f"json://{listener.address}/"}
        extra["CELERY_BROKER_URL"] = "redis://127.0.0.1:1/0"  # nobody there: what does not answer is not waited for
        assert one.run_here()["outcome"] == "succeeded"
        one.on_source(CHANGES)
        one.on_source("CREATE INDEX users_by_name ON users (email)")
        documents = {}
        for name, words in COMMANDS.items():
            typed = f"{one.target_name}\n" if name in {"restore", "adopt"} else None
            told = command(one, *words, "--json", typed=typed, **extra)
            documents[name] = json.loads(told.stdout)
        yield documents


def test_every_command_with_json_has_an_example() -> None:
    with_json = {name for name, one in cli.commands.items() if any("--json" in option.opts for option in one.params)}
    assert with_json == set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_prints_is_shaped_as_its_example(printed: dict[str, Any], name: str) -> None:
    assert list(differences(EXAMPLES[name], printed[name])) == []
    assert list(differences(printed[name], EXAMPLES[name])) == []


def test_doctor_looks_at_the_off_site_storage_and_at_who_is_told(printed: dict[str, Any]) -> None:
    found = {finding["name"]: finding for finding in printed["doctor"]["findings"]}
    assert (found["off-site"]["state"], found["notifications"]["state"]) == ("good", "good")
    assert "with 2 dumps at file://" in found["off-site"]["told"]

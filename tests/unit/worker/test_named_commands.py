"""Whatever the code tells people to type exists: every command of ours in every text of it, with its options."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.engine.telling import texts
from tasks.engine.telling.notice import Notice
from tests.support.reports import NOW
from tests.unit.tasks.engine.telling.test_texts import RUN, SITUATION, report
from worker.cli import cli

ROOT = Path(__file__).parents[3]
_NAMED = re.compile(r"(?<![\w/.-])railway-neon-sync ([a-z][a-z-]*)([^\n;|#]*)")
DECIDE = "if it may be overwritten: railway-neon-sync adopt; if it is production now: railway-neon-sync promote"
SHRINKS = f"the copy would shrink; if that is right: railway-neon-sync run --accept-shrink {RUN}"
WORTH = {
    "failed": (texts.of_run(report("failed", "x"), SITUATION), ["run"]),
    "rolled back": (texts.of_run(report("rolled_back", "x"), SITUATION), ["run"]),
    "rollback failed": (texts.of_run(report("rollback_failed", "x"), SITUATION), ["adopt"]),
    "held": (texts.of_run(report("held", DECIDE), SITUATION), ["adopt", "promote"]),
    "held, since it would shrink": (texts.of_run(report("held", SHRINKS), SITUATION), [f"run --accept-shrink {RUN}"]),
    "missed": (texts.of_run(report("missed", "x"), SITUATION), ["doctor", "run"]),
    "stale": (texts.stale(SITUATION, limit=timedelta(0), since=NOW), ["doctor", "run"]),
    "resting": (texts.resting("?", SITUATION), ["adopt"]),
    "a bad week": (texts.digest(SITUATION, until=NOW), ["list"]),
}


def texts_of(path: Path) -> Iterator[str]:
    """Every text in a module, what is put into it left out; of another file the whole."""
    if path.suffix != ".py":
        yield path.read_text()
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def faults_of(text: str) -> Iterator[str]:
    for name, rest in _NAMED.findall(text):
        command = cli.commands.get(name)
        known = {option for parameter in command.params for option in parameter.opts} if command else set()
        options = re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest.partition("railway-neon-sync")[0])
        if command is None or not set(options) <= known | {"--help"}:
            yield f"railway-neon-sync {name} {' '.join(options)}"


def test_every_command_that_a_text_of_the_code_names_exists_with_its_options() -> None:
    folders = [ROOT / name for name in ("config", "tasks", "worker", "deploy/prometheus")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".py", ".yml", ".j2"}]
    told = [(path, text) for path in files for text in texts_of(path)]
    assert [(path.name, fault) for path, text in told for fault in faults_of(text)] == []
    assert sum(len(_NAMED.findall(text)) for _, text in told) > 80, "they are found at all"


def test_a_command_that_is_not_there_would_be_noticed() -> None:
    assert list(faults_of("type: railway-neon-sync mend; or: railway-neon-sync run --twice")) == [
        "railway-neon-sync mend ",
        "railway-neon-sync run --twice",
    ]


@pytest.mark.parametrize(("notice", "commands"), WORTH.values(), ids=WORTH)
def test_a_notice_says_what_to_type(notice: Notice, commands: list[str]) -> None:
    assert texts.commands_in(notice.body) == [f"railway-neon-sync {command}" for command in commands]
    assert list(faults_of(notice.body)) == []

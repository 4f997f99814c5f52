"""Every paper: the commands that it names exist, its links lead somewhere, its settings are settings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from celery.bin.celery import celery as celery_command

from config.settings import setting_names
from tests.docs.documents import PAPERS, ROOT, anchors, links, prose, words
from worker.cli import cli

ALL = {str(path.relative_to(ROOT)): path.read_text() for path in PAPERS}
_PLACEHOLDER = re.compile(r"<[^>]*>")
_SETTING = re.compile(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b")
# Names in capitals that are other programs', a word of log lines, the form of a stamp.
OTHERS = {"FLOWER_ADDRESS", "FLOWER_BASIC_AUTH", "FLOWER_READ_ONLY", "ON_ERROR_STOP", "PR_SET_PDEATHSIG"}
# What the libraries of off-site storages read.
OTHERS |= {"GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"}
OTHERS |= {"RAILWAY_RUN_UID", "REDIS_URL", "COMPOSE_TEST_BUILD_NETWORK"}
OTHERS |= {"BACKUP_STORAGE", "RNS_ENV_FILE", "YYYYMMDD_HHMMSS", "FLOWER_TASKS_COLUMNS", "RESTORE_TO_URL"}


def commands(program: str) -> Iterator[list[str]]:
    """The words after a program's name, wherever a paper has it: in a block, in a table, in a sentence."""
    for text in ALL.values():
        for line in re.findall(rf"(?<![\w-]){re.escape(program)} ([^\n`|#]*)", text):
            yield shlex.split(_PLACEHOLDER.sub("PLACEHOLDER", line))


def options(found: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in found if word.startswith("-") and word != "-"}


def known_options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for text in ALL.values() for name in re.findall(r"(?:^    |`)make ([a-z-]+)", text, re.MULTILINE)}
    assert {"demo", "test", "check", "up", "help"} <= named
    assert named <= targets


def test_every_command_of_ours_that_is_named_exists_with_its_options() -> None:
    found = [words for words in commands("railway-neon-sync") if words and re.fullmatch(r"[a-z-]+", words[0])]
    for name, *rest in found:
        assert name in cli.commands, f"railway-neon-sync {name}"
        assert options(rest) <= known_options(cli.commands[name]), f"railway-neon-sync {name} {rest}"


def test_every_command_of_ours_stands_in_the_readme() -> None:
    assert [name for name in cli.commands if f"railway-neon-sync {name}" not in ALL["README.md"]] == []


def test_every_celery_command_that_is_named_exists_with_its_options() -> None:
    found = [words[2:] for words in commands("celery") if words[:2] == ["-A", "worker"]]
    assert {words[0] for words in found} >= {"worker", "beat", "flower", "call", "inspect"}
    for name, *rest in found:
        command = celery_command.commands[name]
        assert options(rest) <= known_options(command), f"celery -A worker {name} {rest}"
        if name == "call":
            assert rest == ["tasks.run_backup"]


def test_every_program_and_module_of_this_repository_that_is_named_exists() -> None:
    code = re.compile(r"^(?:tasks|config|worker|tests|tools|docs|deploy)/[\w./-]*$")
    named = {word.rstrip("/") for text in ALL.values() for word in words(prose(text)) if code.match(word)}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_name_of_a_setting_is_one() -> None:
    known = {name.upper() for name in setting_names()} | OTHERS
    known |= {f"{name}_FILE" for name in known}
    known |= set(re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    named = {name for text in ALL.values() for word in words(prose(text)) for name in _SETTING.findall(word)}
    assert sorted(named - known) == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(paper: Path) -> None:
    broken = []
    for link in links(paper.read_text()):
        place, _, anchor = link.partition("#")
        if place.startswith("https://"):
            continue
        target = (paper.parent / place).resolve() if place else paper
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize(("name", "outcome"), [("run.svg", "succeeded"), ("failed-run.svg", "rolled_back")])
def test_the_pictures_can_be_drawn_and_fetch_nothing(name: str, outcome: str) -> None:
    text = (ROOT / "docs" / "pictures" / name).read_text()
    assert f"outcome:&#160;{outcome}" in text
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own file
    assert re.findall(r"https?://[^\"')\s]+|url\((?!#)", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize("name", ["status.png", "status-phone.png", "flower.png"])
def test_the_photographs_are_shown_and_small(name: str) -> None:
    picture = (ROOT / "docs" / "pictures" / name).read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) < 250_000
    assert f"](docs/pictures/{name})" in ALL["README.md"]


def test_papers_name_no_other_paper_by_a_number_of_ours() -> None:
    """Facts, issues and decisions are told in words: a reader has only what lies here."""
    assert [name for name, text in ALL.items() if re.search(r"\bF-[A-Z]\d|\bissues? \d", text)] == []

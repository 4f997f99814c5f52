"""The glossary against the code: it knows every name that people meet, and no name is one that we do not use."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tasks.pipeline import ORDER
from tasks.steps import rollback
from tests.docs.documents import PAPERS, ROOT, prose, rows, section, words
from worker.commands.boundary import EXIT_CODES
from worker.display import TITLES

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
OWN, AVOIDED = GLOSSARY.split("## Words that we do not use")
CODE = [path for folder in ("config", "tasks", "worker") for path in sorted((ROOT / folder).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FORBIDDEN = {"master", "slave", "replica", "standby", "cleanup"}
# What PostgreSQL calls its own things.
POSTGRESQL_SAYS = re.compile(r"REPLICA IDENTITY|\bstandby server\b|session_replication_role")
PROMISED = (
    "source, target, dump, safety backup, manifest, fingerprint, run, step, slot, misfire grace, lease, fence, "
    "journal, prepare, prove, publish, discard, rollback, mark, held, expire, report, outcome"
)


def defined() -> set[str]:
    """The first cell of every row: the word."""
    return {row[0].strip("`") for row in rows(OWN)}


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Every name that a module gives to something: its own, of functions, classes, arguments, variables."""
    yield 0, path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def parts(name: str) -> set[str]:
    """The words in a name, in lower case, in the singular too: of_this_form, OfThisForm."""
    split = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    found = {part.lower() for part in split}
    return found | {part.removesuffix("s") for part in found}


def test_every_step_and_every_outcome_has_its_line() -> None:
    steps = [(row[0], *words(row[1])) for row in rows(section(GLOSSARY, "The steps"))]
    assert [name for _, name in steps] == [task.name.removeprefix("tasks.") for task in (*ORDER, rollback)]
    assert steps == [(TITLES[name], name) for _, name in steps]
    assert {words(row[0])[0] for row in rows(section(GLOSSARY, "Outcomes"))} == set(EXIT_CODES)


def test_the_promised_words_stand_there() -> None:
    assert [word for word in PROMISED.split(", ") if word not in defined()] == []


def test_each_word_is_defined_once_and_in_a_sentence() -> None:
    table = [row for row in rows(OWN) if len(row) == 2]
    assert len({row[0] for row in table}) == len(table)
    assert [row[0] for row in table if not row[1].endswith(".")] == []


def test_each_word_is_used_by_the_code() -> None:
    text = " ".join(path.read_text() for path in CODE).lower().replace("_", " ")
    assert [word for word in defined() if word.lower().replace("_", " ") not in text] == []


def test_no_name_in_the_code_is_one_that_we_do_not_use() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in [*CODE, *TESTS]
        for line, name in names(path)
        if parts(name) & FORBIDDEN
    ]
    assert found == []


def test_no_paper_uses_them_either() -> None:
    forbidden = re.compile(rf"\b(?:{'|'.join(sorted(FORBIDDEN))})s?\b", re.IGNORECASE)
    texts = {path.name: OWN if path.name == "glossary.md" else prose(path.read_text()) for path in PAPERS}
    found = {name: forbidden.findall(POSTGRESQL_SAYS.sub("", text)) for name, text in texts.items()}
    assert {name: words for name, words in found.items() if words} == {}


def test_the_words_that_we_do_not_use_are_listed_there() -> None:
    listed = {word for row in rows(AVOIDED) for word in re.findall(r"\w+", row[0])}
    assert listed >= FORBIDDEN

"""A source whose owner is an enemy: names, texts, rows and functions gain nothing with us, nor in what people read."""

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from config.logs import JsonLines, TextLines
from tests.support.installation import Installation, installed, tell
from worker.demo.servers import PostgresServer, ValkeyServer
from worker.report_view import print_report

FORGED = "2026-01-01 00:00:00Z INFO     [-] forged"
HARMFUL = "\x1b]0;owned\x07\x1b[31m\u202e\u200f\r"
OBEYED = {sign for sign in HARMFUL if not sign.isprintable()}
OUR_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ [A-Z]+ +\[|    )|^$")
NAMES = [
    f"a\n{FORGED}",
    "b\\! touch rns_proof",
    f"c{HARMFUL}",
    'd"; DROP TABLE users; --',
    "e$(touch rns_proof)`touch rns_proof`'; touch rns_proof;'",
    "f[/bold][link=file:///etc/passwd]",
    "g\n\\! touch rns_proof",
    "h%s%(x)s{x}",
    "../../../../tmp/rns_proof",
]
# Nothing of it happens at the source, where these are made by a superuser, nor where the oracle restores it.
FUNCTIONS = """
    CREATE FUNCTION public.attack(how text) RETURNS int LANGUAGE plpgsql AS $attack$
    BEGIN
      IF current_database() NOT LIKE 'run_target%' THEN RETURN 1; END IF;
      BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'touch rns_proof_' || how);
      EXCEPTION WHEN OTHERS THEN NULL; END;
      BEGIN RESET SESSION AUTHORIZATION; RESET ROLE; ALTER USER CURRENT_USER SUPERUSER;
      EXCEPTION WHEN OTHERS THEN NULL; END;
      RETURN 1;
    END $attack$;
    CREATE FUNCTION public.attack_by(how text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
      BEGIN RETURN public.attack(how); END $$;
    CREATE TABLE public.victim (
      id int, made int GENERATED ALWAYS AS (public.attack_by('column')) STORED, CHECK (public.attack_by('check') = 1));
    INSERT INTO public.victim VALUES (1), (2);
    CREATE INDEX ON public.victim (public.attack_by('index'));
    CREATE MATERIALIZED VIEW public.seen AS SELECT public.attack_by('view') AS one;
    CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$
      BEGIN PERFORM public.attack('overload'); RETURN 'forged'; END $$;
"""
ON_EVENT = """
    CREATE FUNCTION public.on_event() RETURNS event_trigger LANGUAGE plpgsql AS $$
      BEGIN PERFORM public.attack('event'); END $$;
    CREATE EVENT TRIGGER hostile ON ddl_command_end EXECUTE FUNCTION public.on_event();
    CREATE MATERIALIZED VIEW public.seen_again AS SELECT 1 AS one;
"""
REFUSING = f"""
    CREATE FUNCTION public.refuse() RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
      IF current_database() NOT LIKE 'run_target%' THEN RETURN true; END IF;
      RAISE EXCEPTION E'no\\n{FORGED}\\n[/bold]{HARMFUL}'; END $$;
    CREATE TABLE public."t\n{FORGED}{HARMFUL}[/bold]" (id int CHECK (public.refuse()));
    INSERT INTO public."t\n{FORGED}{HARMFUL}[/bold]" VALUES (1);
"""
ROWS = [
    "\\.",
    "\\! touch rns_proof",
    "\n\\.\n\nDROP TABLE users;\n",
    "COPY users FROM stdin;\n\\N",
    "'; COMMIT; --",
    "\\",
]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def hostile_names() -> str:
    statements = []
    for name in NAMES:
        table, body = f"public.{quoted(name)}", f"SELECT {literal(name)}::text /* \\! touch rns_proof */"
        statements += [
            f"CREATE TABLE {table} ({quoted(name)} text DEFAULT {literal(name)})",
            f"COMMENT ON TABLE {table} IS {literal(name)}",
            f"COMMENT ON COLUMN {table}.{quoted(name)} IS {literal(name)}",
            *(f"INSERT INTO {table} VALUES ({literal(row)})" for row in ROWS),
            f"CREATE FUNCTION public.{quoted('of ' + name)}() RETURNS text LANGUAGE sql AS {literal(body)}",
        ]
    return ";\n".join(statements)


@dataclass(frozen=True)
class Ran:
    """A run in this process, and what it logged in both forms."""

    installation: Installation
    report: dict[str, Any]
    text: str
    json_lines: str
    proofs: list[str]


def proofs_of(installation: Installation) -> list[str]:
    """What was run on this machine: by the target's server, which works in its data folder, or by us."""
    ours = [path for place in (Path.cwd(), Path("/tmp")) for path in place.glob("rns_proof*")]  # noqa: S108
    theirs = installation.target_server.root.rglob("rns_proof*")
    return sorted({path.name for path in (*ours, *theirs, *installation.home.rglob("rns_proof*"))})


def run_logged(installation: Installation) -> Ran:
    streams = io.StringIO(), io.StringIO()
    handlers = [logging.StreamHandler(stream) for stream in streams]
    secrets = installation.settings().secrets
    for handler, formatter in zip(handlers, (TextLines(secrets), JsonLines(secrets)), strict=True):
        handler.setFormatter(formatter)
        logging.getLogger().addHandler(handler)
    clear_proofs(installation)
    level, logging.getLogger().level = logging.getLogger().level, logging.INFO
    try:
        report = installation.run_here()
    finally:
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(level)
    # at once: a superuser who only reads such a table, as the oracle does, runs its functions
    return Ran(installation, report, streams[0].getvalue(), streams[1].getvalue(), proofs_of(installation))


@pytest.fixture(scope="module")
def hostile(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """The target's role owns its database and is no superuser."""
    home = tmp_path_factory.mktemp("hostile_source")
    with installed(source_server, target_server, valkey_server, home, own_roles=True) as installation:
        installation.on_source(hostile_names())
        installation.on_source(FUNCTIONS)
        yield installation
        clear_proofs(installation)


@pytest.fixture(scope="module")
def copied(hostile: Installation) -> Ran:
    return run_logged(hostile)


def clear_proofs(installation: Installation) -> None:
    for proof in installation.target_server.root.rglob("rns_proof*"):
        proof.unlink()


@pytest.fixture(scope="module")
def refused(hostile: Installation, copied: Ran) -> Ran:
    """After that a run that fails by a statement whose words, and whose answer, are the enemy's."""
    assert copied.report["outcome"] == "succeeded"
    hostile.on_source(REFUSING)
    return run_logged(hostile)


def test_a_hostile_source_is_copied_exactly_and_runs_nothing(copied: Ran) -> None:
    assert (copied.report["outcome"], copied.report["error"]) == ("succeeded", None)
    assert copied.installation.differences() == []
    assert copied.proofs == []


def test_a_hostile_refusal_is_rolled_back_and_told_in_one_harmless_line(refused: Ran) -> None:
    assert refused.report["outcome"] == "rolled_back"
    assert "forged" in refused.report["error"]
    assert refused.report["error"].isprintable()
    assert refused.proofs == []


def test_no_line_of_the_log_is_forged(copied: Ran, refused: Ran) -> None:
    for ran in (copied, refused):
        lines = ran.text.splitlines()
        assert [line for line in lines if not OUR_LINE.match(line) or line.startswith(FORGED)] == []
        records = [json.loads(line) for line in ran.json_lines.splitlines()]
        assert {record["run_id"] for record in records} <= {ran.report["run_id"], "-"}
        assert not OBEYED & set(ran.text + ran.json_lines)
    assert "forged" in refused.text


def test_report_file_and_display_obey_no_escape_and_no_markup(refused: Ran) -> None:
    path = refused.installation.reports_dir / f"{refused.report['stamp']}.json"
    shown = io.StringIO()
    print_report(refused.report, Console(file=shown, force_terminal=True, color_system=None, width=4000))
    for text in (path.read_text(encoding="utf-8"), shown.getvalue()):
        assert "forged" in text
        assert not OBEYED & set(text)
        assert not any(line.startswith(FORGED) for line in text.splitlines())
    assert "[/bold]" in shown.getvalue()


def test_with_a_superuser_at_the_target_functions_run_with_its_rights_which_is_told_and_no_event_trigger_does(
    hostile: Installation, copied: Ran, tmp_path: Path
) -> None:
    """The limit that docs/security.md tells of: who owns the source owns the target's server then."""
    assert copied.report["outcome"] == "succeeded"
    hostile.on_source('DROP TABLE IF EXISTS public."t\n%s%s[/bold]"' % (FORGED, HARMFUL))  # noqa: UP031
    hostile.on_source(ON_EVENT)
    superuser = Installation(
        **{name: getattr(hostile, name) for name in Installation.__dataclass_fields__ if name not in {"home", "roles"}},
        home=tmp_path,
    )
    try:
        ran = run_logged(superuser)
    finally:
        hostile.on_source("DROP EVENT TRIGGER hostile")
    assert ran.report["outcome"] == "succeeded", ran.report["error"]
    assert "is a superuser: functions of the source run with its rights" in ran.text
    assert "rns_proof_check" in ran.proofs
    assert not {"rns_proof_event", "rns_proof_overload"} & set(ran.proofs)


def test_a_name_that_is_no_text_is_told_in_a_sentence(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    with installed(source_server, target_server, valkey_server, tmp_path, application=False) as made:
        tell(source_server.dsn(), f"DROP DATABASE {made.source_name}")
        tell(
            source_server.dsn(), f"CREATE DATABASE {made.source_name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C'"
        )
        made.on_source("DO $$ BEGIN EXECUTE format('CREATE TABLE %I (a int)', 'caf' || chr(233)); END $$")
        report = made.run_here()
    assert report["outcome"] == "failed"
    assert "the source (127.0.0.1, database" in report["error"]
    assert "has a name that is no text in its encoding (the byte 0xe9 in it is none)" in report["error"]


WRITING = """
    CREATE FUNCTION public.set_role() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
      IF current_database() LIKE 'run_target%' THEN
        IF current_database() LIKE '%previous%' THEN PERFORM pg_sleep(2); END IF;
        EXECUTE format('ALTER ROLE %I SET work_mem = %L', current_user, '5MB');
      END IF;
      RETURN 1;
    EXCEPTION WHEN OTHERS THEN RETURN 1; END $$;
    CREATE FUNCTION public.planned_as() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
      BEGIN RETURN public.set_role(); END $$;
    CREATE TABLE public.planned (a int); INSERT INTO public.planned VALUES (1);
    CREATE INDEX ON public.planned (public.planned_as());
"""


def test_functions_that_write_do_not_make_two_readings_of_ours_wait_for_each_other(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> None:
    """Whoever plans a query of such a table runs the function; what it writes is shared by all databases."""
    with installed(
        *(source_server, target_server, valkey_server, tmp_path),
        own_roles=True, RESTORE_METHOD="swap", VERIFY_TIMEOUT_S="20", RESTORE_TIMEOUT_S="20", SAFETY_TIMEOUT_S="20",
    ) as made:  # fmt: skip
        made.on_source(WRITING)
        made.copied()
        made.on_source("INSERT INTO public.planned VALUES (2)")
        report = made.copied()
    assert {step["name"]: step["state"] for step in report["steps"]}["verify_target"] == "done"

"""docs/recovery-without-the-tool.md is executed: a shell, psql, a dump of a real run, and nothing of this project."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyrage
import pytest

from tests.docs.documents import ROOT, Block, blocks
from tests.support import oracle
from tests.support.installation import Installation, ask, installed, tell
from worker.demo.servers import PostgresServer, ValkeyServer

PAGE = (ROOT / "docs" / "recovery-without-the-tool.md").read_text()
BLOCKS = blocks(PAGE, "sh")
STEPS = [block for block in BLOCKS if block.heading[0].isdigit()]
RESTORE = next(block for block in STEPS if "--single-transaction" in block.text)
NEXT = "=== the next block ==="
# What such a database may hold beside the demo's: objects outside of tables, and a value that COPY writes as
# `\restrict x`, with a carriage return before it.
MORE = """
SELECT lo_from_bytea(4711, 'a large object');
CREATE TABLE public."Ünusual; name" ("it's" text);
INSERT INTO public."Ünusual; name" VALUES (E'\\rrestrict x'), (E'\\restrict x'), ('SET transaction_timeout = 0;');
"""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Somebody at a shell who follows the page, in the folder above `backups`."""

    home: Path
    server: PostgresServer
    database: str

    @property
    def names(self) -> dict[str, str]:
        """What the page's reader puts in, and what this one puts in."""
        return {"=restored": f"={self.database}", "=railway": f"={self.database}"}

    @property
    def folder(self) -> Path:
        return self.home / "backups" / "unified_database_backup"

    @property
    def dump(self) -> Path:
        return max(self.folder.glob("source_db_backup_*.sql"))

    def differences(self, backed_up: Installation) -> list[str]:
        """Between the source and what was restored, as an independent judge sees it."""
        expected = oracle.as_restored(backed_up.source, on=backed_up.target_server.dsn())
        return oracle.differences(expected, oracle.take(self.server.dsn(self.database)))

    def follow(self, steps: Sequence[Block] = STEPS) -> "Followed":
        """Execute blocks of the page as one session of a shell that stops at the first error; the password is typed."""
        script = f"\necho '{NEXT}'\n".join(block.text for block in steps)
        for shown, ours in {"PGPORT=5432": f"PGPORT={self.server.port}", **self.names}.items():
            assert shown in PAGE, f"the page does not say {shown!r} any more"
            script = script.replace(shown, ours)
        done = subprocess.run(
            ["bash", "-c", f"set -eu\n{script}"],
            input=f"{self.server.password}\n",
            cwd=self.home,
            env={"PATH": f"{self.server.binaries.bin_dir}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"},
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Followed(steps=steps, outputs=done.stdout.split(NEXT), stderr=done.stderr, status=done.returncode)


@dataclass(frozen=True, kw_only=True)
class Followed:
    """What a session printed, block by block, as far as it went."""

    steps: Sequence[Block]
    outputs: Sequence[str]
    stderr: str
    status: int

    def printed(self, command: str) -> str | None:
        """What the block with this command printed; None when the session ended before it."""
        place = next(place for place, block in enumerate(self.steps) if command in block.text)
        return self.outputs[place].strip() if place < len(self.outputs) else None


@pytest.fixture(scope="module")
def backed_up(
    source_server: PostgresServer,
    target_server: PostgresServer,
    valkey_server: ValkeyServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """One run of a database with what makes trouble, into the directory that the page names."""
    home = tmp_path_factory.mktemp("recovery")
    folder = str(home / "backups" / "unified_database_backup")
    with installed(source_server, target_server, valkey_server, home, BACKUP_DIR=folder) as installation:
        installation.on_source(MORE)
        assert installation.run_here()["outcome"] == "succeeded"
        yield installation


@pytest.fixture
def recovery(backed_up: Installation) -> Iterator[Recovery]:
    database = f"restored_{os.getpid()}"
    yield Recovery(home=backed_up.home, server=backed_up.target_server, database=database)
    tell(backed_up.target_server.dsn(), f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


@pytest.fixture
def damage(recovery: Recovery) -> Iterator[Callable[[str], None]]:
    """Puts another text in the dump's place, for one test."""
    dump, whole = recovery.dump, recovery.dump.read_bytes()

    def write(text: str) -> None:
        dump.write_text(text)

    yield write
    dump.write_bytes(whole)


def test_who_follows_the_page_has_the_source_again(recovery: Recovery, backed_up: Installation) -> None:
    followed = recovery.follow()
    assert followed.status == 0, followed.stderr
    assert recovery.differences(backed_up) == []
    assert followed.printed("STAMP=") == recovery.dump.name
    assert followed.printed("tail -n 12") == "-- PostgreSQL database dump complete"
    assert followed.printed("sha256sum --check") == f"{recovery.dump.name}: OK"
    assert followed.printed("--single-transaction") == ""
    assert followed.printed("json_to_recordset") == ""


@pytest.mark.skipif(
    not (shutil.which("age") and shutil.which("zstd")) and not os.environ.get("CI"), reason="needs age and zstd"
)
@pytest.mark.parametrize(
    "form", [".zst.age", *(pytest.param(form, marks=pytest.mark.long) for form in (".zst", ".age"))]
)
def test_who_unpacks_a_packed_dump_first_has_the_source_again(
    recovery: Recovery, backed_up: Installation, form: str
) -> None:
    secret = pyrage.x25519.Identity.generate()
    (recovery.folder / "age-key.txt").write_text(f"# a comment\n{secret}\n")
    packed = backed_up.run_here(
        DUMP_COMPRESSION="zstd" if ".zst" in form else "none",
        ENCRYPT_TO=str(secret.to_public()) if ".age" in form else "",
    )
    assert packed["source_dump"]["file"].endswith(f".sql{form}")
    unpack = [block for block in BLOCKS if block.heading == "Unpack a dump"]
    chosen = next(place for place, block in enumerate(STEPS) if "STAMP=" in block.text) + 1
    try:
        followed = recovery.follow([*STEPS[:chosen], *unpack, *STEPS[chosen:]])
        assert followed.status == 0, followed.stderr
        assert (followed.printed("sha256sum --check") or "").endswith(".sql: OK")
        assert recovery.differences(backed_up) == []
    finally:
        for path in recovery.folder.rglob(f"*{packed['stamp']}*"):
            path.unlink()


def test_a_dump_without_its_end_is_seen_before_anything_is_restored(
    recovery: Recovery, damage: Callable[[str], None]
) -> None:
    damage(recovery.dump.read_text().replace("-- PostgreSQL database dump complete", "--"))
    followed = recovery.follow()
    assert followed.status != 0
    assert followed.printed("tail -n 12") == ""
    assert followed.printed("createdb") is None


def test_a_changed_dump_is_seen_by_its_sum(recovery: Recovery, damage: Callable[[str], None]) -> None:
    damage(recovery.dump.read_text().replace("user", "usar", 1))
    followed = recovery.follow()
    assert followed.status != 0
    assert followed.printed("sha256sum --check") == f"{recovery.dump.name}: FAILED"
    assert followed.printed("createdb") is None


def test_a_lost_row_is_counted(recovery: Recovery) -> None:
    lose = "psql --quiet --command='DELETE FROM audit.sign_ins'"
    steps = [replace(block, text=f"{block.text}{lose}") if block == RESTORE else block for block in STEPS]
    followed = recovery.follow(steps)
    assert followed.status == 0, followed.stderr
    assert re.fullmatch(r"audit\.sign_ins\|0\|instead of \d+", followed.printed("json_to_recordset") or "")


@pytest.mark.parametrize(
    ("heading", "result", "refused"),
    [
        ("Without \\restrict", "without_restrict.sql", r"^\\(un)?restrict \w{20,}$"),
        ("Without transaction_timeout", "without_transaction_timeout.sql", r"\A(.*\n){,40}SET transaction_timeout"),
    ],
)
def test_what_an_older_psql_or_server_refuses_is_taken_out_and_nothing_else(
    recovery: Recovery, backed_up: Installation, heading: str, result: str, refused: str
) -> None:
    repair = next(block for block in BLOCKS if block.heading == heading)
    instead = replace(RESTORE, text=RESTORE.text.replace("$DUMP", result))
    place = STEPS.index(RESTORE)
    followed = recovery.follow([*STEPS[:place], repair, instead, *STEPS[place + 1 :]])
    assert followed.status == 0, followed.stderr
    assert re.search(refused, recovery.dump.read_text(), re.MULTILINE)
    assert not re.search(refused, (recovery.folder / result).read_text(), re.MULTILINE)
    assert recovery.differences(backed_up) == []


def test_the_number_that_newer_servers_give_each_column_is_taken_out_and_nothing_else(
    recovery: Recovery, damage: Callable[[str], None]
) -> None:
    options = "ALTER TABLE ONLY public.users ALTER COLUMN country SET ({});\n"
    only, more = options.format("pg_attver=31905936"), options.format("n_distinct=30, pg_attver=7")
    first = options.format("pg_attver=7, n_distinct=30")
    whole = recovery.dump.read_text()
    end = whole.index("--\n-- PostgreSQL database dump complete")
    damage(f"{whole[:end]}{only}{more}{first}{whole[end:]}")
    repair = next(block for block in BLOCKS if block.heading == "Without pg_attver")
    instead = replace(RESTORE, text=RESTORE.text.replace("$DUMP", "without_pg_attver.sql"))
    others = [block for block in STEPS if "sha256sum" not in block.text and "json_to_recordset" not in block.text]
    place = others.index(RESTORE)
    assert 'unrecognized parameter "pg_attver"' in recovery.follow(others).stderr
    tell(recovery.server.dsn(), f"DROP DATABASE {recovery.database} WITH (FORCE)")
    followed = recovery.follow([*others[:place], repair, instead])
    assert followed.status == 0, followed.stderr
    repaired = (recovery.folder / "without_pg_attver.sql").read_text()
    assert repaired == f"{whole[:end]}{options.format('n_distinct=30') * 2}{whole[end:]}"


def test_the_roles_of_a_safety_backup_are_listed(recovery: Recovery, backed_up: Installation) -> None:
    role = f"reader_{os.getpid()}"
    backed_up.on_target(f"CREATE ROLE {role}; GRANT SELECT ON public.users TO {role}")
    try:
        assert backed_up.run_here()["outcome"] == "succeeded"
        listing = next(block for block in BLOCKS if block.heading == "The roles of a safety backup")
        followed = recovery.follow([*STEPS, listing])
        assert followed.printed("SAFETY=") == f"postgres\n{role}"
    finally:
        backed_up.on_target(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_the_previous_database_takes_its_name_back(recovery: Recovery) -> None:
    now, previous = recovery.database, f"{recovery.database}__previous_1a2b3c4d"
    names = {now: "new", previous: "old"}
    try:
        for name, content in names.items():
            tell(recovery.server.dsn(), f"CREATE DATABASE {name}")
            tell(recovery.server.dsn(name), f"CREATE TABLE is_{content} ()")
        place = next(block for block in STEPS if "PGPASSWORD" in block.text)
        put_back = next(block for block in BLOCKS if block.heading == "Put the previous database back")
        followed = recovery.follow([place, put_back])
        assert followed.status == 0, followed.stderr
        tables = "SELECT relname FROM pg_class WHERE relname LIKE 'is\\_%'"
        assert ask(recovery.server.dsn(now), tables) == [("is_old",)]
        assert ask(recovery.server.dsn(f"{now}_broken"), tables) == [("is_new",)]
    finally:
        for name in (previous, f"{now}_broken"):
            tell(recovery.server.dsn(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

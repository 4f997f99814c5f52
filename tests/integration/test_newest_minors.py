"""Servers since the minor releases of November 2026 give each column a number, kept among its options.

The server of these tests is older, so the numbers are written into its catalog; no two databases have the same.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.installation import Installation, ask, installed
from worker.demo.servers import PostgresServer, ValkeyServer

_NUMBER_EACH_COLUMN = """
SET allow_system_table_mods = on;
UPDATE pg_attribute SET attoptions = ('{pg_attver=' || attrelid || '}')::text[] || attoptions
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE c.oid = attrelid AND relkind IN ('r', 'v') AND attnum > 0 AND nspname IN ('public', 'audit')
"""
_OPTIONS = """
SELECT attname, attoptions FROM pg_attribute WHERE attrelid = 'public.users'::regclass AND attoptions IS NOT NULL
"""


@pytest.fixture
def installation(
    source_server: PostgresServer, target_server: PostgresServer, valkey_server: ValkeyServer, tmp_path: Path
) -> Iterator[Installation]:
    with installed(source_server, target_server, valkey_server, tmp_path) as one:
        one.on_source("ALTER TABLE public.users ALTER COLUMN country SET (n_distinct = 30)")
        one.on_source(_NUMBER_EACH_COLUMN)
        yield one


def test_columns_that_differ_only_by_the_servers_own_number_are_equal(installation: Installation) -> None:
    report = installation.run_here()
    assert (report["outcome"], report["error"]) == ("succeeded", None)
    assert "pg_attver=" in next(installation.backup_dir.glob("source_db_backup_*.sql")).read_text()
    assert ask(installation.target, _OPTIONS) == [("country", ["n_distinct=30"])]
    installation.on_target(_NUMBER_EACH_COLUMN)  # another object id, another number
    report = installation.run_here()
    assert (report["outcome"], report["error"]) == ("succeeded", None)

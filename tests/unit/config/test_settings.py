"""Settings: each fault by name, all of them at once, and no secret in any of what is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.kinds import processors
from config.settings import Settings, SettingsFault, is_secret, load_settings, setting_names

SOURCE = "postgresql://ann:geheim%401@ep-x-pooler.neon.tech/shop?sslmode=require"
TARGET = "postgresql://bob:geheim2@x.proxy.rlwy.net:12345/railway"
REQUIRED = {"DATABASE_URL": SOURCE, "RAILWAY_BACKUP_DB_URL": TARGET}


def loaded(**texts: str) -> Settings:
    return load_settings({**REQUIRED, **texts}, env_file=None)


def faults(**texts: str) -> tuple[str, ...]:
    with pytest.raises(SettingsFault) as caught:
        loaded(**texts)
    assert "geheim" not in f"{caught.value} {caught.value!r} {caught.value.faults}"
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    return caught.value.faults


def test_two_addresses_are_enough() -> None:
    settings = loaded()
    folder = Path("backups/unified_database_backup").absolute()
    assert settings.model_dump(exclude={"database_url", "railway_backup_db_url"}, mode="python") == {
        "celery_broker_url": settings.celery_broker_url,
        "celery_result_backend": settings.celery_broker_url,
        "lock_url": settings.celery_broker_url,
        "backup_dir": folder,
        "stats_tables": ("users", "escrows", "wallets", "transactions"),
        "retention_days": 7,
        "retention_keep_last": 3,
        "report_retention_days": 90,
        "dump_timeout_s": 300,
        "safety_timeout_s": 180,
        "restore_timeout_s": 300,
        "verify_timeout_s": 300,
        "min_dump_bytes": 10240,
        "dump_compression": "none",
        "encrypt_to": (),
        "offsite_url": None,
        "offsite_access_key_id": None,
        "offsite_secret_access_key": None,
        "offsite_endpoint": None,
        "offsite_region": "us-east-1",
        "offsite_timeout_s": 600,
        "misfire_grace_s": 600,
        "restore_method": "auto",
        "journal_url": settings.journal_url,
        "pg_bin_dir": None,
        "allow_older_target": False,
        "full_runs": False,
        "full_run_days": 7,
        "restore_jobs": processors(),
        "changed_tables_only": True,
        "copy_read_only": False,
        "keep_owners": False,
        "source_blocked_s": 5,
        "source_lock_timeout_s": 10,
        "target_blockers_grace_s": 30,
        "max_shrink_percent": 50,
        "target_capacity_bytes": None,
        "connect_timeout_s": 20,
        "notify_urls": (),
        "notify_success": "no",
        "heartbeat_url": None,
        "metrics_file": folder / "metrics.prom",
        "stale_after_s": 46800,
        "log_level": "INFO",
        "log_format": "text",
    }
    assert settings.celery_broker_url.get_secret_value() == "redis://localhost:6379/0"
    assert settings.journal_url.get_secret_value() == f"sqlite:///{folder}/journal.sqlite3"
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("RETENTION_DAYS", " 14 ", 14),
        ("STATS_TABLES", "users, app.orders ,", ("users", "app.orders")),
        ("STATS_TABLES", 'public."Mixed Case"', ('public."Mixed Case"',)),
        ("RESTORE_METHOD", "In_Place", "in_place"),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("LOG_FORMAT", "JSON", "json"),
        ("KEEP_OWNERS", "Yes", True),
        ("KEEP_OWNERS", "0", False),
        ("TARGET_CAPACITY_BYTES", "5000000000", 5_000_000_000),
        ("TARGET_BLOCKERS_GRACE_S", "-1", -1),
        ("MIN_DUMP_BYTES", "0", 0),
        ("MISFIRE_GRACE_S", "43200", 43_200),
        ("MAX_SHRINK_PERCENT", "100", 100),
        ("PG_BIN_DIR", "/usr/lib/postgresql/17/bin", Path("/usr/lib/postgresql/17/bin")),
        ("BACKUP_DIR", "~/x", Path("~/x").expanduser()),
        ("RETENTION_DAYS", "", 7),
        ("PG_BIN_DIR", "  ", None),
    ],
)
def test_a_text_becomes_its_typed_value(name: str, text: str, value: object) -> None:
    assert getattr(loaded(**{name: text}), name.lower()) == value


WHOLE = "must be a whole number of"
SINGLE_FAULTS = [
    ("RETENTION_DAYS", "soon", f"{WHOLE} days above 0, not 'soon'"),
    ("RETENTION_DAYS", "0", f"{WHOLE} days above 0, not '0'"),
    ("RETENTION_DAYS", "1.5", f"{WHOLE} days above 0, not '1.5'"),
    ("RETENTION_DAYS", "1_000", f"{WHOLE} days above 0, not '1_000'"),
    ("RETENTION_DAYS", "٣", f"{WHOLE} days above 0, not '٣'"),
    ("RETENTION_DAYS", "99999", f"{WHOLE} days, at most 36500, not '99999'"),
    ("RETENTION_DAYS", "9" * 70, f"{WHOLE} days above 0, not '{'9' * 60}'..."),
    ("RETENTION_KEEP_LAST", "2", f"{WHOLE} verified dumps, at least 3, not '2'"),
    ("REPORT_RETENTION_DAYS", "6", "must be at least RETENTION_DAYS, which is 7, not '6'"),
    ("DUMP_TIMEOUT_S", "0", f"{WHOLE} seconds above 0, not '0'"),
    ("SAFETY_TIMEOUT_S", "-5", f"{WHOLE} seconds above 0, not '-5'"),
    ("RESTORE_TIMEOUT_S", "5m", f"{WHOLE} seconds above 0, not '5m'"),
    ("VERIFY_TIMEOUT_S", "x", f"{WHOLE} seconds above 0, not 'x'"),
    ("MIN_DUMP_BYTES", "10k", f"{WHOLE} bytes, at least 0, not '10k'"),
    ("MISFIRE_GRACE_S", "43201", f"{WHOLE} seconds, at most 43200, not '43201'"),
    ("SOURCE_BLOCKED_S", "0", f"{WHOLE} seconds above 0, not '0'"),
    ("SOURCE_LOCK_TIMEOUT_S", "0", f"{WHOLE} seconds above 0, not '0'"),
    ("TARGET_BLOCKERS_GRACE_S", "-2", f"{WHOLE} seconds, at least -1, not '-2'"),
    ("MAX_SHRINK_PERCENT", "101", f"{WHOLE} percent, at most 100, not '101'"),
    ("TARGET_CAPACITY_BYTES", "0", f"{WHOLE} bytes above 0, not '0'"),
    ("CONNECT_TIMEOUT_S", "1", f"{WHOLE} seconds, at least 2, not '1'"),
    ("STALE_AFTER_S", "never", f"{WHOLE} seconds above 0, not 'never'"),
    ("RESTORE_METHOD", "rename", "must be one of auto, swap, in_place, not 'rename'"),
    ("DUMP_COMPRESSION", "gzip", "must be one of none, zstd, not 'gzip'"),
    ("ENCRYPT_TO", "age1x", "must be public keys of age (age1...), with commas between them, not 'age1x'"),
    ("NOTIFY_URLS", "geheim", "must be apprise URLs like mailto://user:password@example.com; number 1 of them is none"),
    ("NOTIFY_SUCCESS", "daily", "must be one of no, each, weekly, not 'daily'"),
    ("HEARTBEAT_URL", "hc-ping.com/geheim", "must be a URL like https://hc-ping.com/<your check's uuid>"),
    ("HEARTBEAT_URL", "https://h:x/geheim", "must be a URL like https://"),
    ("METRICS_FILE", "a\0b", "must be the path of a file, not 'a\\x00b'"),
    ("OFFSITE_URL", "ftp://x/y", "must be a place such as s3://bucket/folder; there are s3, gs, az, file, keys apart"),
    ("OFFSITE_URL", "s3://key:secret@bucket/x", "must be a place such as s3://bucket/folder"),
    ("OFFSITE_ENDPOINT", "s3.example.org", "must be an address such as https://s3.example.org, without a key in it"),
    ("OFFSITE_REGION", "my region", "must be the name of a region, such as eu-central-1, not 'my region'"),
    ("OFFSITE_TIMEOUT_S", "0", f"{WHOLE} seconds above 0, not '0'"),
    ("LOG_LEVEL", "loud", "must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'loud'"),
    ("LOG_FORMAT", "xml", "must be one of text, json, not 'xml'"),
    ("KEEP_OWNERS", "maybe", "must be true or false, not 'maybe'"),
    ("ALLOW_OLDER_TARGET", "perhaps", "must be true or false, not 'perhaps'"),
    ("FULL_RUNS", "at times", "must be true or false, not 'at times'"),
    ("RESTORE_JOBS", "0", f"{WHOLE} sessions above 0, not '0'"),
    ("FULL_RUN_DAYS", "-1", f"{WHOLE} days, at least 0, not '-1'"),
    ("CHANGED_TABLES_ONLY", "mostly", "must be true or false, not 'mostly'"),
    ("COPY_READ_ONLY", "often", "must be true or false, not 'often'"),
    ("STATS_TABLES", ",", "must be one or more table names with commas between them, not ','"),
    ("STATS_TABLES", "a,b,a", "must name each table only once, not 'a,b,a'"),
    ("STATS_TABLES", "a\x1b[2Jb", "must be one or more table names with commas between them, not 'a\\x1b[2Jb'"),
    ("BACKUP_DIR", "a\0b", "must be the path of a folder, not 'a\\x00b'"),
    ("DATABASE_URL", "geheim", "is not a PostgreSQL URL, which looks like"),
    ("RAILWAY_BACKUP_DB_URL", "postgresql://u:geheim@h", "names no database"),
    ("RAILWAY_BACKUP_DB_URL", "postgresql://u:ge@heim@h/db", "holds an @ too many"),
    ("CELERY_BROKER_URL", "geheim", "must be a URL like redis://:password@host:6379/0"),
    ("CELERY_BROKER_URL", "redis://:ge#heim@h:6379/0", "cannot be read; it should look like redis://"),
    ("CELERY_BROKER_URL", "redis://:12/ge@heim@h:6379/0", "holds an @ or a # too many"),
    ("CELERY_BROKER_URL", "redis://:geheim@h:6379/first", "must name its database by a number"),
    ("CELERY_RESULT_BACKEND", "here", "must be a URL like"),
    ("LOCK_URL", "amqp://u:geheim@h//", "must be the URL of a Redis"),
    ("JOURNAL_URL", "mysql://u:geheim@h/db", "must be an sqlite:/// or a postgresql:// URL; this one begins with"),
    ("JOURNAL_URL", "sqlite://", "must name a file"),
    ("JOURNAL_URL", "sqlite:///:memory:", "must name a file"),
    ("JOURNAL_URL", TARGET, "must not be the database of RAILWAY_BACKUP_DB_URL"),
    ("JOURNAL_URL", SOURCE, "must not be the database of DATABASE_URL"),
    ("RAILWAY_BACKUP_DB_URL", SOURCE, "must not be the database of DATABASE_URL"),
    ("RAILWAY_BACKUP_DB_URL", SOURCE.replace("-pooler", ""), "must not be the database of DATABASE_URL"),
]


@pytest.mark.parametrize(("name", "text", "said"), SINGLE_FAULTS)
def test_each_fault_is_told_by_name_and_alone(name: str, text: str, said: str) -> None:
    (fault,) = faults(**{name: text})
    assert fault.startswith(f"{name} {said}")


def test_a_secret_key_in_the_place_of_a_public_one_is_refused_and_not_shown() -> None:
    (fault,) = faults(ENCRYPT_TO="AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZ")
    assert fault == "ENCRYPT_TO must be public keys of age (age1...), with commas between them"


def test_the_table_of_faults_names_every_setting_that_can_be_wrong() -> None:
    # Any path, any text is one; the storage says whether it is its own.
    free = {"pg_bin_dir", "offsite_access_key_id", "offsite_secret_access_key"}
    assert {name.lower() for name, _text, _said in SINGLE_FAULTS} == set(setting_names()) - free


def test_all_faults_are_told_at_once_in_the_order_of_declaration() -> None:
    texts = {"LOG_LEVEL": "loud", "RETENTION_DAYS": "soon", "CELERY_BROKER_URL": "amqp://u:geheim@h//"}
    texts |= {"DUMP_TIMEOUT_S": "0", "RAILWAY_BACKUP_DB_URL": SOURCE, "DATABASE_URL_FILE": "/nowhere/at/all"}
    with pytest.raises(SettingsFault) as caught:
        load_settings({**REQUIRED, **texts}, env_file=None)
    names = [fault.split()[0] for fault in caught.value.faults]
    assert names == [
        "DATABASE_URL",
        "CELERY_RESULT_BACKEND",
        "LOCK_URL",
        "RETENTION_DAYS",
        "DUMP_TIMEOUT_S",
        "LOG_LEVEL",
    ]
    assert str(caught.value).startswith("6 settings cannot be used:\n  DATABASE_URL and DATABASE_URL_FILE")


def test_what_is_missing_is_told_with_its_meaning() -> None:
    with pytest.raises(SettingsFault) as caught:
        load_settings({}, env_file=None)
    assert caught.value.faults == (
        "DATABASE_URL is not set. The source: the Neon database that is copied. It is only ever read.",
        "RAILWAY_BACKUP_DB_URL is not set. The target: the Railway database that each run replaces by the copy.",
    )


def test_a_wrong_broker_does_not_also_accuse_what_follows_it() -> None:
    assert len(faults(CELERY_BROKER_URL="nonsense", BACKUP_DIR="a\0b")) == 2


@pytest.mark.parametrize(("typed", "meant"), [("reddis", "redis"), ("redsi", "redis"), ("redisss", "rediss")])
def test_a_misspelt_redis_is_told_as_that_and_not_as_another_broker(typed: str, meant: str) -> None:
    told = f"CELERY_BROKER_URL begins with {typed}://: did you mean {meant}://?"
    assert faults(CELERY_BROKER_URL=f"{typed}://:geheim@h:6379/0") == (told,)


def test_an_address_under_the_wrong_name_is_not_repeated() -> None:
    assert faults(RETENTION_DAYS=TARGET) == ("RETENTION_DAYS must be a whole number of days above 0",)


def test_a_broker_that_is_no_redis_needs_a_backend_and_a_lock() -> None:
    settings = loaded(
        CELERY_BROKER_URL="amqp://u:geheim@h//", CELERY_RESULT_BACKEND="redis://h/1", LOCK_URL="redis://h/2"
    )
    assert settings.lock_url.get_secret_value() == "redis://h/2"


@pytest.mark.parametrize(
    ("broker", "lock"),
    [
        ("valkey://:p@h:6379/3", "redis://:p@h:6379/3"),
        ("rediss://:p@h:6380", "rediss://:p@h:6380?ssl_cert_reqs=required"),
        ("valkeys://:p@h:6380/0?ssl_cert_reqs=CERT_NONE", "rediss://:p@h:6380/0?ssl_cert_reqs=none"),
        ("redis+socket:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_the_lock_is_kept_where_the_messages_travel(broker: str, lock: str) -> None:
    assert loaded(CELERY_BROKER_URL=broker).lock_url.get_secret_value() == lock


def test_a_postgres_journal_is_named_in_sqlalchemys_words() -> None:
    url = loaded(JOURNAL_URL="postgres://u:geheim@h/journal?pgbouncer=true").journal_url
    assert url.get_secret_value() == "postgresql+psycopg2://u:geheim@h:5432/journal"


def test_the_pair_is_blind_to_user_password_and_pooler_and_to_nothing_else() -> None:
    pair = loaded().pair
    assert len(pair) == 8
    assert int(pair, 16) >= 0
    assert loaded(DATABASE_URL="postgres://c:d@ep-x.neon.tech:5432/shop").pair == pair
    for name, text in [
        ("DATABASE_URL", SOURCE.replace("/shop", "/shop2")),
        ("DATABASE_URL", SOURCE.replace("ep-x", "ep-y")),
        ("RAILWAY_BACKUP_DB_URL", TARGET.replace("12345", "12346")),
    ]:
        assert loaded(**{name: text}).pair != pair


def test_the_source_is_reached_past_its_pooler() -> None:
    assert loaded().source.host == "ep-x.neon.tech"
    assert loaded().target == loaded().railway_backup_db_url


def test_every_password_is_among_the_secrets_in_every_spelling() -> None:
    settings = loaded(
        CELERY_BROKER_URL="redis://:br%2Fok@h/0",
        CELERY_RESULT_BACKEND="sentinel://:one@a:1;sentinel://:two@b:1",
        LOCK_URL="redis://user:lo%3ack@h/0",
        JOURNAL_URL="postgresql://u:jour%25@h/journal",
    )
    assert set(settings.secrets) == {
        *("geheim@1", "geheim%401", "geheim2", "br/ok", "br%2Fok", "one", "two"),
        *("lo:ck", "lo%3Ack", "lo%3ack", "jour%", "jour%25"),
    }


def test_no_secret_shows_in_the_settings_as_text_or_json() -> None:
    settings = loaded(CELERY_BROKER_URL="redis://:geheim3@h/0", JOURNAL_URL="postgresql://u:geheim4@h/j")
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "geheim" not in text
    assert json.loads(settings.model_dump_json())["database_url"].startswith("postgresql://ann:***@ep-x")


broken = st.lists(st.sampled_from([*"@/:?#%&=[];", "geheim"]), max_size=7).map("".join)


@example("OFFSITE_ENDPOINT", "[geheim]", "redis")
@example("OFFSITE_URL", "[geheim]", "redis")
@given(st.sampled_from([name.upper() for name in setting_names()]), broken, st.sampled_from(["redis", "postgres"]))
def test_no_badly_quoted_address_shows_its_password_whichever_setting_it_is_given_to(
    name: str, password: str, scheme: str
) -> None:
    if not is_secret(name.lower()) and name in ("BACKUP_DIR", "PG_BIN_DIR", "STATS_TABLES"):
        return  # any text is a path or a table's name
    try:
        told = repr(loaded(**{name: f"{scheme}://u:{password}@h:6379/0"}))
    except SettingsFault as fault:
        told = f"{fault} {fault!r} {fault.faults}"
    assert "geheim" not in told.replace("geheim%401", "").replace("geheim2", "")


def test_settings_are_frozen() -> None:
    settings: Any = loaded()
    with pytest.raises(ValidationError):
        settings.retention_days = 1


def test_settings_made_by_hand_look_at_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "99")
    settings = Settings(database_url=SOURCE, railway_backup_db_url=TARGET, dump_timeout_s=5)
    assert (settings.retention_days, settings.dump_timeout_s) == (7, 5)


def test_settings_made_by_hand_refuse_an_unknown_name_and_repeat_no_value() -> None:
    values: dict[str, Any] = {"database_url": SOURCE, "railway_backup_db_url": "geheim", "retention_day": "geheim"}
    with pytest.raises(ValidationError) as caught:
        Settings(**values)
    assert {error["loc"][0] for error in caught.value.errors()} == {"railway_backup_db_url", "retention_day"}
    assert "geheim" not in f"{caught.value} {caught.value!r}"


def test_an_oddity_of_an_address_is_a_warning() -> None:
    warnings = loaded(RAILWAY_BACKUP_DB_URL=TARGET + "?pgbouncer=true", STALE_AFTER_S="3600").warnings
    assert warnings[0] == "RAILWAY_BACKUP_DB_URL: the parameter pgbouncer is not PostgreSQL's and was dropped"
    assert warnings[1].startswith("STALE_AFTER_S is below the twelve hours")

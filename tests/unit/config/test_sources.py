"""Where settings come from: the environment, .env, and the files of secrets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.settings import SettingsFault, load_settings

REQUIRED = {
    "DATABASE_URL": "postgresql://ann:geheim1@source.example/shop",
    "RAILWAY_BACKUP_DB_URL": "postgresql://bob:geheim2@target.example/railway",
}


@pytest.fixture
def env_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write a .env file and return its path."""

    def write(text: str) -> Path:
        path = tmp_path / "settings.env"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def faults(env: dict[str, str], path: Path | None) -> tuple[str, ...]:
    with pytest.raises(SettingsFault) as caught:
        load_settings(env, path)
    assert "geheim" not in str(caught.value)
    return caught.value.faults


def test_the_environment_goes_before_the_file(env_file: Callable[[str], Path]) -> None:
    path = env_file("RETENTION_DAYS=10\nRETENTION_KEEP_LAST=5\n")
    settings = load_settings({**REQUIRED, "RETENTION_DAYS": "20"}, path)
    assert (settings.retention_days, settings.retention_keep_last) == (20, 5)


def test_an_empty_text_in_the_environment_counts_as_not_set(env_file: Callable[[str], Path]) -> None:
    assert load_settings({**REQUIRED, "RETENTION_DAYS": ""}, env_file("RETENTION_DAYS=10")).retention_days == 10


def test_the_file_may_be_written_as_shells_and_windows_write_it(env_file: Callable[[str], Path]) -> None:
    text = "\ufeffRETENTION_KEEP_LAST=4\r\n# ours\r\n"
    text += "export DATABASE_URL='postgresql://u:a$b#c@h/db' # the source\r\n\r\nRETENTION_DAYS = 9\r\n"
    settings = load_settings({**REQUIRED, "DATABASE_URL": ""}, env_file(text))
    assert settings.database_url.params["password"] == "a$b#c"
    assert (settings.retention_keep_last, settings.retention_days) == (4, 9)


def test_a_dollar_sign_in_a_password_stands_for_itself(env_file: Callable[[str], Path]) -> None:
    path = env_file("DATABASE_URL=postgresql://u:a${HOME}b@h/db")
    settings = load_settings({**REQUIRED, "DATABASE_URL": ""}, path)
    assert settings.database_url.params["password"] == "a${HOME}b"


def test_an_unknown_name_in_the_file_is_a_fault_with_advice(env_file: Callable[[str], Path]) -> None:
    path = env_file("RETENTION_DAY=7\nWEATHER=fine\nRETENTION_DAYS_FILE=/x\n")
    assert faults(REQUIRED, path) == (
        f"RETENTION_DAY in {path} is no setting: did you mean RETENTION_DAYS?",
        f"WEATHER in {path} is no setting",
        f"RETENTION_DAYS_FILE in {path} is no setting: did you mean RETENTION_DAYS?",
    )


def test_names_of_the_programs_that_read_the_same_file_are_let_be(env_file: Callable[[str], Path]) -> None:
    load_settings(REQUIRED, env_file("COMPOSE_PROJECT_NAME=x\nFLOWER_BASIC_AUTH=a:b\nTZ=UTC\n"))


def test_a_line_that_is_no_assignment_is_a_fault_that_does_not_repeat_it(env_file: Callable[[str], Path]) -> None:
    path = env_file("RETENTION_DAYS=7\npostgresql://u:geheim@h/db\nLOG_LEVEL\nLOG_FORMAT=text\n")
    assert faults(REQUIRED, path) == (
        f"{path}, line 2, is not NAME=value",
        f"{path}, line 3, is not NAME=value",
    )


def test_a_name_that_stands_twice_in_the_file_is_a_fault(env_file: Callable[[str], Path]) -> None:
    path = env_file("RETENTION_DAYS=7\nRETENTION_DAYS=70\n")
    assert faults(REQUIRED, path) == (f"RETENTION_DAYS stands twice in {path}",)


def test_faults_of_the_file_and_of_values_are_told_together(env_file: Callable[[str], Path]) -> None:
    path = env_file("RETENTION_DAY=7\nLOG_LEVEL=loud\n")
    assert [fault.split()[0] for fault in faults({}, path)] == [
        *("RETENTION_DAY", "DATABASE_URL", "RAILWAY_BACKUP_DB_URL", "LOG_LEVEL")
    ]


def test_a_file_that_was_asked_for_and_is_not_there_is_a_fault(tmp_path: Path) -> None:
    missing = tmp_path / "none.env"
    assert faults(REQUIRED, missing) == (f"{missing} cannot be read: No such file or directory",)
    with pytest.raises(SettingsFault, match=r"none\.env cannot be read"):
        load_settings({**REQUIRED, "RNS_ENV_FILE": str(missing)})


def test_a_file_in_another_encoding_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "latin.env"
    path.write_bytes(b"BACKUP_DIR=/b\xfcro\n")
    assert faults(REQUIRED, path) == (f"{path} cannot be read: it is not UTF-8 text",)


def test_the_file_is_found_in_the_current_folder_or_by_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(REQUIRED).retention_days == 7
    (tmp_path / ".env").write_text("RETENTION_DAYS=8")
    (tmp_path / "other.env").write_text("RETENTION_DAYS=9")
    assert load_settings(REQUIRED).retention_days == 8
    assert load_settings({**REQUIRED, "RNS_ENV_FILE": "other.env"}).retention_days == 9
    assert load_settings(REQUIRED, env_file=None).retention_days == 7


def test_the_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {**REQUIRED, "RETENTION_DAYS": "11"}.items():
        monkeypatch.setenv(name, text)
    assert load_settings(env_file=None).retention_days == 11


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RETENTION_DAY", "RETENTION_DAYS"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("database_url", "DATABASE_URL"),
        ("DUMP_TIMEOUT", "DUMP_TIMEOUT_S"),
        ("DATABASE_URL_FILES", "DATABASE_URL_FILE"),
    ],
)
def test_a_near_miss_in_the_environment_is_a_warning(name: str, meant: str) -> None:
    settings = load_settings({**REQUIRED, name: "geheim"}, env_file=None)
    assert settings.warnings == (f"{name} in the environment is no setting: did you mean {meant}?",)


@pytest.mark.parametrize("name", ["PATH", "HOME", "LANG", "PGHOST", "TEST_DATABASE_URL", "RNS_ENV_FILE", "LOGNAME"])
def test_somebody_elses_name_in_the_environment_is_let_be(name: str) -> None:
    assert load_settings({**REQUIRED, name: "/x"} | {"RNS_ENV_FILE": ""}, env_file=None).warnings == ()


def test_a_secret_may_be_read_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "database_url"
    secret.write_text("postgresql://u:geheim@elsewhere/db\n")
    env = {"DATABASE_URL_FILE": str(secret), "RAILWAY_BACKUP_DB_URL": REQUIRED["RAILWAY_BACKUP_DB_URL"]}
    assert load_settings(env, env_file=None).database_url.host == "elsewhere"


def test_a_secret_set_twice_is_a_fault_only_in_one_place(tmp_path: Path, env_file: Callable[[str], Path]) -> None:
    secret = tmp_path / "database_url"
    secret.write_text("postgresql://u:geheim@elsewhere/db")
    both = {**REQUIRED, "DATABASE_URL_FILE": str(secret)}
    assert faults(both, None) == ("DATABASE_URL and DATABASE_URL_FILE are both set; set only one of them",)
    over_file = load_settings(REQUIRED, env_file(f"DATABASE_URL_FILE={secret}"))
    assert over_file.database_url.host == "source.example"


def test_a_secrets_file_that_says_so_is_as_if_nothing_were_set(tmp_path: Path, env_file: Callable[[str], Path]) -> None:
    secret = tmp_path / "heartbeat_url"
    secret.write_text("# not set\n")
    env = {**REQUIRED, "HEARTBEAT_URL_FILE": str(secret)}
    assert load_settings(env, env_file=None).heartbeat_url is None
    beside = load_settings({**env, "HEARTBEAT_URL": "https://ping.example/1"}, env_file=None).heartbeat_url
    below = load_settings(env, env_file("HEARTBEAT_URL=https://ping.example/1")).heartbeat_url
    assert beside == below is not None
    secret.write_text("# not set any more")
    assert faults(env, None)[0].startswith("HEARTBEAT_URL must ")
    secret.write_text("# not set")
    (fault,) = faults({**REQUIRED, "DATABASE_URL": "", "DATABASE_URL_FILE": str(secret)}, None)
    assert fault.startswith("DATABASE_URL is not set.")


def test_a_secrets_file_that_cannot_be_used_is_told_without_its_path(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for path, said in [
        (str(empty), "names a file that is empty"),
        (str(binary), "names a file that cannot be read: it is not UTF-8 text"),
        (str(tmp_path), "names a file that cannot be read: Is a directory"),
        ("postgresql://u:geheim@h/db", "names a file that cannot be read: No such file or directory"),
        ("geheim" * 100, "names a file that cannot be read: File name too long"),
    ]:
        env = {**REQUIRED, "DATABASE_URL": "", "DATABASE_URL_FILE": path}
        assert faults(env, None) == (f"DATABASE_URL_FILE {said}",)

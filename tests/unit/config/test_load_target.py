"""The target alone: on the day when it is needed, nothing else need be right, nor even be there."""

from pathlib import Path

import pytest

from config.settings import SettingsFault, load_target

NAME = "RAILWAY_BACKUP_DB_URL"
URL = "postgresql://u:geheim@railway.example:5433/railway"


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}={URL}\n",
        f"DATABASE_URL=\nRETENTION_DAYS=soon\nRETENTION_DAY=7\nthis is no setting\n{NAME}='{URL}'\n",
        f"DATABASE_URL={URL}\n{NAME}={URL}\nCELERY_BROKER_URL=nowhere\n",
    ],
    ids=["alone", "among faults", "beside a source that is the same"],
)
def test_whatever_else_is_wrong_in_the_file_the_target_is_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    found = load_target({}, path)
    assert (found.host, found.port, found.dbname) == ("railway.example", 5433, "railway")


def test_a_file_may_hold_it_and_the_environment_goes_before_env(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{URL}\n")
    (tmp_path / ".env").write_text(f"{NAME}=postgresql://u@elsewhere/other\n")
    assert load_target({f"{NAME}_FILE": str(tmp_path / "secret")}, tmp_path / ".env").dbname == "railway"


def test_a_pooler_is_passed_by() -> None:
    assert load_target({NAME: "postgresql://u@ep-x-pooler.example.org/d"}, None).host == "ep-x.example.org"


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, f"{NAME} is not set"),
        ({NAME: "postgresql://u:ge@heim@h/d"}, "holds an @ too many"),
        ({f"{NAME}_FILE": "/nowhere/geheim"}, f"{NAME}_FILE names a file that cannot be read"),
    ],
)
def test_without_it_the_one_sentence_names_it_and_shows_no_part_of_a_password(env: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsFault) as raised:
        load_target(env, None)
    assert said in str(raised.value)
    assert NAME in str(raised.value)
    assert "heim" not in str(raised.value)


def test_a_file_or_a_line_that_may_have_held_it_and_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"RETENTION_DAY=7\n{URL}\n")
    for path, said in ((tmp_path, "cannot be read"), (tmp_path / ".env", ", line 2, is not NAME=value")):
        with pytest.raises(SettingsFault) as raised:
            load_target({}, path)
        told, unset = raised.value.faults
        assert said in told
        assert unset.startswith(f"{NAME} is not set")

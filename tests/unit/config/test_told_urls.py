"""The addresses of channels and of the dead man's switch: read, and masked as the secrets that they are."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from config.logs import mask
from config.settings import Settings, load_settings
from config.told_urls import told_secrets

REQUIRED = {
    "DATABASE_URL": "postgresql://ann:one@source.example/shop",
    "RAILWAY_BACKUP_DB_URL": "postgresql://bob:two@target.example/railway",
}
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
TELEGRAM = "tgram://123456789:AAabcdefghijklmnopqrstuvwxyz12345678/987654"
MAIL = "mailto://ops:pw@mail.example.com?to=ann@example.com,bob@example.com"
HOOK = "https://hc-ping.com/6f9d3a0e-1c7b-4c55-9a51-0f6f3f1f0a11"


def loaded(**texts: str) -> Settings:
    return load_settings({**REQUIRED, **texts}, env_file=None)


def revealed(settings: Settings) -> list[str]:
    return [url.get_secret_value() for url in settings.notify_urls]


@pytest.mark.parametrize("between", [",", ", ", "\n", " \n\n", " "])
def test_commas_spaces_and_line_breaks_part_channels_but_not_inside_of_one(between: str) -> None:
    assert revealed(loaded(NOTIFY_URLS=between.join([SLACK, MAIL, TELEGRAM]) + between)) == [SLACK, MAIL, TELEGRAM]


def test_a_file_may_hold_one_channel_a_line(tmp_path: Path) -> None:
    path = tmp_path / "notify_urls"
    path.write_text(f"{SLACK}\n{MAIL}\n")
    assert revealed(loaded(NOTIFY_URLS_FILE=str(path))) == [SLACK, MAIL]


def test_the_bad_one_is_told_by_its_number_alone() -> None:
    with pytest.raises(ValueError, match="number 2 of them is none") as caught:
        loaded(NOTIFY_URLS=f"{SLACK}\nslack://")
    assert "T1JJ3T3L2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "tokens"),
    [
        (SLACK, ["TIiajkdnlazkcOXrIdevi7FQ", SLACK, "/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"]),
        (TELEGRAM, ["AAabcdefghijklmnopqrstuvwxyz12345678"]),
        (MAIL, ["ops:pw@mail"]),
        (HOOK, ["6f9d3a0e-1c7b-4c55-9a51-0f6f3f1f0a11", "/6f9d3a0e-1c7b-4c55-9a51-0f6f3f1f0a11/fail"]),
    ],
)
def test_what_lets_somebody_write_there_is_masked(url: str, tokens: list[str]) -> None:
    secrets = sorted(told_secrets(SecretStr(url)))
    for token in tokens:
        assert "***" in mask(f"could not reach {token} now", secrets)
        secret = max(token.strip("/").split("/"), key=len)
        assert secret not in mask(f"could not reach {token} now", secrets)


def test_words_and_hosts_are_not_blanked_in_other_lines() -> None:
    secrets = [*told_secrets(SecretStr("json://127.0.0.1:8080/backup")), *told_secrets(SecretStr("ntfy://backup"))]
    line = "the backup of 127.0.0.1 by hc-ping.com and mail.example.com"
    assert mask(line, secrets) == line


def test_all_of_them_are_among_the_secrets_and_none_is_in_what_is_shown() -> None:
    settings = loaded(NOTIFY_URLS=f"{SLACK} {TELEGRAM}", HEARTBEAT_URL=HOOK)
    assert {SLACK, TELEGRAM, HOOK} <= set(settings.secrets)
    shown = f"{settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert not any(secret in shown for secret in ("TIiajkdn", "AAabcdef", "6f9d3a0e"))

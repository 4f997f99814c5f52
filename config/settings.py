"""What the operator sets: read from everywhere at once, held against each other, and told together when wrong."""

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from config.declarations import HALF_A_DAY_S, Declarations
from config.kinds import FollowsAFault, Secret, service_secrets
from config.sources import Gathered, gather
from config.told_urls import told_secrets
from config.urls import DatabaseUrl, UrlFault

_LONGEST_SHOWN = 60
URLS = ("DATABASE_URL", "RAILWAY_BACKUP_DB_URL")


class SettingsFault(ValueError):
    """Something that the operator set cannot be used.

    faults: one sentence each; none shows a secret's value.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        lines = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(faults[0] if len(faults) == 1 else f"{len(faults)} settings cannot be used:{lines}")
        self.faults = faults


class Settings(Declarations):
    """Every setting, typed and frozen; made by load_settings. Neither its repr nor its dump shows a secret.

    warnings: sentences for the operator about what looks wrong and is no fault.
    unset: those of URLS that are not set, for a command that does without; what stands there leads nowhere.
    """

    @field_validator("railway_backup_db_url")
    @classmethod
    def _is_another_database(cls, target: DatabaseUrl, others: ValidationInfo) -> DatabaseUrl:
        source = others.data.get("database_url")
        if source and source.identity == target.identity:
            raise ValueError("must not be the database of DATABASE_URL: the copy would replace its own source")
        return target

    @field_validator("report_retention_days")
    @classmethod
    def _outlives_the_dumps(cls, days: int, others: ValidationInfo) -> int:
        # The journal knows which dumps are verified: forgetting it first would make them all unverified.
        if days < (dumps := others.data.get("retention_days", 0)):
            raise ValueError(f"must be at least RETENTION_DAYS, which is {dumps}")
        return days

    @field_validator("journal_url")
    @classmethod
    def _is_apart(cls, journal: SecretStr, others: ValidationInfo) -> SecretStr:
        if journal.get_secret_value().startswith("sqlite"):
            return journal
        place = DatabaseUrl.parse(journal.get_secret_value()).identity
        for name in ("database_url", "railway_backup_db_url"):
            if (url := others.data.get(name)) and url.identity == place:
                raise ValueError(f"must not be the database of {name.upper()}, which is only read or is replaced")
        return journal

    @property
    def source(self) -> DatabaseUrl:
        """The source past any pooler."""
        return self.database_url.direct()[0]

    @property
    def target(self) -> DatabaseUrl:
        """The target past any pooler."""
        return self.railway_backup_db_url.direct()[0]

    @property
    def pair(self) -> str:
        """Eight hexadecimal digits for this source and this target, whoever enters them and through what."""
        both = f"{self.database_url.identity}\n{self.railway_backup_db_url.identity}"
        return hashlib.sha256(both.encode()).hexdigest()[:8]

    @property
    def offsite_place(self) -> str | None:
        """Where the off-site copies of this pair lie: another installation's retention must not reach them."""
        return f"{self.offsite_url}/{self.pair}" if self.offsite_url else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every password and token among the settings, raw and percent-encoded, for masking."""
        found = {*self.database_url.secrets, *self.railway_backup_db_url.secrets}
        for url in (self.celery_broker_url, self.celery_result_backend, self.lock_url, self.journal_url):
            found |= service_secrets(url)
        for told in (*self.notify_urls, *filter(None, [self.heartbeat_url])):
            found |= told_secrets(told)
        keys = (self.offsite_access_key_id, self.offsite_secret_access_key)
        found |= {key.get_secret_value() for key in keys if key}
        return tuple(sorted(found))


def load_settings(
    env: Mapping[str, str] | None = None,
    env_file: Path | EllipsisType | None = ...,
    *,
    without: Collection[str] = (),
) -> Settings:
    """The settings of an environment (the process's own, when not given) and of a `.env` file.

    The file is the one given, or that of RNS_ENV_FILE, or `.env` in the current folder if there is one; None: no file.
    without: those of URLS that need not be set. Raises SettingsFault, which tells every fault at once.
    """
    env = os.environ if env is None else env
    found = gather(
        env,
        _env_file(env) if isinstance(env_file, EllipsisType) else env_file,
        names=tuple(name.upper() for name in setting_names()),
        secret_names=tuple(name.upper() for name in setting_names() if is_secret(name)),
    )
    unset = tuple(name for name in without if name not in found.texts and name not in found.refused)
    found.texts |= {
        name: f"postgresql://nobody@{name.lower().replace('_', '-')}-is-not-set.invalid/unset" for name in unset
    }
    try:
        settings = Settings.model_validate({name.lower(): text for name, text in found.texts.items()})
    except ValidationError as error:
        raise SettingsFault(tuple(found.faults + _sentences(error, found))) from None
    if found.faults:
        raise SettingsFault(tuple(found.faults))
    return settings.model_copy(update={"warnings": (*found.warnings, *_oddities(settings)), "unset": unset})


def demand_set(settings: Settings, *names: str) -> None:
    """Raise SettingsFault for those of URLS that a command cannot do without after all."""
    if missing := [name for name in names if name in settings.unset]:
        raise SettingsFault(tuple(_not_set(name) for name in missing))


def load_target(env: Mapping[str, str] | None = None, env_file: Path | EllipsisType | None = ...) -> DatabaseUrl:
    """The target alone, past any pooler: for the day when the source is gone and nothing else need be right.

    Raises SettingsFault.
    """
    env = os.environ if env is None else env
    name = "RAILWAY_BACKUP_DB_URL"
    path = _env_file(env) if isinstance(env_file, EllipsisType) else env_file
    found = gather(env, path, names=(name,), secret_names=(name,))
    if name not in found.texts:
        named = [fault for fault in found.faults if name in fault]
        # A file or a line that cannot be read may have held it; what else is wrong there is nothing to us.
        unread = [fault for fault in found.faults if "cannot be read" in fault or "is not NAME=value" in fault]
        raise SettingsFault(tuple(named or [*unread, _not_set(name)]))
    try:
        return DatabaseUrl.parse(found.texts[name]).direct()[0]
    except UrlFault as fault:
        raise SettingsFault((f"{name} {fault.predicate}",)) from None


def is_secret(name: str) -> bool:
    """Whether a setting's value must never be shown; by its name in lower case."""
    return any(isinstance(mark, Secret) for mark in Settings.model_fields[name].metadata)


def setting_names() -> list[str]:
    """Every setting's name in lower case, in the order of their declaration."""
    return [name for name in Settings.model_fields if name not in {"warnings", "unset"}]


def _env_file(env: Mapping[str, str]) -> Path | None:
    if named := env.get("RNS_ENV_FILE"):
        return Path(named)
    usual = Path(".env")
    return usual if usual.is_file() else None


def _sentences(error: ValidationError, found: Gathered) -> list[str]:
    faults = [(str(details["loc"][0]).upper(), details) for details in error.errors(include_url=False)]
    return [
        _sentence(name, details, found.texts.get(name))
        for name, details in faults
        if name not in found.refused and not isinstance(_fault(details), FollowsAFault)
    ]


def _fault(details: ErrorDetails) -> object:
    return details.get("ctx", {}).get("error")


def _sentence(name: str, details: ErrorDetails, text: str | None) -> str:
    if details["type"] == "missing":
        return _not_set(name)
    fault = _fault(details)
    if isinstance(fault, UrlFault):
        return f"{name} {fault.predicate}"
    sentence = f"{name} {fault or details['msg']}"
    # A value with :// in it is an address that somebody put under the wrong name: it may hold a password.
    if text is None or is_secret(name.lower()) or "://" in text or "SECRET" in text.upper():
        return sentence
    shown = text.strip()
    return f"{sentence}, not {shown[:_LONGEST_SHOWN]!r}{'...' if len(shown) > _LONGEST_SHOWN else ''}"


def _not_set(name: str) -> str:
    return f"{name} is not set. {Settings.model_fields[name.lower()].description}"


def _oddities(settings: Settings) -> list[str]:
    urls: dict[str, Any] = {
        "DATABASE_URL": settings.database_url,
        "RAILWAY_BACKUP_DB_URL": settings.railway_backup_db_url,
    }
    odd = [f"{name}: {note}" for name, url in urls.items() for note in url.notes]
    if settings.stale_after_s < HALF_A_DAY_S:
        odd.append("STALE_AFTER_S is below the twelve hours between two runs: a good copy will count as stale")
    return odd

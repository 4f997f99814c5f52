"""Every setting, declared once: name, type, default, meaning, and whether it is a secret."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.kinds import (
    FOLLOWS,
    AgeRecipients,
    BackendUrl,
    Channels,
    Choice,
    Endpoint,
    Folder,
    JournalUrl,
    LockUrl,
    MetricsFile,
    OffsiteUrl,
    OptionalSecret,
    PingUrl,
    Region,
    ServiceUrl,
    Shown,
    SourceOrTarget,
    TableNames,
    Truth,
    Whole,
    processors,
)

HALF_A_DAY_S = 12 * 3600


class Declarations(BaseSettings):
    """The settings by their names in lower case; config.settings.Settings adds how they must fit together."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True, case_sensitive=False
    )

    database_url: SourceOrTarget = Field(
        description="The source: the Neon database that is copied. It is only ever read."
    )
    railway_backup_db_url: SourceOrTarget = Field(
        description="The target: the Railway database that each run replaces by the copy."
    )
    celery_broker_url: ServiceUrl = Field(
        SecretStr("redis://localhost:6379/0"), description="Where Celery's messages travel."
    )
    celery_result_backend: BackendUrl = Field(FOLLOWS, description="Where Celery keeps reports.")
    lock_url: LockUrl = Field(
        FOLLOWS,
        description="The Redis (or Valkey) whose lock lets only one run work at a time.",
    )
    backup_dir: Folder = Field(
        Path("backups/unified_database_backup"),
        description="The folder of dumps, safety backups, manifests and reports.",
    )
    stats_tables: TableNames = Field(
        ("users", "escrows", "wallets", "transactions"),
        description="The tables whose row counts stand in the report; a schema may stand before the name.",
    )
    retention_days: Annotated[int, Whole("days", at_most=36_500)] = Field(
        7, description="Dumps older than this expire, as far as `RETENTION_KEEP_LAST` lets them."
    )
    retention_keep_last: Annotated[int, Whole("verified dumps", at_least=3)] = Field(
        3, description="So many of the newest verified dumps never expire."
    )
    report_retention_days: Annotated[int, Whole("days", at_most=36_500)] = Field(
        90, description="How long reports, results and the journal's rows are kept."
    )
    dump_timeout_s: Annotated[int, Whole("seconds")] = Field(
        300, description="Limit of the step that counts and dumps the source."
    )
    safety_timeout_s: Annotated[int, Whole("seconds")] = Field(
        180, description="Limit of the step that dumps the target as it is now."
    )
    restore_timeout_s: Annotated[int, Whole("seconds")] = Field(
        300, description="Limit of the step that loads, proves and publishes the copy."
    )
    verify_timeout_s: Annotated[int, Whole("seconds")] = Field(
        300, description="Limit of the step that compares the published copy with the source's manifest."
    )
    min_dump_bytes: Annotated[int, Whole("bytes", at_least=0, at_most=10**15)] = Field(
        10_240, description="A smaller dump must also account for every row of its manifest, and is warned of."
    )
    dump_compression: Annotated[Literal["none", "zstd"], Choice()] = Field(
        "none", description="`zstd` compresses dump files, whose names then end in `.sql.zst`."
    )
    encrypt_to: AgeRecipients = Field(
        (),
        description="Public keys of age (`age1...`), commas between them; dumps of the source are encrypted to them.",
    )
    offsite_url: OffsiteUrl = Field(
        None,
        description="Where verified dumps are copied to: `s3://bucket/folder`, `gs://`, `az://`, `file:///folder`.",
    )
    offsite_access_key_id: OptionalSecret = Field(
        None, description="The key's id at S3; other storages find their credentials in the environment."
    )
    offsite_secret_access_key: OptionalSecret = Field(None, description="The key itself.")
    offsite_endpoint: Endpoint = Field(
        None, description="The address of an S3 that is not Amazon's, such as `https://s3.example.org`."
    )
    offsite_region: Region = Field("us-east-1", description="The region of the bucket; `auto` for Cloudflare R2.")
    offsite_timeout_s: Annotated[int, Whole("seconds")] = Field(
        600, description="Limit of one attempt to bring the off-site copy up to date."
    )
    misfire_grace_s: Annotated[int, Whole("seconds", at_most=HALF_A_DAY_S)] = Field(
        600, description="A run that could not start within this time after its slot is missed, not started."
    )
    restore_method: Annotated[Literal["auto", "swap", "in_place"], Choice()] = Field(
        "auto", description="`swap` renames a new database in, `in_place` replaces inside one transaction."
    )
    journal_url: JournalUrl = Field(
        FOLLOWS,
        description="Where runs are remembered: sqlite:///path, or a PostgreSQL that is neither of the two.",
    )
    pg_bin_dir: Annotated[Folder | None, Shown("those that are found")] = Field(
        None,
        description="The folder of pg_dump and psql, or of several majors (`17/bin/pg_dump`); no other is used then.",
    )
    keep_owners: Truth = Field(default=False, description="Whether the copy keeps the source's owners and privileges.")
    allow_older_target: Truth = Field(
        default=False,
        description="Whether to try a copy to a server of an older major version; it is still proved before it counts.",
    )
    full_runs: Truth = Field(
        default=False,
        description="Whether each run asks pg_dump for the schema, reads all rows, dumps the target and loads the "
        "dump, also when nothing changed.",
    )
    full_run_days: Annotated[int, Whole("days", at_least=0, at_most=36_500)] = Field(
        7, description="One run in so many days does so, at least; 0: only where `FULL_RUNS` asks for it."
    )
    changed_tables_only: Truth = Field(
        default=True,
        description="Whether, when only rows changed, just those rows are written, while readers go on; if it can be.",
    )
    copy_read_only: Truth = Field(
        default=False, description="Whether the copy refuses ordinary writes between runs; `promote` lifts it."
    )
    restore_jobs: Annotated[int, Whole("sessions", at_most=32), Shown("one for each processor, at most 4")] = Field(
        default_factory=processors,
        description="How many sessions load the copy, with method `swap`, when its tables are large.",
    )
    source_blocked_s: Annotated[int, Whole("seconds")] = Field(
        5, description="The dump gives way when somebody at the source waits behind it for so long."
    )
    source_lock_timeout_s: Annotated[int, Whole("seconds")] = Field(
        10, description="How long the dump waits for a table of the source that somebody locks."
    )
    target_blockers_grace_s: Annotated[int, Whole("seconds", at_least=-1)] = Field(
        30,
        description="Method `in_place` ends sessions that keep it waiting after this time; -1: never. `swap` ends all.",
    )
    max_shrink_percent: Annotated[int, Whole("percent", at_least=0, at_most=100)] = Field(
        50, description="A copy that loses more of the target's rows than this is held."
    )
    target_capacity_bytes: Annotated[int | None, Whole("bytes", at_most=10**15), Shown("unknown")] = Field(
        None, description="The size of the target's volume; with it, room is checked before the restore."
    )
    connect_timeout_s: Annotated[int, Whole("seconds", at_least=2)] = Field(
        20, description="How long one attempt to connect may take; a sleeping Neon compute has to wake."
    )
    stale_after_s: Annotated[int, Whole("seconds")] = Field(
        46_800, description="A newest verified copy older than this counts as stale."
    )
    notify_urls: Channels = Field(
        (), description="Who is told of trouble: apprise URLs, with commas or line breaks between them."
    )
    notify_success: Annotated[Literal["no", "each", "weekly"], Choice()] = Field(
        "no", description="Whether good news is told too: `each` success, or one digest on Monday, `weekly`."
    )
    heartbeat_url: PingUrl = Field(
        None, description="The dead man's switch that is pinged at each start, success and failure."
    )
    metrics_file: MetricsFile = Field(FOLLOWS, description="The metrics, for node_exporter's textfile collector.")
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], Choice()] = Field(
        "INFO", description="DEBUG, INFO, WARNING, ERROR or CRITICAL."
    )
    log_format: Annotated[Literal["text", "json"], Choice()] = Field(
        "text", description="`text` for people, `json` for one JSON object a line."
    )
    warnings: tuple[str, ...] = Field(default=(), exclude=True, repr=False)
    unset: tuple[str, ...] = Field(default=(), exclude=True, repr=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what load_settings hands in: pydantic's own readers would be silent about a misspelt name."""
        return (init_settings,)

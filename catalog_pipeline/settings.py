"""Every setting of the pipeline, in one place, with defaults that work on a laptop.

A setting comes from the environment (`CATALOG_…`) or from `.env` in the working directory; the environment wins.
"""

import difflib
import os
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from catalog_pipeline.addresses import MailAddress, parse_smtp_url
from catalog_pipeline.errors import SettingsError

PREFIX = "CATALOG_"
DOTENV = ".env"


def _split(value: str) -> SplitResult | None:
    """The parts of a URL, or None when it is malformed: urlsplit's own error would quote the password."""
    try:
        return urlsplit(value)
    except ValueError:
        return None


def _http_url(value: str) -> str:
    value = value.strip().rstrip("/")
    parts = _split(value)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or " " in value:
        raise ValueError("give a whole URL, such as https://discovery.example.org")
    if parts.username or parts.password:
        raise ValueError("leave user and password out of the URL; there are settings for credentials")
    if parts.query or parts.fragment:
        raise ValueError("leave out what follows the path, from the ? or # on")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port must be a number from 0 to 65535") from None
    return value


def _check_database_url(value: str) -> None:
    from sqlalchemy import make_url  # only here: who sets no URL need not wait for it
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(value)
        for port in url.normalized_query.get("port", ()):
            int(port)
    except (ValueError, ArgumentError):  # from None: they may quote the password
        raise ValueError(
            "the port must be one number, as in postgresql://user:password@host:5432/catalog, and special characters"
            " of the password must be written as %3A and the like"
        ) from None
    if "sslpassword" in url.query:
        raise ValueError("leave sslpassword out, which the process list would show: use a key without a password")


SERVICES = ("discovery", "lms", "enterprise_catalog", "enterprise_access", "subsidy")
"""The upstream services. The setting `<service>_url` says where each is."""
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Share = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseSettings):
    """The pipeline's configuration. The fields' descriptions are its documentation; `.env.example` repeats them."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=DOTENV,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    home: Path = Field(
        Path(".catalog"), description="The home folder, for everything embedded: database, Dagster, logs."
    )
    database_url: SecretStr | None = Field(
        None,
        description="Postgres 17 or newer, as postgresql://user:password@host:port/name."
        " If unset, an embedded server in the home folder.",
    )
    embedded_tcp_port: int | None = Field(
        None,
        ge=1024,
        le=65535,
        description="A TCP port of 127.0.0.1 on which the embedded server also listens, for BI tools;"
        " see docs/analyst.md. If unset, none.",
    )
    analyst_url: SecretStr | None = Field(
        None,
        description="The same database by a login of the role catalog_analyst, which `sql` uses."
        " If unset, the embedded server's own such login, or else that of CATALOG_DATABASE_URL.",
    )

    discovery_url: HttpUrl | None = Field(
        None,
        description="The URL of course-discovery, without /api/v1."
        " If no upstream's URL is set, neither this one nor those below, the bundled sample upstream is used.",
    )
    lms_url: HttpUrl | None = Field(
        None, description="The URL of the LMS whose course list is read. It adds the runs that discovery does not list."
    )
    enterprise_catalog_url: HttpUrl | None = Field(
        None, description="The URL of enterprise-catalog, without /api: which content each customer's catalogs have."
    )
    enterprise_access_url: HttpUrl | None = Field(
        None, description="The URL of enterprise-access, without /api: policies, configurations and assignments."
    )
    subsidy_url: HttpUrl | None = Field(
        None, description="The URL of enterprise-subsidy, without /api: subsidies, and what content costs."
    )
    oauth_token_url: HttpUrl | None = Field(
        None, description="The token endpoint. If unset, <CATALOG_LMS_URL>/oauth2/access_token."
    )
    discovery_client_id: str | None = Field(None, description="The OAuth2 client id for all upstreams.")
    discovery_client_secret: SecretStr | None = Field(None, description="The secret of that OAuth2 client.")

    page_size: int = Field(100, ge=1, le=1000, description="How many documents a page has; the LMS gives 100 at most.")
    parallel_pages: int = Field(4, ge=1, le=16, description="How many pages a crawl requests at the same time.")
    page_deadline: float = Field(120, gt=0, description="Seconds in which a page must be read to its end.")
    request_retries: int = Field(
        5, ge=0, le=20, description="How often a request is tried again after a broken connection or a 5xx."
    )
    retry_backoff: float = Field(
        1, ge=0, description="Seconds before the second try; they double with each further one."
    )
    rate_limit_wait: float = Field(
        300,
        ge=0,
        description="Seconds that the refresh of a source may wait in all because of 429 responses (Retry-After).",
    )

    reject_share: Share = Field(
        0.5, description="A load with a larger share of rejected documents is refused as a whole."
    )
    removal_share: Share = Field(
        0.2,
        description="Removals of more than this share of a table's rows are held back until a person accepts them."
        " So is a feed that lists so much less of its products.",
    )
    removal_floor: int = Field(
        5, ge=0, description="So many removals from a table are never held back; of feeds, each counts."
    )

    content_max_age: float = Field(
        36,
        ge=0,
        le=100_000,
        description="Hours after which an allocation asks the catalog again for the content that it is for.",
    )

    smtp_url: SecretStr | None = Field(
        None,
        description="The mail server: smtp://host, smtp://user:password@host:587?starttls or smtps://…"
        " If unset, mails are written as .eml files into mail/ of the home folder.",
    )
    mail_from: MailAddress = Field(
        "Catalog Pipeline <catalog-pipeline@localhost>", description="The sender of mails, as Name <address>."
    )

    learner_portal_url: HttpUrl | None = Field(
        None, description="The learner portal to which mails lead, without the customer's slug. If unset, no mail does."
    )
    price_ratio_lower: Decimal = Field(
        Decimal("0.95"), ge=0, description="An assignment's price may be this share of the content's price or more."
    )
    price_ratio_upper: Decimal = Field(
        Decimal("1.05"), ge=0, description="An assignment's price may be this share of the content's price or less."
    )
    nudge_catch_up: int = Field(
        3, ge=0, description="How many days on which learners were not nudged are caught up at most."
    )

    enrollments: bool = Field(
        False, description="Whether the LMS's program enrollments are replicated. Those of the sample always are."
    )
    enrollment_program_types: str = Field(
        "Masters", description="The types of the programs whose enrollments are replicated, with commas between them."
    )
    enrollment_batch: int = Field(10_000, ge=1, description="How many learners `enrollments write` takes at once.")
    waiting_enrollment_days: int | None = Field(
        None,
        ge=0,
        description="Days without a change after which the night removes an enrollment that waits for its user."
        " If unset, it removes none.",
    )
    retirement_secret: SecretStr | None = Field(
        None,
        description="The secret of the hashes that replace a retired learner's name and keys."
        " If unset, one is made once and kept in the home folder.",
    )

    partner_feeds: Path | None = Field(
        None,
        description="The folder of partner feeds, with files <source>/<course type>/<name>.csv."
        " If unset, feeds/ of the home folder.",
    )
    partner_rules: Path | None = Field(
        None, description="A file of rules for partner feeds that replaces the shipped one; see docs/partner-feeds.md."
    )
    feed_size_limit: int = Field(1000, ge=1, le=2000, description="Megabytes that a feed may have, once unpacked.")
    feed_cell_limit: int = Field(100_000, ge=1_000, description="Characters that a cell of a feed may have.")
    feed_tries: int = Field(3, ge=1, description="How often a feed that fails is tried before it is set aside.")

    keep_sent_mail: int = Field(
        90, ge=0, description="Days that sent mail is listed; 0 for ever, as with the four that follow."
    )
    keep_superseded_feeds: int = Field(
        180,
        ge=0,
        description="Days that the rows and bytes of a feed are kept after another feed took its place."
        " What became of it is kept for ever.",
    )
    keep_cleared_rejects: int = Field(
        90, ge=0, description="Days that a reject is kept after its document was decided again."
    )
    keep_missing_documents: int = Field(
        365, ge=0, description="Days that the content of a document is kept after upstream last listed it."
    )
    keep_dagster_log: int = Field(
        90,
        ge=0,
        description="Days that the events of Dagster's runs are kept."
        " Materializations, and the last result of each check, are kept for ever.",
    )

    automation: bool = Field(
        False, description="Whether schedules and sensors run from the start. `make up` turns it on."
    )
    ui_port: int = Field(3000, ge=1, le=65535, description="The port of the Dagster UI under `make up`.")
    nightly_cron: str = Field("15 2 * * *", description="When the nightly jobs start, as a cron expression in UTC.")
    history_start: date = Field(
        date(2026, 1, 1),
        description="The first day of the daily snapshots. Those from before the pipeline first ran are empty.",
    )
    sample_courses: int = Field(400, ge=0, description="How many courses the bundled sample upstream has.")
    sample_seed: int = Field(1, description="The seed of the bundled sample upstream.")
    max_runtime: int = Field(7200, ge=60, description="Seconds after which a Dagster run is stopped.")

    @field_validator("database_url", "analyst_url")
    @classmethod
    def _postgres_only(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return value
        parts = _split(value.get_secret_value())
        if parts is None or parts.scheme not in ("postgresql", "postgres"):
            raise ValueError(
                "give a Postgres URL, such as postgresql://user:password@host:5432/catalog,"
                " with special characters of the password as %5B and the like"
            )
        _check_database_url(value.get_secret_value())
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp_only(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_smtp_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _whole_credentials(self) -> "Settings":
        if (self.discovery_client_id is None) != (self.discovery_client_secret is None):
            raise ValueError("set CATALOG_DISCOVERY_CLIENT_ID and CATALOG_DISCOVERY_CLIENT_SECRET together")
        if self.discovery_client_id and not self.token_url:
            raise ValueError("a client id needs CATALOG_OAUTH_TOKEN_URL (or CATALOG_LMS_URL)")
        return self

    @model_validator(mode="after")
    def _ratios_in_order(self) -> "Settings":
        if self.price_ratio_lower > self.price_ratio_upper:
            raise ValueError("CATALOG_PRICE_RATIO_LOWER is more than CATALOG_PRICE_RATIO_UPPER: no price lies between")
        return self

    @cached_property
    def token_url(self) -> str | None:
        """The token endpoint, or None."""
        return self.oauth_token_url or (f"{self.lms_url}/oauth2/access_token" if self.lms_url else None)

    @property
    def uses_sample(self) -> bool:
        """Whether the bundled sample is used, because no upstream is configured."""
        return not any(getattr(self, f"{service}_url") for service in SERVICES)

    @property
    def folder(self) -> Path:
        """The home folder, absolute, so that a child process with another working directory finds it."""
        return self.home.expanduser().absolute()

    @property
    def site_folder(self) -> Path:
        """The folder of the site of the tables, absolute."""
        return self.folder / "site"

    @property
    def feeds_folder(self) -> Path:
        """The folder into which partners' files are put, absolute."""
        return self.partner_feeds.expanduser().absolute() if self.partner_feeds else self.folder / "feeds"


def setting_name(field: str) -> str:
    """The environment variable of a field: `page_size` → `CATALOG_PAGE_SIZE`."""
    return PREFIX + field.upper()


def load_settings() -> Settings:
    """Read the settings. Raises SettingsError, naming the variable, for an unknown one or a bad value."""
    known = {setting_name(field) for field in Settings.model_fields}
    for name in sorted(_given_names() - known):
        close = difflib.get_close_matches(name.removeprefix(PREFIX), (k.removeprefix(PREFIX) for k in known), n=1)
        hint = f"did you mean {PREFIX}{close[0]}?" if close else "`.env.example` lists them all."
        raise SettingsError(f"{name} is not a setting; {hint}")
    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        # Only location and message: pydantic's own text would print the value, which may be a secret.
        first = error.errors(include_input=False, include_url=False)[0]
        where = setting_name(str(first["loc"][0])) if first["loc"] else "settings"
        raise SettingsError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def _given_names() -> set[str]:
    from dotenv import dotenv_values

    names = {*os.environ, *(dotenv_values(DOTENV) if Path(DOTENV).is_file() else {})}
    return {name.upper() for name in names if name.upper().startswith(PREFIX)}

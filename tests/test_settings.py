"""Settings: all documented, checked at start, and secret where they must be."""

from pathlib import Path
from traceback import format_exception

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from catalog_pipeline.errors import SettingsError
from catalog_pipeline.settings import Settings, load_settings, setting_name

EXAMPLE = Path(__file__).parents[1] / ".env.example"
HEADER = """\
# Every setting, with its default. Copy it to .env and change what you need. Environment variables go before .env.
"""


def example() -> str:
    """What `.env.example` must hold."""
    parts = [HEADER]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, PydanticUndefined) else str(field.default)
        default = {"True": "on", "False": "off"}.get(default, default)
        parts.append(f"# {field.description}\n# {setting_name(name)}={default}\n")
    return "\n".join(parts)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_setting_is_in_the_example_with_its_meaning_and_default() -> None:
    assert EXAMPLE.read_text() == example()


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description and len(field.description) > 15 for field in Settings.model_fields.values())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CATALOG_DISCOVERY_ULR", "https://d.example", "is not a setting; did you mean CATALOG_DISCOVERY_URL"),
        ("CATALOG_PRICE_RATIO_LOWER", "2", "no price lies between"),
        ("CATALOG_CONTENT_MAX_AGE", "99999999999999", "less than or equal to 100000"),
        ("CATALOG_XYZZY", "1", "`.env.example` lists them all"),
        ("CATALOG_DISCOVERY_URL", "d.example", "CATALOG_DISCOVERY_URL: give a whole URL"),
        ("CATALOG_LMS_URL", "https://ann:secret@l.example", "leave user and password out"),
        ("CATALOG_DATABASE_URL", "sqlite:///secret", "CATALOG_DATABASE_URL: give a Postgres URL"),
        ("CATALOG_DISCOVERY_CLIENT_SECRET", "secret", "set CATALOG_DISCOVERY_CLIENT_ID and"),
        ("CATALOG_SMTP_URL", "http://mail.example", "CATALOG_SMTP_URL: begin with smtp:// or smtps://"),
        ("CATALOG_SMTP_URL", "smtp://ann:secret@mail.example", "the password would travel unencrypted"),
        ("CATALOG_SMTP_URL", "smtps://ann@mail.example", "give both user and password"),
        ("CATALOG_SMTP_URL", "smtps://ann:secrét@mail.example", "must be ASCII"),
        ("CATALOG_SMTP_URL", "smtps://ann:secret@mail.example:0", "give a mail server's URL"),
        ("CATALOG_SMTP_URL", "smtps://ann:secret@mail.example:x", "give a mail server's URL"),
        ("CATALOG_SMTP_URL", "smtps://ann:secret@mail.example?starttls", "end with ?starttls or with the port"),
        ("CATALOG_MAIL_FROM", "catalog", "CATALOG_MAIL_FROM: give one address"),
        ("CATALOG_PAGE_SIZE", "0", "CATALOG_PAGE_SIZE"),
        ("CATALOG_REMOVAL_SHARE", "1.5", "CATALOG_REMOVAL_SHARE"),
        ("CATALOG_PAGE_DEADLINE", "inf", "CATALOG_PAGE_DEADLINE"),
        ("CATALOG_DISCOVERY_URL", "https://ann:secret@d℀.example", "CATALOG_DISCOVERY_URL: give a whole URL"),
        ("CATALOG_DISCOVERY_URL", "https://[d.example", "CATALOG_DISCOVERY_URL: give a whole URL"),
        ("CATALOG_DISCOVERY_URL", "https://d.example:90000", "CATALOG_DISCOVERY_URL: the port must be a number"),
        ("CATALOG_DISCOVERY_URL", "https://d.example/?token=secret", "CATALOG_DISCOVERY_URL: leave out what follows"),
        ("CATALOG_DATABASE_URL", "postgresql://ann:secret℀@h/d", "CATALOG_DATABASE_URL: give a Postgres URL"),
        ("CATALOG_DATABASE_URL", "postgresql://ann:secret[@h/d", "special characters of the password as %5B"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_and_its_value_is_not_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_client_without_a_token_endpoint_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_DISCOVERY_URL", "https://d.example")
    monkeypatch.setenv("CATALOG_DISCOVERY_CLIENT_ID", "id")
    monkeypatch.setenv("CATALOG_DISCOVERY_CLIENT_SECRET", "secret")
    with pytest.raises(SettingsError, match="CATALOG_OAUTH_TOKEN_URL"):
        load_settings()
    monkeypatch.setenv("CATALOG_LMS_URL", "https://l.example/")
    assert load_settings().token_url == "https://l.example/oauth2/access_token"


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_DATABASE_URL", "postgresql://ann:hunter2@h/d")
    monkeypatch.setenv("CATALOG_LMS_URL", "https://l.example")
    monkeypatch.setenv("CATALOG_DISCOVERY_CLIENT_ID", "id")
    monkeypatch.setenv("CATALOG_DISCOVERY_CLIENT_SECRET", "hunter2")
    settings = load_settings()
    assert "hunter2" not in repr(settings) + str(settings)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://ann:hunter2@h/d"
    monkeypatch.setenv("CATALOG_PAGE_SIZE", "0")
    monkeypatch.delenv("CATALOG_DISCOVERY_CLIENT_ID")
    for read in (load_settings, Settings):
        with pytest.raises((SettingsError, ValidationError)) as caught:
            read()
        assert "hunter2" not in "".join(format_exception(caught.value))


def test_half_credentials_are_told_without_the_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_DISCOVERY_CLIENT_SECRET", "hunter2")
    for read in (load_settings, Settings):
        with pytest.raises((SettingsError, ValidationError), match="CATALOG_DISCOVERY_CLIENT_ID and") as caught:
            read()
        assert "hunter2" not in "".join(format_exception(caught.value))
    monkeypatch.delenv("CATALOG_DISCOVERY_CLIENT_SECRET")
    monkeypatch.setenv("CATALOG_DISCOVERY_CLIENT_ID", "id")
    with pytest.raises(SettingsError, match="CATALOG_DISCOVERY_CLIENT_ID and CATALOG_DISCOVERY_CLIENT_SECRET together"):
        load_settings()


def test_the_example_as_it_is_with_every_line_uncommented_changes_nothing(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text().splitlines()
    (tmp_path / ".env").write_text(
        "\n".join(line.removeprefix("# ") for line in lines if line.startswith("# CATALOG_"))
    )
    assert load_settings() == Settings(_env_file=None)  # pyright: ignore[reportCallIssue]


def test_the_environment_goes_before_the_file_and_an_empty_variable_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("CATALOG_PAGE_SIZE=7\nCATALOG_LMS_URL=https://file.example\nCATALOG_AUTOMATION=on\n")
    monkeypatch.setenv("CATALOG_PAGE_SIZE", "9")
    monkeypatch.setenv("CATALOG_DISCOVERY_URL", "")
    settings = load_settings()
    assert (settings.page_size, settings.lms_url, settings.discovery_url) == (9, "https://file.example", None)
    assert settings.automation
    (tmp_path / ".env").write_text("CATALOG_PAGE_SZE=7\n")
    with pytest.raises(SettingsError, match="CATALOG_PAGE_SZE"):
        load_settings()

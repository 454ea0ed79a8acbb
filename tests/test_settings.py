"""Settings: all documented, checked at start, and secret where they must be."""

from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from catalog_pipeline.errors import SettingsError
from catalog_pipeline.settings import Settings, load_settings, setting_name

EXAMPLE = Path(__file__).parents[1] / ".env.example"
HEADER = """\
# Every setting, with its default. Copy to .env and change what you need; the environment goes before .env.
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
        ("CATALOG_XYZZY", "1", "`.env.example` lists them all"),
        ("CATALOG_DISCOVERY_URL", "d.example", "CATALOG_DISCOVERY_URL: give a whole URL"),
        ("CATALOG_LMS_URL", "https://ann:secret@l.example", "leave user and password out"),
        ("CATALOG_DATABASE_URL", "sqlite:///secret", "CATALOG_DATABASE_URL: give a Postgres URL"),
        ("CATALOG_DISCOVERY_CLIENT_SECRET", "secret", "set CATALOG_DISCOVERY_CLIENT_ID and"),
        ("CATALOG_PAGE_SIZE", "0", "CATALOG_PAGE_SIZE"),
        ("CATALOG_REMOVAL_SHARE", "1.5", "CATALOG_REMOVAL_SHARE"),
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

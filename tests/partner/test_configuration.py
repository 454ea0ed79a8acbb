"""The rules of partner feeds: the shipped ones are whole, and a user's own are checked before they are used."""

from pathlib import Path

import pytest

from catalog_pipeline.errors import ExitCode, SettingsError
from catalog_pipeline.partner.columns import COLUMNS
from catalog_pipeline.partner.configuration import SHIPPED, load_rules

SPRINT = "    sprint: [certificate_header, certificate_text]"


def test_the_shipped_rules_name_the_sets_that_partners_know() -> None:
    rules = load_rules()
    assert len(rules.required.always) == 20
    assert rules.required_columns("bootcamp-2u", "ext_source")[20:] == [
        "redirect_url",
        "organic_url",
        "external_identifier",
    ]
    assert len(rules.required_columns("executive-education-2u", "ext_source")) == 35
    assert rules.required_columns("executive-education-2u", "2u") == rules.required.always
    assert rules.header_columns("audit") == rules.columns.always
    assert rules.header_columns("bootcamp-2u")[-2:] == ["external_identifier", "redirect_url"]
    assert rules.recipients_of("audit", "edx") == []
    assert set(rules.required.always) <= set(COLUMNS)


def test_no_two_names_of_a_list_are_the_same_whatever_their_case() -> None:
    rules = load_rules()
    spellings = [*rules.languages, *rules.languages.values()]
    for names in (
        rules.levels,
        rules.subjects,
        rules.run_tracks,
        rules.marketing_types,
        rules.program_types,
        spellings,
    ):
        assert len({name.casefold() for name in names}) == len(names)


def test_a_copy_of_the_shipped_rules_stands_for_them(tmp_path: Path) -> None:
    copy = tmp_path / "rules.yaml"
    copy.write_text(SHIPPED.read_text().replace("recipients: {}", "recipients: {audit: {edx: [ann@example.org]}}"))
    assert load_rules(copy).recipients_of("audit", "edx") == ["ann@example.org"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            SPRINT,
            "    sprint: [certificate]",
            "at required.but_not_for_marketing_type.sprint.0: 'certificate' is no column",
        ),
        ("sources:\n", "origins:\n", "at sources: Field required"),
        ("recipients: {}", "recipients: {mooc: {edx: []}}", "'mooc' is none of the course types of this file"),
        ("recipients: {}", "recipients: {audit: {who: []}}", "'who' is none of the sources of this file"),
        ("organization_codes: {}", "organization_codes: {who: {a: b}}", "'who' is none of the sources"),
        ("    - title\n", "", "title must be among the columns that are always required"),
        ("levels: [", "levels: [[", "is not YAML"),
    ],
)
def test_rules_that_are_wrong_are_told_with_their_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    rules = tmp_path / "rules.yaml"
    assert old in SHIPPED.read_text()
    rules.write_text(SHIPPED.read_text().replace(old, new))
    with pytest.raises(SettingsError) as caught:
        load_rules(rules)
    assert caught.value.exit_code is ExitCode.USAGE
    assert str(caught.value).startswith(f"CATALOG_PARTNER_RULES: {rules}")
    assert said in str(caught.value)


def test_rules_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.yaml", "cannot be read"), (tmp_path, "cannot be read")):
        with pytest.raises(SettingsError, match=said):
            load_rules(path)
    binary = tmp_path / "rules.yaml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not YAML"):
        load_rules(binary)

"""The docs say what the code does: what is generated is current, every link leads somewhere, every command exists."""

import ast
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from catalog_pipeline.cli import app

ROOT = Path(__file__).parents[1]
GENERATE = runpy.run_path(str(ROOT / "docs" / "generate.py"))
VERBS: dict[str, TyperCommand] = {" ".join(path): verb for path, verb in GENERATE["walk"](get_command(app))}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITHOUT_JSON = {
    *("up", "site build", "migrate", "psql", "mail send-from-here", "partner template", "partner drop"),
    *("sample serve", "sample feeds", "sample enterprise", "enrollments export"),
}
"""Verbs that print no rows, or print a file."""
LONGEST_HELP_LINE = 78
"""Characters of a line of a verb's help: a terminal of 80 columns shows it unbroken."""


def paragraphs(verb: TyperCommand) -> list[str]:
    return textwrap.dedent(verb.help or "").split("\n\n")


def examples(verb: TyperCommand) -> list[str]:
    joined = re.sub(r"\\\n\s*", "", verb.help or "")
    return re.findall(r"^\s*Example: (.+)$", joined, flags=re.MULTILINE)


def shell_commands(page: Path) -> Iterator[str]:
    """The calls of catalog-pipeline in the page's shell blocks, pipes and prompts left out."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield from re.findall(r"catalog-pipeline [^|#>]*", line)


def parse(command: str) -> None:
    """Parse a call of catalog-pipeline as the command does. Raises click's UsageError for what it does not know."""
    words = shlex.split(command.strip())[1:]
    verb: object = get_command(app)
    path = []
    while isinstance(verb, TyperGroup):
        name = words.pop(0)
        assert name in verb.commands, f"{command}: there is no verb {name}"
        path, verb = [*path, name], verb.commands[name]
    assert isinstance(verb, TyperCommand)
    if "--help" not in words:
        verb.make_context(" ".join(path), words)


def test_what_is_generated_is_as_make_docs_writes_it() -> None:
    # A process of its own: in this one, the folders of tests hide the packages of their names from the generator.
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("group", ["", "assignments", "associations", "enterprise", "mail", "partner", "sample"])
def test_help_lists_one_line_a_verb_in_80_columns(group: str) -> None:
    done = CliRunner().invoke(app, [*group.split(), "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    listed = done.output.split("─ Commands ─", 1)[1].splitlines()[1:-1]
    lines = [line.strip("│ \n") for line in listed if line.startswith("│")]
    names = {name.removeprefix(group).split()[0] for name in VERBS if name.startswith(group)}
    assert {line.split()[0] for line in lines} == names
    assert len(lines) == len(names), "\n".join(lines)
    assert all(line.endswith(".") for line in lines)


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_a_sentence_of_help_and_an_example_of_its_own(name: str) -> None:
    verb = VERBS[name]
    assert re.fullmatch(r"[A-Z][^\n]*\.", paragraphs(verb)[0]), "the first paragraph is one sentence on one line"
    assert examples(verb), "give an example: a paragraph 'Example: catalog-pipeline …'"
    assert any(f"catalog-pipeline {name}" in example for example in examples(verb))
    assert max(map(len, textwrap.dedent(verb.help or "").splitlines())) <= LONGEST_HELP_LINE


@pytest.mark.parametrize("name", VERBS)
def test_every_example_of_a_verb_can_be_parsed(name: str) -> None:
    for example in examples(VERBS[name]):
        parse(re.findall(r"catalog-pipeline [^|>]*", example)[0])


@pytest.mark.parametrize("name", sorted(set(VERBS) - WITHOUT_JSON))
def test_every_verb_that_prints_rows_prints_json_too(name: str) -> None:
    assert "--json" in {option for parameter in VERBS[name].params for option in parameter.opts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_in_a_page_can_be_parsed(page: Path) -> None:
    for command in shell_commands(page):
        parse(command)


def test_the_table_of_verbs_names_each_once() -> None:
    table = (ROOT / "README.md").read_text().split("<!-- verbs -->")[1].split("<!-- end -->")[0]
    named = re.findall(r"^\| `([a-z -]*[a-z])", table, flags=re.MULTILINE)
    assert sorted(named) == sorted(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_every_named_function_is_in_it(page: Path) -> None:
    for text, target in re.findall(r"\[([^\]]*)\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        file = page.parent / target
        assert file.exists(), f"{page.name}: {target} does not exist"
        if match := re.fullmatch(r"`(\w+)\.(\w+)`", text):
            module, name = match.groups()
            if file.suffix == ".py" and name != "py":
                assert module == file.stem, f"{page.name}: {text} is not in {target}"
                assert name in defined(file), f"{page.name}: {target} defines no {name}"


def defined(file: Path) -> set[str]:
    """The names that a module defines at its top, and the methods of its classes."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_every_path_that_a_page_names_exists() -> None:
    known = ("assets/", "catalog_pipeline/", "dbt_like_sql/", "docs/", "resources/", "sensors/", "tests/")
    for page in PAGES:
        for path in re.findall(r"`([\w./-]+)`", page.read_text()):
            if path.startswith(known):
                assert (ROOT / path).exists(), f"{page.name} names {path}"


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"^([a-z]+):.*  ## ", makefile, flags=re.MULTILINE))
    assert named == set(re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[0].split())

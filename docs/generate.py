"""Writes what the docs say from the code: the picture of the layers, the table of modules, the table of verbs.

`make docs` runs it; a test fails while a file differs from what this writes.
"""

import ast
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import grimp
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.main import get_command

from catalog_pipeline.cli import app

ROOT = Path(__file__).parents[1]
PACKAGES = ("catalog_pipeline", "assets", "resources", "sensors", "dbt_like_sql")
PICTURE_WIDTH, MARGIN, GAP, LINE, PADDING = 1180, 10, 8, 15, 9
CHARACTER_WIDTH = 6.1
"""Pixels of an average letter of the picture's text, for wrapping."""


@dataclass(frozen=True)
class Box:
    """A package or a module of the layout: its dotted name, what it is for, and which others it imports."""

    name: str
    purpose: str
    imports: tuple[str, ...]
    knows_dagster: bool

    @property
    def title(self) -> str:
        return self.name.removeprefix("catalog_pipeline.")


def files() -> dict[Path, str]:
    """Each generated file, with the text that it should have."""
    readme, architecture = ROOT / "README.md", ROOT / "docs" / "architecture.md"
    return {
        ROOT / "docs" / "architecture.svg": picture(list(layers())),
        architecture: replace_part(architecture.read_text(), "modules", modules()),
        readme: replace_part(readme.read_text(), "verbs", verbs()),
    }


def replace_part(text: str, name: str, content: str) -> str:
    """The text with what stands between the marks `<!-- name -->` and `<!-- end -->` replaced."""
    made, count = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda mark: mark[1] + content + mark[2], text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"one part <!-- {name} --> … <!-- end --> is needed, and there are {count}")
    return made


def layers() -> Iterator[list[Box]]:
    """The rows of the layout from the top, as the first contract of import-linter names them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows = [re.split(r"\s*[|:]\s*", layer) for layer in contracts[0]["layers"]]
    names = [[name for name in row if not name.startswith("(") and source(name)] for row in rows]
    every = {name for row in names for name in row}
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True)
    for row in filter(None, names):
        yield [_box(graph, name, every) for name in row]


def _box(graph: grimp.ImportGraph, name: str, every: set[str]) -> Box:
    inside = {name, *graph.find_descendants(name)}
    imported = {found for module in inside for found in graph.find_modules_directly_imported_by(module)}
    others = sorted({box for box in every - {name} for module in imported if f"{module}.".startswith(f"{box}.")})
    return Box(name, purpose(name), tuple(others), "dagster" in imported)


def source(name: str) -> Path | None:
    """The file of a module, or of the package's own `__init__`; None when there is none."""
    path = ROOT / name.replace(".", "/")
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def purpose(name: str) -> str:
    """The first sentence of a module's docstring."""
    file = source(name)
    docstring = ast.get_docstring(ast.parse(file.read_text())) if file else None
    first = " ".join((docstring or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", first)[0]


def picture(rows: list[list[Box]]) -> str:
    """The layers as SVG: a row each, what a box imports lies below it."""
    shapes, top = [], MARGIN
    for row in rows:
        width = (PICTURE_WIDTH - 2 * MARGIN - (len(row) - 1) * GAP) / len(row)
        wrapped = [_lines(box, width) for box in row]
        height = 2 * PADDING + LINE * max(len(lines) for lines in wrapped)
        for n, (box, lines) in enumerate(zip(row, wrapped, strict=True)):
            left = MARGIN + n * (width + GAP)
            fill = "#dbe9f6" if box.knows_dagster else "#f3f1ea"
            shapes.append(
                f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{height}" rx="4" fill="{fill}"/>'
            )
            for number, (style, line) in enumerate(lines, 1):
                at = f'x="{left + PADDING:.0f}" y="{top + PADDING + number * LINE - 4}"'
                shapes.append(f'<text {at} class="{style}">{escape(line)}</text>')
        top += height + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PICTURE_WIDTH} {top + MARGIN - GAP}"'
        ' font-family="sans-serif" font-size="12">\n'
        "<style>.name{font-weight:bold;font-size:13px}.imports{fill:#777}</style>\n"
        f'<rect width="{PICTURE_WIDTH}" height="{top + MARGIN - GAP}" fill="white"/>\n'
    )
    return head + "\n".join(shapes) + "\n</svg>\n"


def _lines(box: Box, width: float) -> list[tuple[str, str]]:
    """The lines of a box with their styles."""
    characters = int((width - 2 * PADDING) / CHARACTER_WIDTH)
    imports = ", ".join(name.removeprefix("catalog_pipeline.") for name in box.imports)
    lines = [("name", box.title)]
    lines += [("purpose", line) for line in textwrap.wrap(box.purpose.replace("`", ""), characters)]
    lines += [("imports", line) for line in textwrap.wrap(f"imports {imports}" if imports else "", characters)]
    return lines


def modules() -> str:
    """A table for each package: its modules, linked, with the first sentence of their docstrings."""
    parts = []
    for folder in sorted({file.parent for package in PACKAGES for file in (ROOT / package).rglob("*.py")}):
        where = folder.relative_to(ROOT).as_posix()
        files_of = [file for file in sorted(folder.glob("*.py")) if file.name != "__init__.py"]
        if not files_of or "versions" in where:
            continue
        about = purpose(where.replace("/", "."))
        rows = [
            f"| [`{file.stem}`](../{where}/{file.name}) | {purpose(f'{where}/{file.stem}'.replace('/', '.'))} |\n"
            for file in files_of
        ]
        parts.append(f"### `{where}/`\n\n{about}\n\n| module | what it does |\n|---|---|\n{''.join(rows)}\n")
    return "".join(parts)


def verbs() -> str:
    """The table of verbs: each with its arguments and the first sentence of its help."""
    rows = [f"| `{usage}` | {help_} |\n" for usage, help_ in described_verbs()]
    return f"| verb | what it does |\n|---|---|\n{''.join(rows)}"


def described_verbs() -> Iterator[tuple[str, str]]:
    """Each verb of the command with its arguments, and the first sentence of its help."""
    for path, verb in walk(get_command(app)):
        yield " ".join([*path, *_arguments(verb)]), (verb.help or "").split("\n\n")[0].replace("\n", " ")


def _arguments(verb: TyperCommand) -> Iterator[str]:
    for parameter in verb.params:
        if isinstance(parameter, TyperArgument):
            name = (parameter.metavar or parameter.name or "").upper()
            yield name if parameter.required else f"[{name}]"


def walk(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    """Each verb below a command, with the words that call it."""
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            yield from walk(child, (*path, name))
    elif isinstance(command, TyperCommand):
        yield path, command


def main(check: bool) -> None:
    """Write each file that is not as it should be, and name it; with `check`, fail instead, and name it."""
    for path, content in files().items():
        if path.exists() and path.read_text() == content:
            continue
        if check:
            sys.exit(f"{path.relative_to(ROOT)} is stale: run `make docs`")
        path.write_text(content)
        sys.stdout.write(f"{path.relative_to(ROOT)} written\n")


if __name__ == "__main__":
    main(check="--check" in sys.argv)

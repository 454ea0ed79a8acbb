"""Lays out the lineage of one table: its columns, those they are computed from, and those computed from them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import fmean

from catalog_pipeline.site.tables import Column, ColumnName, Table

ROW, HEAD, GAP, BETWEEN, MARGIN, PADDING = 22, 30, 22, 84, 8, 12
"""Pixels: the height of a column and of a box's head, between boxes, between layers, around all, and beside text."""
LANE = 7
"""Pixels of the height in which a line passes between the boxes of a layer."""
LETTER = 7.25
"""Pixels of a letter: the text is monospaced, so that a box is as wide as its longest name."""


@dataclass
class Cell:
    """A column in a box."""

    column: Column
    number: int
    """Its number in the picture."""
    y: float = 0

    @property
    def name(self) -> ColumnName:
        """The column's table and name."""
        return self.column.table, self.column.name


@dataclass
class Box:
    """A table in the picture, with its columns that are shown; or, without a table, lanes for lines that pass by."""

    table: Table | None
    cells: list[Cell]
    x: float = 0
    y: float = 0

    @property
    def height(self) -> float:
        """Its height in pixels."""
        return HEAD + ROW * len(self.cells) if self.table else LANE * len(self.cells)

    @property
    def width(self) -> float:
        """The width in pixels that its text needs."""
        names = [self.table.name, *(cell.column.name for cell in self.cells)] if self.table else []
        return max(map(len, names), default=0) * LETTER + 2 * PADDING

    def put(self, y: float) -> None:
        """Place it and its cells from a height on."""
        self.y = y
        head, row = (HEAD, ROW) if self.table else (0, LANE)
        for number, cell in enumerate(self.cells):
            cell.y = y + head + row * (number + 0.5)


@dataclass(frozen=True)
class Layer:
    """Boxes that stand one above the other."""

    boxes: list[Box]

    @property
    def height(self) -> float:
        """The height in pixels that its boxes need."""
        return sum(box.height + GAP for box in self.boxes) - GAP

    @property
    def width(self) -> float:
        """The width in pixels of its widest box, which all have."""
        return max(box.width for box in self.boxes)

    @property
    def x(self) -> float:
        """Where it begins."""
        return self.boxes[0].x


@dataclass(frozen=True)
class Edge:
    """From a column to one that is computed from it: the numbers of both, and the line between them."""

    source: int
    target: int
    line: str
    """The path of the line, as SVG writes it."""


@dataclass(frozen=True)
class Picture:
    """The lineage of a table, laid out from left to right."""

    layers: list[Layer]
    edges: list[Edge]
    width: float
    height: float


def draw(table: Table, tables: Mapping[str, Table]) -> Picture | None:
    """The picture of a table's lineage; None where no column of it is computed from another, or the other way."""
    columns = {(column.table, column.name): column for one in tables.values() for column in one.columns}
    own = [(table.name, column.name) for column in table.columns]
    reached = [*_reached(own, lambda name: columns[name].sources), *_reached(own, lambda name: columns[name].readers)]
    if not reached:
        return None
    shown = {*reached, *(name for name in own if columns[name].sources or columns[name].readers)}
    boxes = _boxes(shown, tables)
    levels = _levels(table.name, boxes)
    layers = {level: Layer([boxes[name] for name in boxes if levels[name] == level]) for level in set(levels.values())}
    _add_lanes(layers, levels, shown)
    _place(layers)
    return Picture(
        list(layers.values()),
        list(_edges(layers, levels)),
        width=max(layer.x + layer.width for layer in layers.values()) + MARGIN,
        height=max(layer.height for layer in layers.values()) + 2 * MARGIN,
    )


def _reached(start: Iterable[ColumnName], ahead: Callable[[ColumnName], Iterable[ColumnName]]) -> set[ColumnName]:
    """The columns at any distance from those of the start."""
    found, waiting = set[ColumnName](), list(start)
    while waiting:
        following = [name for name in ahead(waiting.pop()) if name not in found]
        found.update(following)
        waiting += following
    return found


def _boxes(shown: set[ColumnName], tables: Mapping[str, Table]) -> dict[str, Box]:
    """A box for each table of the columns, which keep the order that they have in it."""
    named = (column for table in tables.values() for column in table.columns if (table.name, column.name) in shown)
    boxes: dict[str, Box] = {}
    for number, column in enumerate(named):
        boxes.setdefault(column.table, Box(tables[column.table], [])).cells.append(Cell(column, number))
    return boxes


def _levels(center: str, boxes: Mapping[str, Box]) -> dict[str, int]:
    """How far each table is from the picture's own, by the longest way; what that is computed from is below 0."""
    sources, readers = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for name, box in boxes.items():
        for other in {source for cell in box.cells for source, _ in cell.column.sources if source in boxes} - {name}:
            sources[name].add(other)
            readers[other].add(name)
    left, right = _distances(center, sources), _distances(center, readers)
    return {name: right[name] if name in right else -left[name] for name in boxes}


def _distances(center: str, ahead: Mapping[str, set[str]]) -> dict[str, int]:
    """The length of the longest way from a table to each that it reaches. No table reaches itself."""
    distances, waiting = {center: 0}, [center]
    while waiting:
        name = waiting.pop()
        for other in ahead.get(name, ()):
            if distances.get(other, -1) < distances[name] + 1:
                distances[other] = distances[name] + 1
                waiting.append(other)
    return distances


def _add_lanes(layers: Mapping[int, Layer], levels: Mapping[str, int], shown: set[ColumnName]) -> None:
    """Add lanes to the layers that a line has to cross: one for each column, whose lines part behind it."""
    lanes: dict[tuple[int, str], list[Cell]] = defaultdict(list)
    for cell in [cell for layer in layers.values() for box in layer.boxes for cell in box.cells]:
        own = levels[cell.column.table]
        farthest = max((levels[name[0]] for name in cell.column.readers if name in shown), default=own)
        for level in range(own + 1, farthest):
            lanes[level, cell.column.table].append(Cell(cell.column, cell.number))
    for (level, _), cells in lanes.items():
        layers[level].boxes.append(Box(None, cells))


def _place(layers: Mapping[int, Layer]) -> None:
    """Give each box its place: layers beside one another, each centered, its boxes near what they have lines to."""
    height = max(layer.height for layer in layers.values())
    placed: dict[ColumnName, float] = {}
    for level in sorted(layers, key=abs):  # from the table's own to both sides
        layer = layers[level]
        layer.boxes.sort(key=partial(_middle_of_neighbours, placed=placed))
        y = MARGIN + (height - layer.height) / 2
        for box in layer.boxes:
            box.put(y)
            placed |= {cell.name: cell.y for cell in box.cells if box.table}
            y += box.height + GAP
    x = float(MARGIN)
    for level in sorted(layers):
        for box in layers[level].boxes:
            box.x = x
        x += layers[level].width + BETWEEN


def _middle_of_neighbours(box: Box, placed: Mapping[ColumnName, float]) -> float:
    near = [(*cell.column.sources, *cell.column.readers) if box.table else (cell.name,) for cell in box.cells]
    return fmean([placed[name] for names in near for name in names if name in placed] or [0])


def _edges(layers: Mapping[int, Layer], levels: Mapping[str, int]) -> Iterator[Edge]:
    """The edges between the columns of the picture."""
    heights = {(level, c.name): c.y for level, layer in layers.items() for box in layer.boxes for c in box.cells}
    numbers = {cell.name: cell.number for layer in layers.values() for box in layer.boxes for cell in box.cells}
    for target in [cell for layer in layers.values() for box in layer.boxes if box.table for cell in box.cells]:
        for source in target.column.sources:
            first, last = levels.get(source[0], 0), levels[target.column.table]
            if source in numbers and first < last:
                way = [*((level, heights[level, source]) for level in range(first, last)), (last, target.y)]
                yield Edge(numbers[source], target.number, _line(way, layers))


def _line(way: list[tuple[int, float]], layers: Mapping[int, Layer]) -> str:
    """The path through levels, at the height given for each."""
    path = ""
    for (level, y), (following, following_y) in pairwise(way):
        start, end = layers[level].x + layers[level].width, layers[following].x
        path += f"H{start:.0f}" if path else f"M{start:.0f} {y:.0f}"
        middle = (start + end) / 2
        path += f"C{middle:.0f} {y:.0f} {middle:.0f} {following_y:.0f} {end:.0f} {following_y:.0f}"
    return path

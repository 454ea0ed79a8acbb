"""What an upstream's list of documents is, whoever serves it, and how its columns are picked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from catalog_pipeline.errors import UpstreamRefusedError
from catalog_pipeline.sources.documents import NOT_KEPT

Document = dict[str, Any]
Cells = dict[str, Any]
"""The cells of one row, by column: JSON values, as a document has them."""
RowsOf = Callable[[int, Document], Iterable[tuple[str, Cells]]]
"""Reads the rows of a document of this number: table, cells by column."""


class MisfitError(Exception):
    """A document's shape is not what it must be."""


def whole(document: Any) -> Any:
    """The document, as it is."""
    return document


@dataclass(frozen=True)
class Page:
    """One page of a list: its documents, and how many the upstream says there are in all."""

    documents: list[Any]
    count: int
    is_last: bool


@dataclass(frozen=True)
class Listing:
    """One kind of document that an upstream lists, page by page."""

    source: str
    kind: str
    path: str
    params: Mapping[str, str]
    page_of: Callable[[Any], Page]
    """Reads the JSON of a page; may raise LookupError or TypeError where it is none."""
    key: Callable[[Document], str | None]
    modified_param: str | None = None
    """The query parameter that asks for what changed since an instant, where there is one."""
    largest_page: int = 1000
    own_service: str | None = None
    """The service that serves the list, where the source has more than the one of its own name."""
    content: Callable[[Any], Any] = whole
    """What of a document makes it count as changed. May be asked for any JSON."""

    @property
    def service(self) -> str:
        """The service that serves the list."""
        return self.own_service or self.source

    def read_page(self, body: Any, base_url: str = "") -> Page:
        """The page that some JSON is. Raises UpstreamRefusedError where it is none."""
        try:
            page = self.page_of(body)
        except (LookupError, TypeError):
            page = None
        if page is None or not isinstance(page.documents, list) or type(page.count) is not int:
            raise UpstreamRefusedError(
                f"{base_url}{self.path} answered JSON that is not a page of a list: check the upstream's URL."
            )
        return page


@dataclass
class Picked:
    """Columns by table, each a list of cells, and the documents whose shape is not what it must be."""

    tables: dict[str, dict[str, list[Any]]]
    misfits: dict[int, str] = field(default_factory=dict)


class Source(Protocol):
    """A module of `sources`: what it lists, and how its documents become columns."""

    @property
    def SOURCE(self) -> str:  # noqa: N802 - a module's constant
        """The source's name."""
        ...

    @property
    def LISTINGS(self) -> tuple[Listing, ...]:  # noqa: N802 - a module's constant
        """The lists to crawl, in order."""
        ...

    @staticmethod
    def pick_columns(kind: str, documents: Iterable[tuple[int, Any]], /) -> Picked:
        """The cells of documents, by table."""
        ...


def pick(
    documents: Iterable[tuple[int, Any]],
    columns: Mapping[str, Iterable[str]],
    rows_of: RowsOf,
) -> Picked:
    """Ask `rows_of` for each document's rows (table, cells by column). A column that a row lacks is null there.

    A document in which a list or an object is not one is a misfit, with the reason, and gives no rows. So is what
    stands in the place of a document that could not be kept. LookupError: a row has a cell of no declared column.
    """
    rows: dict[str, list[Cells]] = {table: [] for table in columns}
    misfits = {}
    for number, document in documents:
        try:
            found = read_rows(number, document, rows_of)
        except MisfitError as error:
            misfits[number] = str(error)
            continue
        for table, cells in found:
            rows[table].append(cells)
    for table, names in columns.items():
        if undeclared := set().union(*rows[table]).difference(names):
            raise LookupError(f"{table} has no column {', '.join(sorted(undeclared))}: add it to the source's columns.")
    tables = {
        table: {name: [cells.get(name) for cells in rows[table]] for name in names} for table, names in columns.items()
    }
    return Picked(tables, misfits)


def read_rows(number: int, document: Any, rows_of: RowsOf) -> list[tuple[str, Cells]]:
    """The rows of one document: table, cells by column. Raises MisfitError."""
    if isinstance(document, dict) and NOT_KEPT in document:
        raise MisfitError(str(document[NOT_KEPT]))
    try:
        return list(rows_of(number, document))
    except (TypeError, AttributeError, LookupError, ValueError, ArithmeticError) as error:
        raise MisfitError(f"The document's shape is not what it must be ({error}).") from error


def modified_at(document: Document) -> datetime | None:
    """A document's `data_modified_timestamp`, where it has a readable one."""
    try:
        moment = datetime.fromisoformat(document["data_modified_timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None

"""What an import did with each row of its file."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from catalog_pipeline.database.rows import Row
from catalog_pipeline.errors import ExitCode
from catalog_pipeline.sources.record_files import RecordFile

OUTCOMES = ("created", "updated", "unchanged", "rejected")


@dataclass(frozen=True)
class RowError:
    """What is wrong with a row."""

    rule: str
    column: str | None
    value: str | None
    message: str


@dataclass(frozen=True)
class ImportedRow:
    """A row of a file and what became of it. `row` is its line, `uuid` what it was written as, if it has one."""

    row: int
    uuid: str | None
    outcome: str
    errors: list[RowError]


@dataclass(frozen=True)
class ImportReport:
    """What an import did, row by row."""

    rows: list[ImportedRow]
    warnings: Sequence[str] = ()
    """What a person may have meant otherwise."""

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows, in all and by outcome."""
        counts = {"rows": len(self.rows), **dict.fromkeys(OUTCOMES, 0)}
        for row in self.rows:
            counts[row.outcome] += 1
        return counts

    @property
    def exit_code(self) -> ExitCode:
        """The exit status: whether rows were rejected."""
        return ExitCode.SOME_ROWS_LEFT if self.counts["rejected"] else ExitCode.DONE

    def as_json(self) -> Row:
        """The report as JSON has it: counts, rows."""
        return {"counts": self.counts, "rows": [asdict(row) for row in self.rows]}


def make_report(records: RecordFile, errors: Iterable[Row], outcomes: Iterable[Row]) -> ImportReport:
    """The report of an import.

    `errors`: row, rule, column, value, message. `outcomes`: row, uuid, outcome of the rows that were written.
    """
    wrong = defaultdict(list)
    for line, why in records.misfits.items():
        wrong[line].append(RowError("not_an_object", None, None, why))
    for error in errors:
        wrong[error["row"]].append(RowError(error["rule"], error["column"], error["value"], error["message"]))
    rejected = [ImportedRow(line, _said_uuid(records, line), "rejected", found) for line, found in wrong.items()]
    written = [ImportedRow(row["row"], row["uuid"], row["outcome"], []) for row in outcomes]
    return ImportReport(sorted([*rejected, *written], key=lambda row: row.row), records.warnings)


def _said_uuid(records: RecordFile, line: int) -> str | None:
    """What a rejected row calls itself."""
    uuid = records.documents.get(line, {}).get("uuid")
    return uuid if isinstance(uuid, str) else None

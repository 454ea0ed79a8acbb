"""Partner feeds of the test's own making, and a catalog that ingests them."""

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
import pytest
from sqlalchemy import Engine

from catalog_pipeline.partner.columns import FeedName
from catalog_pipeline.partner.ingestion import Options, Summarize, ingest
from catalog_pipeline.partner.report import FeedReport
from catalog_pipeline.settings import Settings
from support.catalog import Catalog, Upstream

Cells = dict[str, Any]
NOW = datetime(2026, 6, 1, tzinfo=UTC)
TYPE = "executive-education-2u"


def variant(name: str) -> str:
    """The same variant for the same name."""
    return str(uuid5(NAMESPACE_URL, f"variant {name}"))


def fed(number: str, named: str | None = None, start: str = "2026-07-01", **cells: Any) -> Cells:
    """The cells of a row of course A+<number>, with the variant of a name, from `start` on for sixty days."""
    end = datetime.fromisoformat(start) + timedelta(days=60)
    return {
        "organization": "A",
        "number": number,
        "title": f"Course {number}",
        "course_enrollment_track": "Executive Education(2U)",
        "course_run_enrollment_track": "Unpaid Executive Education",
        "image": "https://cdn.example.org/card.jpg",
        "short_description": "<p>Short</p>",
        "long_description": "<p>Long</p>",
        "what_will_you_learn": "<p>Much</p>",
        "course_level": "Introductory",
        "primary_subject": "Computer Science",
        "verified_price": "2400",
        "publish_date": "2026-05-01",
        "start_date": start,
        "start_time": "00:00",
        "end_date": f"{end:%Y-%m-%d}",
        "end_time": "00:00",
        "reg_close_date": start,
        "reg_close_time": "00:00",
        "course_pacing": "Instructor-Paced",
        "minimum_effort": "4",
        "maximum_effort": "8",
        "length": "6",
        "content_language": "English - United States",
        "transcript_language": "English - United States",
        "variant_id": variant(named) if named else "",
        "restriction_type": "",
        "external_identifier": f"id {number}",
        "redirect_url": "https://partner.example.org/lp",
        **cells,
    }


def csv_of(*rows: Cells) -> bytes:
    """A feed of these rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def product(number: str, *variants: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A product of organization A, as a partner's JSON has it."""
    texts = {"name": f"Course {number}", "blurb": "Short", "introduction": "Long", "whatWillSetYouApart": "Much"}
    links = {"cardUrl": "https://cdn.example.org/card.jpg", "edxPlpUrl": "https://partner.example.org/lp/"}
    numbers = {"id": f"id {number}", "abbreviation": number, "durationWeeks": 7, "effort": "7 to 10"}
    names = {"altUniversityAbbreviation": "A", "altSubjectMatter": "Business & Management", "language": "English"}
    return {**texts, **links, **numbers, **names, "variants": list(variants), **fields}


def presented(named: str, status: str = "active", **fields: Any) -> dict[str, Any]:
    """A variant of a product, as a partner's JSON has it: on sale, or `scheduled`."""
    dates = {"startDate": "2026-07-01", "endDate": "2026-09-01"}
    return {
        "id": variant(named),
        "finalPrice": "10",
        "websiteVisibility": "public",
        "status": status,
        **dates,
        **fields,
    }


def json_of(*products: Any) -> bytes:
    """A feed of these products."""
    return orjson.dumps({"products": products})


class FedCatalog(Catalog):
    """A catalog that feeds are ingested into, one after the other; each arrives an hour after the last."""

    arrivals = 0

    def ingest(
        self,
        *rows: Cells,
        data: bytes | None = None,
        source: str = "2u",
        product_type: str = TYPE,
        received_at: datetime | None = None,
        summarize: Summarize | None = None,
        **options: Any,
    ) -> FeedReport:
        """Ingest a feed of these rows, or of these bytes."""
        data = csv_of(*rows) if data is None else data
        self.arrivals += 1
        arrived = received_at or NOW + timedelta(hours=self.arrivals)
        name = FeedName(f"{self.arrivals}.csv", source, product_type, hashlib.sha256(data).hexdigest(), arrived)
        options = {"as_of": NOW, "accept_removals": True, **options}
        return ingest(self.engine, data, name, self.settings, Options(**options), summarize)

    def feed(self, *rows: Cells, **options: Any) -> dict[str, Any]:
        """Ingest a feed, as `ingest` does; returns the report as JSON."""
        return self.ingest(*rows, **options).to_json()

    def outcomes(self, *rows: Cells, **options: Any) -> list[str]:
        return [row["outcome"] for row in self.feed(*rows, **options)["rows"]]

    def runs(self) -> list[tuple[Any, ...]]:
        """run's name, start, variant, status; in order of the key."""
        return self.rows("""
            SELECT split_part(run_key, '+', 3), to_char(start, 'YYYY-MM-DD'), variant_id::text, status
            FROM catalog.run ORDER BY run_key""")

    def written(self) -> list[tuple[Any, ...]]:
        """Which transaction wrote each row of the catalog."""
        return [row for row in self.versions() if row[0] != "landing.document"]


@pytest.fixture
def fed_catalog(engine: Engine, settings: Settings, upstream: Upstream) -> Iterator[FedCatalog]:
    """A catalog with the organizations A and B."""
    catalog = FedCatalog(engine, settings, upstream)
    catalog.execute("INSERT INTO catalog.organization (key, name) VALUES ('A', 'A'), ('B', 'B')")
    return catalog

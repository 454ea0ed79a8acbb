"""Whatever feeds say, one after the other: what always holds."""

from random import Random
from typing import Any

import pytest
from support.catalog import Upstream, course, run
from support.feeds import FedCatalog, csv_of, fed

INVARIANTS = {
    "a variant on two runs": "SELECT variant_id FROM catalog.course_variant GROUP BY 1 HAVING count(*) > 1",
    "a run of no course": "SELECT run_key FROM catalog.run WHERE course_key IS NULL",
    "rows without an outcome": """
        SELECT f.id FROM ops.feed f JOIN ops.feed_row r ON r.feed_id = f.id GROUP BY f.id, f.counts
        HAVING count(*) <> (f.counts ->> 'rows')::int""",
    "a published course without a published run": """
        SELECT c.key FROM catalog.catalog_course c WHERE c.status = 'published' AND NOT EXISTS (
            SELECT FROM catalog.run r WHERE r.course_key = c.key AND r.status = 'published')""",
    "an accepted row without its course and run": """
        SELECT r.row FROM ops.feed_row r JOIN ops.feed f ON f.id = r.feed_id
        WHERE f.outcome = 'applied'
          AND r.outcome NOT IN ('rejected', 'deferred')
          AND (r.catalog_course_id IS NULL OR r.course_run_id IS NULL)""",
}


def any_row(random: Random) -> dict[str, Any]:
    number = random.choice(["1", "2", "3", "a", "A"])
    return fed(
        number,
        random.choice([None, "u", "v", "w", "x"]),
        random.choice(["2026-02-01", "2026-07-01", "2026-10-01"]),
        verified_price=random.choice(["100", "200", "300", "dear"]),
        restriction_type=random.choice(["", "", "None", "custom-b2c"]),
        title=random.choice([f"Course {number}", "Another title"]),
        external_identifier=random.choice([f"id {number}", f"id {number}", "id 1", "id 2", ""]),
        publish_date=random.choice(["2026-01-01", "2026-09-01"]),
        organization=random.choice(["A", "A", "A", "B", "Nobody"]),
        syllabus=random.choice(["", "<p>One</p>", "<p>Two</p>"]),
    )


def any_upstream(random: Random) -> list[Any]:
    runs = [
        run(
            f"course-v1:A+{number}+r{n}",
            start=f"{random.choice(['2026-02-01', '2026-07-01', '2026-10-01'])}T00:00:00Z",
            end="2027-01-01T00:00:00Z",
            status=random.choice(["published", "reviewed", "review_by_legal"]),
        )
        for number in ("1", "2")
        for n in range(random.randint(0, 2))
    ]
    source = random.choice([None, {"slug": "2u"}, {"slug": "edx"}])
    kind = random.choice(["executive-education-2u", "verified-audit"])
    return [
        course(f"A+{number}", *(one for one in runs if f"A+{number}+" in one["key"]), product_source=source,
               course_type=kind, title=random.choice(["Up", "Stream"]))
        for number in ("1", "2") if random.random() < 0.8
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_any_feeds_and_crawls_keep_what_always_holds(fed_catalog: FedCatalog, upstream: Upstream, seed: int) -> None:
    random = Random(seed)
    for step in range(6):
        if random.random() < 0.5:
            upstream.courses = any_upstream(random)
            fed_catalog.refresh()
        data = csv_of(*(any_row(random) for _ in range(random.randint(1, 9))))
        planned = fed_catalog.feed(data=data, dry_run=True, force=True)
        applied = fed_catalog.feed(data=data, force=True)
        for part in ("outcome", "counts", "rows", "archived", "reactivated", "warnings"):
            assert planned[part] == applied[part], (step, part)
        for what, query in INVARIANTS.items():
            assert fed_catalog.rows(query) == [], (step, what)
        before = fed_catalog.written()
        again = fed_catalog.feed(data=data, force=True)
        settled = {"new_product": "unchanged", "new_variant": "unchanged", "updated": "unchanged"}
        assert [row["outcome"] for row in again["rows"]] == [
            settled.get(row["outcome"], row["outcome"]) for row in applied["rows"]
        ], (step, [row for row in again["rows"] if row["outcome"] == "updated"])
        assert fed_catalog.written() == before

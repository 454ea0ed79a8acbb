"""What a source's JSON must be to be a page of its list."""

from typing import Any

import pytest

from catalog_pipeline.errors import UpstreamRefusedError
from catalog_pipeline.sources import discovery, lms
from catalog_pipeline.sources.listing import Listing, Page, pick
from catalog_pipeline.sources.upstreams import SOURCES

LISTINGS = [listing for source in SOURCES.values() for listing in source.LISTINGS]


@pytest.mark.parametrize("body", [[], {}, None, 1, "text", {"results": []}, {"pagination": []}, {"pagination": None}])
@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: f"{listing.source} {listing.kind}")
def test_json_that_is_no_page_is_a_refusal_of_every_list(listing: Listing, body: Any) -> None:
    with pytest.raises(
        UpstreamRefusedError, match=rf"http://up{listing.path} answered JSON that is not a page of a list"
    ):
        listing.read_page(body, "http://up")


def test_a_page_is_read() -> None:
    assert discovery.COURSES.read_page({"results": [1], "count": 7, "next": "more"}) == Page([1], 7, False)
    assert lms.RUNS.read_page({"results": [], "pagination": {"count": 0, "next": None}}) == Page([], 0, True)


def test_what_is_no_object_is_a_misfit() -> None:
    documents = enumerate([[], "text", None])
    picked = pick(documents, {"course": ["key"]}, lambda number, document: [("course", (document["key"],))])
    assert picked.tables == {"course": {"key": []}}
    assert set(picked.misfits) == {0, 1, 2}


def test_a_cell_of_no_declared_column_is_an_error_of_the_source() -> None:
    with pytest.raises(LookupError, match="course has no column titel"):
        pick([(0, {})], {"course": ["key"]}, lambda number, document: [("course", {"key": "a", "titel": "b"})])

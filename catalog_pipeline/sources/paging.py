"""Reads a list page by page, in order, a few pages fetched ahead."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from catalog_pipeline.errors import UpstreamRefusedError
from catalog_pipeline.sources.http import ApiClient, NotFoundError
from catalog_pipeline.sources.listing import Listing, Page

PAGES_BEYOND = 10
"""How many pages more than twice what its count says a list may have: counts may be wrong, lists end."""
Prepared = TypeVar("Prepared")


def itself(page: Page) -> Page:
    """The page, as it is."""
    return page


def read_pages(
    client: ApiClient,
    listing: Listing,
    extra: Mapping[str, str | Sequence[str]],
    first: int = 1,
    prepare: Callable[[Page], Prepared] = itself,
) -> Iterator[Prepared]:
    """Yield a list's pages from number `first` on, in order, a few fetched ahead, up to the upstream's last page.

    The end is where the upstream says so (no next page, or 404 past the end), not where a first count says.
    Each page goes through `prepare` in the thread that fetched it, while the caller is busy with the one before.
    Raises UpstreamError, and UpstreamRefusedError where what is read is not a list, or has no end.
    """
    size = min(client.settings.page_size, listing.largest_page)
    fetch = _Fetch(client, listing, {**listing.params, **extra, "page_size": str(size)}, prepare, threading.Event())
    with ThreadPoolExecutor(client.settings.parallel_pages, "pages") as pool:
        ahead: deque[Future[_Fetched[Prepared] | None]] = deque()
        number = first
        try:
            found = fetch(number)
            if found is not None and found.documents:
                # An upstream may serve fewer than it is asked for; then there are more pages.
                size = min(size, found.documents)
            while found is not None:
                yield found.prepared
                if found.is_last:
                    return
                remaining = fetch.remaining(found, number, size)
                while len(ahead) < max(1, min(client.settings.parallel_pages, remaining)):
                    ahead.append(pool.submit(fetch, number + len(ahead) + 1))
                found = ahead.popleft().result()
                number += 1
        finally:
            fetch.stop.set()
            for future in ahead:
                future.cancel()


@dataclass(frozen=True)
class _Fetched(Generic[Prepared]):
    """A page as it was prepared, and what says how the list goes on."""

    prepared: Prepared
    documents: int
    count: int
    is_last: bool


@dataclass(frozen=True)
class _Fetch(Generic[Prepared]):
    """Fetches and prepares one page by its number."""

    client: ApiClient
    listing: Listing
    params: Mapping[str, str | Sequence[str]]
    prepare: Callable[[Page], Prepared]
    stop: threading.Event

    def __call__(self, number: int) -> _Fetched[Prepared] | None:
        """The page, or None past the end. An empty list has one page."""
        try:
            body = self.client.get(self.listing.path, {**self.params, "page": str(number)}, self.stop)
        except NotFoundError:
            if number == 1:
                raise
            return None
        page = self.listing.read_page(body, self.client.base_url)
        return _Fetched(self.prepare(page), len(page.documents), page.count, page.is_last)

    def remaining(self, found: _Fetched[Prepared], number: int, size: int) -> int:
        """How many pages of that size follow page `number`, by its count. Raises UpstreamRefusedError past any end."""
        pages = -(-found.count // size)
        if number > 2 * pages + PAGES_BEYOND:
            raise UpstreamRefusedError(
                f"{self.client.base_url}{self.listing.path} goes on after page {number}, though it counts"
                f" {found.count} documents: the list has no end, and nothing of it was kept. Report it to the upstream."
            )
        return pages - number

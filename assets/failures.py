"""How an error of ours ends a step: with its own words, and retried only where another try may help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from catalog_pipeline.errors import CatalogError, UnreachableError, UpstreamRefusedError


@contextmanager
def told() -> Iterator[None]:
    """Turn a CatalogError into a failed step that says what to do; only what is out of reach is tried again."""
    try:
        yield
    except CatalogError as error:
        hopeful = isinstance(error, UnreachableError) and not isinstance(error, UpstreamRefusedError)
        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__, "exit_code": int(error.exit_code)},
            allow_retries=hopeful,
        ) from error

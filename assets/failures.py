"""How an error of the pipeline ends a step: with its message, and tried again only where that may help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from catalog_pipeline.errors import CatalogError, UnreachableError, UpstreamRefusedError


@contextmanager
def failures_say_why() -> Iterator[None]:
    """Turn a CatalogError into a failed step with the error's message, which says what happened and what to do.

    The run's last event, which says that the run failed, carries the same error. The step is tried again only where
    something was out of reach. The failure's metadata give the error's name, and the exit code of the command that
    meets it. It stands in a `with` or, over a function that is no generator, as a decorator.
    """
    try:
        yield
    except CatalogError as error:
        retriable = isinstance(error, UnreachableError) and not isinstance(error, UpstreamRefusedError)
        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__, "exit_code": int(error.exit_code)},
            allow_retries=retriable,
        ) from error

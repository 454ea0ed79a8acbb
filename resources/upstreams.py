"""The upstreams, for the length of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr

from catalog_pipeline.settings import Settings
from catalog_pipeline.sources.upstreams import Upstreams, upstreams


class UpstreamClients(dg.ConfigurableResource):
    """Hands out clients of the configured upstreams; serves the bundled sample where there are none."""

    settings: dg.ResourceDependency[Settings]
    _upstreams: Upstreams = PrivateAttr()

    @property
    def opened(self) -> Upstreams:
        """The configured upstreams, or the bundled sample."""
        return self._upstreams

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["UpstreamClients"]:
        """Open the clients."""
        with upstreams(self.settings) as found:
            self._upstreams = found
            yield self

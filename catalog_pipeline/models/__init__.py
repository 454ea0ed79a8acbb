"""The tables, as SQLAlchemy 2 typed classes, one module per family. Importing this package registers them all."""

from catalog_pipeline.models import (
    arrival,
    assignment,
    content,
    course,
    enterprise,
    feed,
    landing,
    mail,
    ops,
    organization,
    program,
    run,
)
from catalog_pipeline.models.base import Base

metadata = Base.metadata

__all__ = [
    "Base",
    "arrival",
    "assignment",
    "content",
    "course",
    "enterprise",
    "feed",
    "landing",
    "mail",
    "metadata",
    "ops",
    "organization",
    "program",
    "run",
]

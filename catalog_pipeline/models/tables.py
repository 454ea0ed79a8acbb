"""All tables: importing this module registers them. What only asks does without, for it takes a while."""

from catalog_pipeline.models import (
    arrival,
    assignment,
    content,
    course,
    enrollment,
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
    "arrival",
    "assignment",
    "content",
    "course",
    "enrollment",
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

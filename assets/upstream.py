"""What the pipeline reads and does not make: the lists of course-discovery and of the LMS, and partners' files."""

import dagster as dg


def _list(source: str, name: str, description: str, group: str = "upstream", kind: str = "json") -> dg.AssetSpec:
    return dg.AssetSpec(
        [source, name], description=description, group_name=group, kinds={kind}, owners=["team:data-engineering"]
    )


UPSTREAM = [
    _list("discovery", "organizations", "course-discovery's `/api/v1/organizations/`."),
    _list("discovery", "courses", "course-discovery's `/api/v1/courses/`, each with its runs."),
    _list("discovery", "programs", "course-discovery's `/api/v1/programs/`, each with its courses."),
    _list("lms", "courses", "The LMS's `/api/courses/v1/courses/`: one element a run."),
    _list(
        "partner",
        "files",
        "The folder `CATALOG_PARTNER_FEEDS`: `<source>/<course type>/<name>.csv`, and the like.",
        group="feeds",
        kind="csv",
    ),
]

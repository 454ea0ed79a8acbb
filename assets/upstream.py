"""What the pipeline reads and does not make: the lists of services, and partners' files."""

import dagster as dg

from assets import groups


def _upstream(key: list[str], description: str, kind: str = "json") -> dg.AssetSpec:
    return dg.AssetSpec(
        key, description=description, group_name=groups.UPSTREAM, kinds={kind}, owners=["team:data-engineering"]
    )


UPSTREAM = [
    _upstream(["discovery", "organizations"], "course-discovery's `/api/v1/organizations/`."),
    _upstream(["discovery", "courses"], "course-discovery's `/api/v1/courses/`, each with its runs."),
    _upstream(["discovery", "programs"], "course-discovery's `/api/v1/programs/`, each with its courses."),
    _upstream(["lms", "course_list"], "The LMS's `/api/courses/v1/courses/`: one element a run."),
    _upstream(
        ["lms", "program_enrollments"],
        "The LMS's `/api/program_enrollments/v1/programs/<uuid>/`: `enrollments/`, and those of each of its runs.",
    ),
    _upstream(
        ["enterprise_catalog", "content"],
        "enterprise-catalog's `/api/v2/enterprise-catalogs/<uuid>/get_content_metadata/`: what each catalog has.",
    ),
    _upstream(["enterprise_catalog", "enterprise_catalogs"], "enterprise-catalog's `/api/v1/enterprise-catalogs/`."),
    _upstream(["subsidy", "subsidies"], "enterprise-subsidy's `/api/v1/subsidies/`, by customer."),
    _upstream(
        ["enterprise_access", "policies"],
        "enterprise-access's `/api/v1/subsidy-access-policies/`, by customer.",
    ),
    _upstream(["enterprise_access", "configurations"], "enterprise-access's `/api/v1/assignment-configurations/`."),
    _upstream(
        ["enterprise_access", "assignments"],
        "enterprise-access's `/api/v1/assignment-configurations/<uuid>/admin/assignments/`, of those not adopted.",
    ),
    _upstream(
        ["partner", "files"],
        "The folder `CATALOG_PARTNER_FEEDS`: `<source>/<course type>/<name>.csv`, and the like.",
        kind="csv",
    ),
]

"""When assignments expire, and why: one set-based query. Pure text, `:as_of` is the only clock.

docs/enterprise.md has the rules as a table; "why fallback" is in docs/decisions/0030-a-run-that-left-its-course.md.
"""

from collections.abc import Callable

REASONS = ("SUBSIDY_EXPIRED", "ENROLLMENT_DATE_PASSED", "NINETY_DAYS_PASSED")
"""The reasons, in the order in which they go before one another on the same instant."""
CANDIDATES = ("subsidy_expires_at", "enroll_by", "ninety_days_at")
"""The date of each reason. The earliest that is there is the date; the ninety days are always there."""
COLUMNS = ("expires_at", "reason", *CANDIDATES, "deadline_from", "run_key", "content_hash", "problems")

EXPIRATIONS = f"""
    WITH assigned AS MATERIALIZED ({{assigned}}),
    requested AS (
        SELECT DISTINCT content_metadata_id FROM assigned WHERE is_requested AND content_metadata_id IS NOT NULL),
    -- A learner asked for a course, not for a run: the latest deadline of its runs counts while it is not over.
    latest AS (
        SELECT DISTINCT ON (r.content_metadata_id) r.content_metadata_id, r.run_key, r.enroll_by
        FROM requested JOIN catalog.content_run r USING (content_metadata_id)
        WHERE r.missing_since IS NULL AND r.enroll_by > :as_of
        ORDER BY r.content_metadata_id, r.enroll_by DESC, r.run_key),
    unread AS (
        SELECT r.content_metadata_id, jsonb_agg(p.problem ORDER BY r.run_key, p.place) AS problems
        FROM requested JOIN catalog.content_run r USING (content_metadata_id)
        CROSS JOIN LATERAL jsonb_array_elements(r.problems) WITH ORDINALITY AS p (problem, place)
        WHERE r.missing_since IS NULL GROUP BY 1),
    sourced AS (
        SELECT a.*, a.preferred_run_key AS wanted_run_key,
               a.allocated_at + interval '2160 hours' AS ninety_days_at,
               latest.enroll_by AS latest_enroll_by, latest.run_key AS latest_run_key,
               preferred.enroll_by AS preferred_enroll_by, preferred.run_key AS its_run_key,
               preferred.problems AS preferred_problems,
               content.enroll_by AS advertised_enroll_by, content.advertised_run_key,
               advertised.problems AS advertised_problems, content.content_hash,
               CASE WHEN latest.run_key IS NOT NULL THEN 'latest_run'
                    WHEN preferred.id IS NOT NULL THEN 'preferred_run'
                    WHEN content.id IS NULL THEN 'none'
                    WHEN a.preferred_run_key IS NULL THEN 'advertised_run'
                    ELSE 'fallback' END AS deadline_from
        FROM assigned a
        -- Without a type, nothing but the key is known.
        LEFT JOIN catalog.content_metadata content
            ON content.id = a.content_metadata_id AND content.content_type IS NOT NULL
        -- A run that its course's document lacks does not count; one without a course keeps the dates that it had.
        LEFT JOIN catalog.content_run preferred
            ON preferred.id = a.content_run_id AND (preferred.missing_since IS NULL OR content.id IS NULL)
            AND coalesce(preferred.content_metadata_id, a.content_metadata_id, 0) = coalesce(a.content_metadata_id, 0)
        LEFT JOIN catalog.content_run advertised ON advertised.id = a.advertised_run_id AND content.id IS NOT NULL
        LEFT JOIN latest ON a.is_requested AND latest.content_metadata_id = a.content_metadata_id),
    dated AS (
        SELECT s.*,
               CASE s.deadline_from WHEN 'latest_run' THEN s.latest_enroll_by
                                    WHEN 'preferred_run' THEN s.preferred_enroll_by
                                    ELSE s.advertised_enroll_by END AS enroll_by,
               CASE s.deadline_from WHEN 'latest_run' THEN s.latest_run_key
                                    WHEN 'preferred_run' THEN s.its_run_key
                                    ELSE s.advertised_run_key END AS run_key,
               coalesce(CASE WHEN s.is_requested THEN unread.problems
                             WHEN s.deadline_from = 'preferred_run' THEN s.preferred_problems
                             ELSE s.advertised_problems END, '[]') AS content_problems
        FROM sourced s LEFT JOIN unread ON s.is_requested AND unread.content_metadata_id = s.content_metadata_id)
    SELECT d.id AS content_assignment_id, least({", ".join(f"d.{name}" for name in CANDIDATES)}) AS expires_at,
           CASE least({", ".join(f"d.{name}" for name in CANDIDATES)})
               WHEN d.subsidy_expires_at THEN 'SUBSIDY_EXPIRED'
               WHEN d.enroll_by THEN 'ENROLLMENT_DATE_PASSED'
               ELSE 'NINETY_DAYS_PASSED' END AS reason,
           d.subsidy_expires_at, d.enroll_by, d.ninety_days_at, d.deadline_from, d.run_key, d.content_hash,
           CASE WHEN d.subsidy_expires_at IS NULL AND d.subsidy_raw <> ''
                THEN d.content_problems
                     || jsonb_build_array(jsonb_build_object('field', 'subsidy_expiration', 'raw', d.subsidy_raw))
                ELSE d.content_problems END AS problems,
           d.state, d.wanted_run_key, d.is_requested,
           d.content_metadata_id, d.content_run_id, d.linked_metadata_id, d.linked_run_id
    FROM dated d"""
"""COLUMNS of the expiration of each row of {assigned}, a query (content_assignment_id); with its state, is_requested,
wanted_run_key (the preferred run, folded), and the ids of what it is and was linked with.

{assigned}: id, state, allocated_at, preferred_run_key (folded; null: none), is_requested (whether it answers a
learner's request), subsidy_expires_at, subsidy_raw (the subsidy's expiration as it is written), ids of what the
policy's catalog holds: content_metadata_id, content_run_id (the preferred run), advertised_run_id (only of a run with
a date that cannot be read); and the ids that it had: linked_metadata_id, linked_run_id.
"""


def cause(folded: Callable[[str], str]) -> str:
    """SQL of what changed the date or the reason: from `old` (all null: none) to `new`, a row of EXPIRATIONS.

    It is `allocation` for the first date; otherwise what changed the date that decides now, or the one that decided
    before. `rules` where no date changed. `folded`: SQL of the form in which keys are compared.
    """
    return f"""
    CASE WHEN old.reason IS NULL THEN 'allocation' ELSE
        CASE CASE WHEN {_changed("new.reason")} THEN new.reason WHEN {_changed("old.reason")} THEN old.reason END
            WHEN 'NINETY_DAYS_PASSED' THEN 'allocation'
            WHEN 'SUBSIDY_EXPIRED' THEN 'subsidy'
            WHEN 'ENROLLMENT_DATE_PASSED' THEN
                CASE WHEN new.ninety_days_at <> old.ninety_days_at
                          OR old.deadline_from = 'preferred_run'
                             AND new.wanted_run_key IS DISTINCT FROM {folded("old.run_key")}
                          OR old.deadline_from = 'advertised_run' AND new.wanted_run_key IS NOT NULL
                          OR old.deadline_from = 'latest_run' AND NOT new.is_requested THEN 'allocation'
                     WHEN old.deadline_from = 'latest_run' AND new.deadline_from <> 'latest_run'
                          AND old.enroll_by <= :as_of AND new.content_hash IS NOT DISTINCT FROM old.content_hash
                          THEN 'clock'
                     ELSE 'content' END
            ELSE 'rules' END END"""


def _changed(reason: str) -> str:
    """SQL: the date of a reason differs."""
    whens = (
        f"WHEN '{name}' THEN new.{date} IS DISTINCT FROM old.{date}"
        for name, date in zip(REASONS, CANDIDATES, strict=True)
    )
    return f"CASE {reason} {' '.join(whens)} END"

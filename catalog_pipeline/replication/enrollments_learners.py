"""Who the learners of a program's rows are: those whom the LMS links are linked, those who are new are made."""

from catalog_pipeline.database.bulk import analyze, create_staging
from catalog_pipeline.database.keys import folded
from catalog_pipeline.learners import linking
from catalog_pipeline.loading.publication import Publication
from catalog_pipeline.replication.enrollments_staging import ENROLLMENTS

# The landing has the hashes of retired learners, which they are known by.
RETIRED = f"""
    CREATE TEMP TABLE retired_row ON COMMIT DROP AS
    SELECT s.place, s.who FROM staged_enrollment s
    WHERE EXISTS (SELECT FROM catalog.learner_key k JOIN catalog.learner l ON l.id = k.learner_id
                  WHERE l.retired_at IS NOT NULL AND k.organization_id = :organization
                    AND {folded("k.external_key")} = {folded("s.external_key")})
       OR EXISTS (SELECT FROM catalog.learner l
                  WHERE l.retired_at IS NOT NULL AND {folded("l.user_name")} = {folded("s.user_name")})"""
REJECT_RETIRED = """
    SELECT CAST(:document AS bigint) AS document_id, 'row ' || place AS record_key, 'student_key' AS column_name,
           'retired' AS rule, NULL AS value, 'The learner was retired, and does not come back.' AS message
    FROM retired_row"""
FORGET_RETIRED = (
    "INSERT INTO bad_row (who) SELECT who FROM retired_row",
    "DELETE FROM staged_enrollment s USING retired_row r WHERE r.who = s.who",
    "DELETE FROM staged_row s USING retired_row r WHERE r.who = s.who",
)
# Of a key that comes with several user names the last one stands.
TO_LINK = """
    INSERT INTO link_row (row, organization_id, external_key, user_name)
    SELECT DISTINCT ON (who) place, CAST(:organization AS bigint), external_key, user_name FROM staged_enrollment
    WHERE external_key IS NOT NULL AND user_name IS NOT NULL ORDER BY who, place DESC"""
REJECT_LINKS = """
    SELECT CAST(:document AS bigint) AS document_id, 'row ' || row AS record_key, 'username' AS column_name,
           reason AS rule, NULL AS value,
           'The key was not linked to the user: ' || CASE reason
               WHEN 'two_keys_in_program' THEN 'another key of the user has the same program and curriculum.'
               ELSE reason || '.' END AS message
    FROM link_outcome WHERE outcome = 'rejected'"""
PEOPLE = f"""
    CREATE TEMP TABLE person ON COMMIT DROP AS
    SELECT DISTINCT ON (s.who) s.who, s.external_key, s.user_name, k.id AS learner_key_id,
           coalesce(k.learner_id, u.id) AS learner_id, coalesce(k.learner_id, u.id) IS NULL AS is_new
    FROM staged_enrollment s
    LEFT JOIN catalog.learner_key k
        ON k.organization_id = :organization AND {folded("k.external_key")} = {folded("s.external_key")}
    LEFT JOIN catalog.learner u ON s.external_key IS NULL AND {folded("u.user_name")} = {folded("s.user_name")}
    ORDER BY s.who, s.place"""
MAKE = {
    "catalog.learner": """
        INSERT INTO catalog.learner (id, user_name) OVERRIDING SYSTEM VALUE
        SELECT learner_id, CASE WHEN external_key IS NULL THEN user_name END FROM person WHERE is_new""",
    "catalog.learner_key": """
        INSERT INTO catalog.learner_key (id, learner_id, organization_id, external_key) OVERRIDING SYSTEM VALUE
        SELECT learner_key_id, learner_id, :organization, external_key FROM person
        WHERE is_new AND external_key IS NOT NULL""",
}
GIVE_IDS = """
    UPDATE person SET learner_id = nextval(pg_get_serial_sequence('catalog.learner', 'id')),
        learner_key_id = CASE WHEN external_key IS NOT NULL
                              THEN nextval(pg_get_serial_sequence('catalog.learner_key', 'id')) END
    WHERE is_new"""


def find_people(publication: Publication, secret: bytes, organization_id: int | None, document_id: int | None) -> None:
    """Make `person` (who, learner_id, learner_key_id) of `staged_enrollment`.

    A user name links the key that it comes with, as `link --create` does; a key without one waits for its user. What
    would bring a retired learner back is rejected.
    """
    ids = {"organization": organization_id, "document": document_id}
    _reject_retired(publication, ids)
    _link(publication, secret, ids)
    publication.execute(PEOPLE, organization=organization_id)
    if publication.execute(GIVE_IDS):
        publication.count("catalog.learner", {"created": publication.execute(MAKE["catalog.learner"])})
        made = publication.execute(MAKE["catalog.learner_key"], organization=organization_id)
        publication.count("catalog.learner_key", {"created": made})
    analyze(publication.connection, "person")


def _reject_retired(publication: Publication, ids: dict[str, int | None]) -> None:
    if publication.execute(RETIRED, organization=ids["organization"]):
        publication.reject(ENROLLMENTS, REJECT_RETIRED, document=ids["document"])
        for statement in FORGET_RETIRED:
            publication.execute(statement)


def _link(publication: Publication, secret: bytes, ids: dict[str, int | None]) -> None:
    create_staging(publication.connection, "link_row", linking.STAGING)
    if publication.execute(TO_LINK, organization=ids["organization"]):
        analyze(publication.connection, "link_row")
        linking.link(publication, secret, create=True)
        publication.reject(ENROLLMENTS, REJECT_LINKS, document=ids["document"])

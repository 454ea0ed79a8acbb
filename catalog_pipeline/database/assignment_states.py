"""Triggers of assignments: states change only along `catalog.assignment_transition`, and actions follow their mails."""

from sqlalchemy import Connection

from catalog_pipeline.database.triggers import TRANSITIONS, execute

CHECK_STATES = """\
CREATE OR REPLACE FUNCTION catalog.content_assignment_checks_states() RETURNS trigger LANGUAGE plpgsql
-- Without nested loops: as only one row is asked for, the planner would join the rows of a large UPDATE by one.
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_nestloop = off AS $$
DECLARE
    wrong record;
BEGIN
    SELECT n.uuid, o.state AS before, n.state AS after INTO wrong
    FROM old_rows o JOIN new_rows n ON n.id = o.id
    JOIN catalog.assignment_configuration c ON c.id = n.assignment_configuration_id
    WHERE n.state <> o.state
      AND NOT EXISTS (SELECT FROM catalog.assignment_transition t WHERE (t.from_state, t.to_state) = (o.state, n.state))
      -- A load repeats what enterprise-access says, which may have changed more than once since the last one.
      AND NOT (c.owner = 'enterprise_access' AND current_setting('catalog.actor', true) LIKE 'load:%')
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', CONSTRAINT = 'content_assignment_transition',
            MESSAGE = format('Assignment %s cannot go from %s to %s.', wrong.uuid, wrong.before, wrong.after),
            HINT = 'catalog.assignment_transition lists the changes of state that there are.';
    END IF;
    RETURN NULL;
END $$"""

FOLLOW_MAILS = """\
CREATE OR REPLACE FUNCTION ops.outbox_completes_actions() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE catalog.assignment_action a
    SET completed_at = n.sent_at,
        error_reason = CASE WHEN n.sent_at IS NULL AND n.due_at IS NULL THEN 'email_error' END
    FROM new_rows n JOIN old_rows o ON o.id = n.id
    WHERE a.outbox_id = n.id AND (n.sent_at, n.due_at IS NULL) IS DISTINCT FROM (o.sent_at, o.due_at IS NULL);
    RETURN NULL;
END $$"""


def install_assignment_triggers(connection: Connection) -> None:
    """Make, or make anew, both triggers and their functions. Of a mail that was given up, the action says so."""
    execute(
        connection,
        (
            CHECK_STATES,
            "REVOKE EXECUTE ON FUNCTION catalog.content_assignment_checks_states() FROM PUBLIC",
            "CREATE OR REPLACE TRIGGER check_states AFTER UPDATE ON catalog.content_assignment"
            f" REFERENCING {TRANSITIONS['UPDATE']}"
            " FOR EACH STATEMENT EXECUTE FUNCTION catalog.content_assignment_checks_states()",
            FOLLOW_MAILS,
            "CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON catalog.assignment_action"
            " FOR EACH ROW EXECUTE FUNCTION catalog.touch()",
            "REVOKE EXECUTE ON FUNCTION ops.outbox_completes_actions() FROM PUBLIC",
            "CREATE OR REPLACE TRIGGER complete_actions AFTER UPDATE ON ops.outbox"
            f" REFERENCING {TRANSITIONS['UPDATE']}"
            " FOR EACH STATEMENT EXECUTE FUNCTION ops.outbox_completes_actions()",
        ),
    )

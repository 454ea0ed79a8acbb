"""Dagster's event log, which grows with every run, and of which little is ever asked again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster_postgres import PostgresEventLogStorage
from sqlalchemy import Connection, text

from catalog_pipeline.retention.removal import Removed
from catalog_pipeline.settings import Settings, setting_name

KIND, FIELD = "events of Dagster's runs", "keep_dagster_log"
BATCH = 20_000
"""So many events are removed at a time, so that runs which write events meanwhile do not wait."""
LAST_CHECKS = """
    SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name, partition, execution_status"""
"""Of each check the last result: the last that passed, and the last that failed."""
OLD_CHECKS = f"""
    DELETE FROM asset_check_executions WHERE create_timestamp < :before AND id NOT IN ({LAST_CHECKS})"""
OLD_EVENTS = f"""
    SELECT e.id FROM event_logs e
    WHERE e.timestamp < :before
      AND coalesce(e.dagster_event_type, '') NOT IN (
          'ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'ASSET_MATERIALIZATION_PLANNED', 'ASSET_FAILED_TO_MATERIALIZE')
      AND NOT (e.dagster_event_type = 'ASSET_CHECK_EVALUATION'
               AND e.id IN (SELECT evaluation_event_storage_id FROM asset_check_executions
                            WHERE create_timestamp >= :before OR id IN ({LAST_CHECKS})))
      AND e.run_id IN (SELECT run_id FROM runs WHERE status IN ('SUCCESS', 'FAILURE', 'CANCELED'))
    LIMIT :batch"""
"""Events of ended runs, without those by which Dagster knows what was materialized when, and how checks went."""
REMOVE_BATCH = f"DELETE FROM event_logs WHERE id IN ({OLD_EVENTS})"


def remove_old_events(instance: dg.DagsterInstance, settings: Settings, *, dry_run: bool = False) -> Removed:
    """Remove the old events of Dagster's runs. The runs themselves stay: deleting a run would lose materializations.

    Nothing is removed where Dagster does not keep its events in Postgres.
    """
    days = settings.keep_dagster_log
    storage = instance.event_log_storage
    if not days or not isinstance(storage, PostgresEventLogStorage):
        return Removed(KIND, setting_name(FIELD), days)
    # Dagster keeps times in UTC, without a zone.
    before = (datetime.now(UTC) - timedelta(days=days)).replace(tzinfo=None)
    removed = 0
    with storage.index_connection() as opened:
        connection = opened.execution_options(isolation_level="READ COMMITTED")
        removed += _execute(connection, OLD_CHECKS, dry_run, before=before)
        while batch := _execute(connection, REMOVE_BATCH, dry_run, before=before, batch=None if dry_run else BATCH):
            removed += batch
            if dry_run:
                break
    return Removed(KIND, setting_name(FIELD), days, removed)


def _execute(connection: Connection, statement: str, dry_run: bool, **parameters: Any) -> int:
    """Run a statement that removes, in a transaction of its own; returns how many rows it removed, or would."""
    connection.rollback()
    rows = connection.execute(text(statement), parameters).rowcount
    connection.rollback() if dry_run else connection.commit()
    return rows

"""The triggers of the schema `catalog`, generated from its tables; a test compares generated with installed."""

from sqlalchemy import Table

from catalog_pipeline.models import metadata

TOUCH_FUNCTION = """\
CREATE OR REPLACE FUNCTION catalog.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$"""


def touched_tables() -> list[Table]:
    """The tables whose `updated_at` a trigger keeps, so that a plain `UPDATE` in psql keeps it too."""
    return [table for table in metadata.sorted_tables if "updated_at" in table.columns]


def touch_trigger(table: Table) -> str:
    """The statement that makes a table's trigger."""
    return (
        f"CREATE OR REPLACE TRIGGER touch BEFORE UPDATE ON {table.schema}.{table.name}"
        " FOR EACH ROW EXECUTE FUNCTION catalog.touch()"
    )

"""Events are never updated, deleted or truncated: the database refuses it, whoever asks."""

from django.db import migrations

SQLITE = [
    """CREATE TRIGGER cihealing_event_no_update BEFORE UPDATE ON cihealing_storedevent
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END""",
    """CREATE TRIGGER cihealing_event_no_delete BEFORE DELETE ON cihealing_storedevent
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END""",
]
SQLITE_BACK = ["DROP TRIGGER cihealing_event_no_update", "DROP TRIGGER cihealing_event_no_delete"]

POSTGRESQL = [
    """CREATE FUNCTION cihealing_event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'restrict_violation'; END $$""",
    """CREATE TRIGGER cihealing_event_no_change BEFORE UPDATE OR DELETE ON cihealing_storedevent
    FOR EACH ROW EXECUTE FUNCTION cihealing_event_refuse()""",
    """CREATE TRIGGER cihealing_event_no_truncate BEFORE TRUNCATE ON cihealing_storedevent
    FOR EACH STATEMENT EXECUTE FUNCTION cihealing_event_refuse()""",
    # A reader stops below the oldest open transaction: ids alone are handed out before commit, and out of order.
    """CREATE FUNCTION cihealing_event_tx() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.tx := pg_current_xact_id()::text::bigint; RETURN NEW; END $$""",
    """CREATE TRIGGER cihealing_event_tx BEFORE INSERT ON cihealing_storedevent
    FOR EACH ROW EXECUTE FUNCTION cihealing_event_tx()""",
]
POSTGRESQL_BACK = [
    "DROP TRIGGER cihealing_event_tx ON cihealing_storedevent",
    "DROP TRIGGER cihealing_event_no_truncate ON cihealing_storedevent",
    "DROP TRIGGER cihealing_event_no_change ON cihealing_storedevent",
    "DROP FUNCTION cihealing_event_tx()",
    "DROP FUNCTION cihealing_event_refuse()",
]


def _run(schema_editor, sqlite, postgresql):
    for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
        schema_editor.execute(statement)


def forwards(apps, schema_editor):
    _run(schema_editor, SQLITE, POSTGRESQL)


def backwards(apps, schema_editor):
    _run(schema_editor, SQLITE_BACK, POSTGRESQL_BACK)


class Migration(migrations.Migration):
    dependencies = [("cihealing", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]

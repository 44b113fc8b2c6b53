"""Numbers that are kept instead of counted, and what is searched for words. The database keeps both by
triggers, in the transaction of whoever writes: no writer can forget it, and none waits for another.

A later migration that makes SQLite build one of these tables anew (it alters a column) drops its
triggers: let it run `forwards` of this one again.
"""

import json
from datetime import datetime

from django.db import OperationalError, migrations, models, transaction

# What a row adds to the numbers: (table, {key: value}, {number: value}, condition); `{row}` is NEW or OLD,
# `{sign}` is 1 or -1.
RUN = (
    "cihealing_runcount",
    {name: "{row}." + name for name in ("repository", "status", "failure_class", "resolution")},
    {
        "runs": "{sign}",
        "attempts": "{sign} * {row}.attempt_count",
        "proven": "CASE WHEN {row}.evidence IN ('proven', 'ci_proven') THEN {sign} ELSE 0 END",
        "accepted": "CASE WHEN {row}.resolution = 'merged' AND {row}.cost_usd > 0"
        " THEN {sign} ELSE 0 END",
    },
    "{row}.attached_to IS NULL",
)
NANO = "{sign} * CAST(ROUND({row}.usd * 1000000000) AS BIGINT)"


def tally(what, number, *, repository="''", day="''", condition="TRUE"):
    keys = {"what": f"'{what}'", "repository": repository, "day": day}
    return "cihealing_tally", keys, {"number": number}, condition


SPEND = (
    tally("usd", NANO, repository="{row}.repository"),
    tally("usd_day", NANO, repository="{row}.repository", day="{row}.day"),
    tally(
        "calls",
        "{sign}",
        repository="{row}.repository",
        condition="{row}.settled <> 'unanswered'",
    ),
)
COUNTED = {
    "run": (
        (RUN,),
        "repository status failure_class resolution attempt_count evidence cost_usd attached_to",
    ),
    "spend": (SPEND, "repository day usd settled"),
    "delivery": ((tally("deliveries", "{sign}"),), ""),
}
SEARCHED = "repository branch job error_type error_summary owner"
FTS = "cihealing_runwords_fts"


def counting(parts, row, sign):
    return [
        (
            f"INSERT INTO {table} ({', '.join([*keys, *numbers])}, folded)"
            f" SELECT {', '.join([*keys.values(), *numbers.values()])}, FALSE WHERE {condition};"
        ).format(row=row, sign=sign)
        for table, keys, numbers, condition in parts
    ]


def searching(row, vendor):
    newline = "chr(10)" if vendor == "postgresql" else "char(10)"
    return f" || {newline} || ".join(f"{row}.{name}" for name in SEARCHED.split())


def triggers(vendor):
    """(name, table, occasion, columns whose change matters, statements)."""
    for table, (parts, columns) in COUNTED.items():
        plus, minus = counting(parts, "NEW", "1"), counting(parts, "OLD", "-1")
        yield f"cihealing_{table}_count_new", table, "INSERT", "", plus
        yield f"cihealing_{table}_count_gone", table, "DELETE", "", minus
        if columns:
            yield f"cihealing_{table}_count_changed", table, "UPDATE", columns, [*minus, *plus]
    words = searching("NEW", vendor)
    into = f"INSERT INTO cihealing_runwords (run_id, words) VALUES (NEW.id, {words});"
    again = f"UPDATE cihealing_runwords SET words = {words} WHERE run_id = NEW.id;"
    gone = "DELETE FROM cihealing_runwords WHERE run_id = OLD.id;"
    yield "cihealing_run_words_new", "run", "INSERT", "", [into]
    yield "cihealing_run_words_changed", "run", "UPDATE", SEARCHED, [again]
    yield "cihealing_run_words_gone", "run", "DELETE", "", [gone]


def fts_triggers():
    """SQLite: the full-text index follows the table it is made over."""
    into = f"INSERT INTO {FTS} (rowid, words) VALUES (NEW.id, NEW.words);"
    out = f"INSERT INTO {FTS} ({FTS}, rowid, words) VALUES ('delete', OLD.id, OLD.words);"
    yield "cihealing_runwords_fts_new", "runwords", "INSERT", "", [into]
    yield "cihealing_runwords_fts_gone", "runwords", "DELETE", "", [out]
    yield "cihealing_runwords_fts_changed", "runwords", "UPDATE", "words", [out, into]


def create(editor, name, table, occasion, columns, statements):
    postgresql = editor.connection.vendor == "postgresql"
    differs = "IS DISTINCT FROM" if postgresql else "IS NOT"
    when = " OR ".join(f"OLD.{column} {differs} NEW.{column}" for column in columns.split())
    begin = f"CREATE TRIGGER {name} AFTER {occasion} ON cihealing_{table} FOR EACH ROW"
    begin += f" WHEN ({when})" if when else ""
    body = " ".join(statements)
    if not postgresql:
        editor.execute(f"{begin} BEGIN {body} END")
        return
    editor.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {body} RETURN NULL; END $$"
    )
    editor.execute(f"{begin} EXECUTE FUNCTION {name}()")


def with_fts(editor):
    """Whether SQLite has the full-text index, made here unless it is there."""
    if editor.connection.vendor == "postgresql":
        return False
    table = "fts5(words, content='cihealing_runwords', content_rowid='id', tokenize='trigram')"
    try:
        with transaction.atomic(editor.connection.alias):
            editor.execute(f"CREATE VIRTUAL TABLE IF NOT EXISTS {FTS} USING {table}")
    except OperationalError:  # built without it: words are looked for row by row
        return False
    return True


def forwards(apps, editor):
    vendor = editor.connection.vendor
    fts = with_fts(editor)
    for trigger in (*triggers(vendor), *(fts_triggers() if fts else ())):
        create(editor, *trigger)


def backwards(apps, editor):
    vendor = editor.connection.vendor
    for name, table, *_ in (*triggers(vendor), *(() if vendor == "postgresql" else fts_triggers())):
        if vendor == "postgresql":
            editor.execute(f"DROP TRIGGER IF EXISTS {name} ON cihealing_{table}")
            editor.execute(f"DROP FUNCTION IF EXISTS {name}()")
        else:
            editor.execute(f"DROP TRIGGER IF EXISTS {name}")


def drop_fts(apps, editor):
    if editor.connection.vendor != "postgresql":
        editor.execute(f"DROP TABLE IF EXISTS {FTS}")


def fill(apps, editor):
    """The numbers and words of what is there already."""
    for source, (parts, _) in COUNTED.items():
        for table, keys, numbers, condition in parts:
            sums = [f"SUM({value})" for value in numbers.values()]
            by = ", ".join(str(n) for n in range(1, len(keys) + 1))
            statement = (
                f"INSERT INTO {table} ({', '.join([*keys, *numbers])}, folded)"
                f" SELECT {', '.join([*keys.values(), *sums])}, TRUE"
                f" FROM cihealing_{source} r WHERE {condition} GROUP BY {by}"
            )
            editor.execute(statement.format(row="r", sign="1"))
    words = searching("r", editor.connection.vendor)
    editor.execute(
        f"INSERT INTO cihealing_runwords (run_id, words) SELECT r.id, {words} FROM cihealing_run r"
    )
    if with_fts(editor):
        editor.execute(f"INSERT INTO {FTS} ({FTS}) VALUES ('rebuild')")


def fill_proofs(apps, editor):
    """What each run took to the proof of its first generation, as its attempts say."""
    Run, Attempt = apps.get_model("cihealing", "Run"), apps.get_model("cihealing", "Attempt")
    proven = Attempt.objects.filter(status="succeeded", generation=1).order_by("-number")
    rows = proven.values_list("run_id", "run__created_at", "body").iterator(chunk_size=1000)
    key = Run._meta.pk
    found = [
        ((datetime.fromisoformat(end) - begun).total_seconds(), key.get_db_prep_value(run, editor.connection))
        for run, begun, body in rows
        if (end := json.loads(body).get("finished_at"))
    ]
    if found:
        with editor.connection.cursor() as cursor:
            cursor.executemany("UPDATE cihealing_run SET seconds_to_proof = %s WHERE id = %s", found)


def nothing(apps, editor):
    """What was filled in goes with its columns and tables."""


class Migration(migrations.Migration):

    dependencies = [
        ('cihealing', '0006_followers'),
    ]

    operations = [
        migrations.CreateModel(
            name='RunCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('folded', models.BooleanField(default=False)),
                ('repository', models.CharField(max_length=300)),
                ('status', models.CharField(max_length=20)),
                ('failure_class', models.CharField(max_length=20)),
                ('resolution', models.CharField(max_length=40)),
                ('runs', models.BigIntegerField()),
                ('attempts', models.BigIntegerField()),
                ('proven', models.BigIntegerField()),
                ('accepted', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='RunWords',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('run_id', models.UUIDField(unique=True)),
                ('words', models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('folded', models.BooleanField(default=False)),
                ('what', models.CharField(max_length=20)),
                ('repository', models.CharField(max_length=300)),
                ('day', models.CharField(max_length=10)),
                ('number', models.BigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name='run',
            name='seconds_to_proof',
            field=models.FloatField(null=True),
        ),
        migrations.RunPython(fill_proofs, nothing),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status', 'reading')), fields=['received_at'], name='delivery_reading'),
        ),
        migrations.AddIndex(
            model_name='outbox',
            index=models.Index(condition=models.Q(('state', 'gave_up')), fields=['not_before'], name='outbox_gave_up'),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(fields=['commit'], name='run_commit', opclasses=['varchar_pattern_ops']),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('attached_to__isnull', True)), fields=['error_hash', 'created_at', 'id', 'status', 'resolution'], name='run_family', opclasses=['varchar_pattern_ops', 'timestamptz_ops', 'uuid_ops', 'varchar_ops', 'varchar_ops']),
        ),
        migrations.AddIndex(
            model_name='run',
            index=models.Index(condition=models.Q(('attached_to__isnull', True), ('seconds_to_proof__isnull', False)), fields=['-created_at', 'seconds_to_proof'], name='run_proof'),
        ),
        migrations.AddIndex(
            model_name='runcount',
            index=models.Index(condition=models.Q(('folded', False)), fields=['id'], name='run_count_unfolded'),
        ),
        migrations.AddConstraint(
            model_name='runcount',
            constraint=models.UniqueConstraint(condition=models.Q(('folded', True)), fields=('repository', 'status', 'failure_class', 'resolution'), name='run_count_once'),
        ),
        migrations.AddIndex(
            model_name='tally',
            index=models.Index(condition=models.Q(('folded', False)), fields=['id'], name='tally_unfolded'),
        ),
        migrations.AddIndex(
            model_name='tally',
            index=models.Index(fields=['what', 'day'], name='tally_day'),
        ),
        migrations.AddConstraint(
            model_name='tally',
            constraint=models.UniqueConstraint(condition=models.Q(('folded', True)), fields=('what', 'day', 'repository'), name='tally_once'),
        ),
        migrations.RunPython(nothing, drop_fts),
        migrations.RunPython(fill, nothing),
        migrations.RunPython(forwards, backwards),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cihealing", "0003_models_and_money")]

    operations = [
        migrations.CreateModel(
            name="WaitingLog",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("delivery", models.UUIDField()),
                ("position", models.PositiveIntegerField()),
                ("size", models.PositiveBigIntegerField()),
                ("at", models.DateTimeField()),
                ("content", models.BinaryField()),
            ],
            options={"constraints": [models.UniqueConstraint(fields=["delivery", "position"], name="waiting_log_once")]},
        ),
    ]

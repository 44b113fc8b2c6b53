from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('cihealing', '0004_waiting_logs'),
    ]

    operations = [
        migrations.CreateModel(
            name='Clock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seen', models.DateTimeField()),
                ('boot', models.CharField(max_length=40)),
                ('uptime', models.FloatField()),
                ('moved', models.FloatField()),
            ],
        ),
    ]

"""Signs of life of workers, and indexes for what workers look for: holds whose time is over, plan changes that have begun."""

from django.db import migrations, models

from mozaiks.kit.migrations import one_way


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_operations_by_key")]

    operations = [
        migrations.CreateModel(
            name="WorkerHeartbeat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=191)),
                ("started_at", models.DateTimeField()),
                ("last_tick_at", models.DateTimeField()),
                ("last_backlog", models.BigIntegerField(default=0)),
                ("rolled", models.BigIntegerField(default=0)),
                ("failed", models.BigIntegerField(default=0)),
            ],
            options={"db_table": "billing_worker_heartbeats"},
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(fields=["status", "expires_at"], name="billing_holds_expiry_idx"),
        ),
        migrations.AddIndex(
            model_name="planassignment",
            index=models.Index(fields=["status", "period_start_at"], name="billing_assignments_status_idx"),
        ),
        migrations.AddConstraint(
            model_name="workerheartbeat",
            constraint=models.UniqueConstraint(fields=["name"], name="billing_worker_heartbeats_uniq"),
        ),
        one_way("workers of this version write to its table and search by its indexes."),
    ]

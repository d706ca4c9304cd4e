"""Usage by the day, who is nearest to a limit, and events by their name: what the overview of the console reads."""

from decimal import Decimal
from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Case, F, Q, Value, When

from mozaiks.kit.migrations import one_way


def counted() -> Any:
    return models.BigIntegerField(default=0)


def number() -> Any:
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


def of(to: str, **options: Any) -> Any:
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=to,
        **options,
    )


def used(share: str) -> Q:
    return Q(consumed_amount__gte=F("granted_amount") * Value(Decimal(share)) - F("held_amount"), granted_amount__gt=0)


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_boundary_worker")]

    operations = [
        migrations.CreateModel(
            name="UsageDay",
            fields=[
                ("id", number()),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("subject", of("billing.billableentity")),
                ("definition", of("billing.definition", db_column="entitlement_definition_id")),
                ("day", models.DateField()),
                ("used", counted()),
                ("refused", counted()),
                ("advisory", counted()),
            ],
            options={
                "db_table": "billing_usage_days",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("subject_type", "subject", "definition", "day"), name="billing_usage_days_uniq"
                    )
                ],
                "indexes": [
                    models.Index(fields=["definition", "day", "used", "subject"], name="billing_usage_days_most_idx")
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageTotal",
            fields=[
                ("id", number()),
                ("day", models.DateField()),
                ("definition", of("billing.definition", db_column="entitlement_definition_id")),
                ("code", models.CharField(blank=True, default="", max_length=120)),
                ("used", counted()),
                ("refused", counted()),
                ("advisory", counted()),
            ],
            options={
                "db_table": "billing_usage_totals",
                "constraints": [
                    models.UniqueConstraint(fields=("day", "definition", "code"), name="billing_usage_totals_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="UsageMark",
            fields=[
                ("id", number()),
                ("consumption_id", counted()),
                ("decision_id", counted()),
                ("seen_consumption_id", counted()),
                ("seen_decision_id", counted()),
                ("seen_at", models.DateTimeField()),
                ("clearing", models.BooleanField(default=False)),
                ("updated_at", models.DateTimeField()),
            ],
            options={"db_table": "billing_usage_marks"},
        ),
        migrations.AddField(
            model_name="balance",
            name="full_percent",
            field=models.GeneratedField(
                db_persist=True,
                expression=Case(
                    When(closed_at__isnull=False, then=None),
                    When(Q(over_limit=True) | used("1"), then=Value(100)),
                    When(used("0.95"), then=Value(95)),
                    When(used("0.9"), then=Value(90)),
                    When(used("0.8"), then=Value(80)),
                    default=None,
                ),
                output_field=models.SmallIntegerField(null=True),
            ),
        ),
        migrations.AddIndex(
            model_name="balance",
            index=models.Index(fields=["full_percent", "window_end_at"], name="billing_balances_full_idx"),
        ),
        migrations.AddIndex(
            model_name="billingevent",
            index=models.Index(fields=["event_name", "received_at"], name="billing_events_name_idx"),
        ),
        one_way("balances say how full they are, and what was counted of days already would be counted again."),
    ]

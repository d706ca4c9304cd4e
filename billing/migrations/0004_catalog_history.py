"""The history of the catalog, the rollouts of changed plans, and the permissions of those who author and operate."""

import django.db.models.deletion
from django.db import migrations, models

from mozaiks.kit.migrations import one_way


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_projected_at"),
    ]

    operations = [
        migrations.CreateModel(
            name="CatalogRevision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("definition", "definition"), ("plan", "plan"), ("product", "product")], max_length=32
                    ),
                ),
                ("code", models.CharField(max_length=120)),
                ("number", models.PositiveIntegerField()),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("found", "found"),
                            ("created", "created"),
                            ("changed", "changed"),
                            ("deleted", "deleted"),
                        ],
                        max_length=32,
                    ),
                ),
                ("content", models.JSONField(default=dict)),
                ("actor", models.CharField(blank=True, default="", max_length=191)),
                ("reason", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_catalog_revisions",
            },
        ),
        migrations.CreateModel(
            name="Rollout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rollouts", to="billing.plan"
                    ),
                ),
                ("revision", models.PositiveIntegerField()),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("looking", "looking"),
                            ("ready", "ready"),
                            ("applying", "applying"),
                            ("done", "done"),
                            ("dropped", "dropped"),
                        ],
                        default="looking",
                        max_length=32,
                    ),
                ),
                ("actor", models.CharField(blank=True, default="", max_length=191)),
                ("reason", models.TextField(blank=True, default="")),
                ("last_entity_id", models.BigIntegerField(default=0)),
                ("subscribers", models.BigIntegerField(default=0)),
                ("seen", models.BigIntegerField(default=0)),
                ("changed", models.BigIntegerField(default=0)),
                ("gained", models.BigIntegerField(default=0)),
                ("lost", models.BigIntegerField(default=0)),
                ("over_limit", models.BigIntegerField(default=0)),
                ("foreseen_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "open_key",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(status__in=["looking", "ready", "applying"], then=models.F("plan_id")),
                            default=None,
                        ),
                        output_field=models.BigIntegerField(null=True),
                    ),
                ),
            ],
            options={
                "db_table": "billing_catalog_rollouts",
            },
        ),
        migrations.AlterModelOptions(
            name="billableentity",
            options={
                "permissions": [
                    ("grant_entitlements", "Can grant units by hand, and end grants"),
                    ("correct_balances", "Can correct and rebuild balances"),
                    ("set_plan", "Can set the plan of a customer"),
                ],
                "verbose_name": "billable entity",
                "verbose_name_plural": "billable entities",
            },
        ),
        migrations.AlterModelOptions(
            name="plan",
            options={"permissions": [("roll_out_plan", "Can apply a plan to its current subscribers")]},
        ),
        migrations.AddIndex(
            model_name="planassignment",
            index=models.Index(fields=["plan", "current_key"], name="billing_assignments_plan_current_idx"),
        ),
        migrations.AddConstraint(
            model_name="catalogrevision",
            constraint=models.UniqueConstraint(
                fields=("kind", "code", "number"), name="billing_catalog_revisions_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="catalogrevision",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["definition", "plan", "product"])),
                name="billing_catalog_revisions_kind_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="catalogrevision",
            constraint=models.CheckConstraint(
                condition=models.Q(("action__in", ["found", "created", "changed", "deleted"])),
                name="billing_catalog_revisions_action_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollout",
            constraint=models.UniqueConstraint(fields=("open_key",), name="billing_catalog_rollouts_one_open"),
        ),
        migrations.AddConstraint(
            model_name="rollout",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["looking", "ready", "applying", "done", "dropped"])),
                name="billing_catalog_rollouts_status_valid",
            ),
        ),
        one_way("the history of the catalog says who changed what and why, and no reverse would bring it back."),
    ]

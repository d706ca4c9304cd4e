"""The tables of billing, with every index and constraint by name."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from mozaiks.kit.migrations import one_way


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("workspaces", "0001_schema"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PlanAssignment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("internal", "internal"),
                            ("promo", "promo"),
                            ("manual", "manual"),
                            ("provider", "provider"),
                            ("sync", "sync"),
                        ],
                        max_length=32,
                    ),
                ),
                ("period_start_at", models.DateTimeField()),
                ("period_end_at", models.DateTimeField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("current", "current"),
                            ("upcoming", "upcoming"),
                            ("past", "past"),
                            ("canceled", "canceled"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "subscription_status",
                    models.CharField(
                        choices=[
                            ("active", "active"),
                            ("trialing", "trialing"),
                            ("past_due", "past due"),
                            ("canceled", "canceled"),
                            ("inactive", "inactive"),
                        ],
                        default="active",
                        max_length=32,
                    ),
                ),
                ("billing_cycle", models.CharField(blank=True, default="", max_length=32)),
                ("next_billing_at", models.DateTimeField(blank=True, null=True)),
                ("trial_end_at", models.DateTimeField(blank=True, null=True)),
                ("past_due_since_at", models.DateTimeField(blank=True, null=True)),
                ("anchor_at", models.DateTimeField()),
                ("plugin_tiers", models.JSONField(blank=True, default=dict)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_plan_assignments",
            },
        ),
        migrations.CreateModel(
            name="BillableEntity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "entity_type",
                    models.CharField(
                        choices=[
                            ("workspace", "workspace"),
                            ("user", "user"),
                            ("organization", "organization"),
                            ("external", "external"),
                        ],
                        max_length=32,
                    ),
                ),
                ("entity_ref", models.CharField(blank=True, max_length=191, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "active"), ("inactive", "inactive")], default="active", max_length=32
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "user_key",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(entity_type="user", then=models.F("owner_user_id")), default=None
                        ),
                        output_field=models.BigIntegerField(null=True),
                    ),
                ),
                (
                    "owner_user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workspaces.workspace",
                    ),
                ),
            ],
            options={
                "verbose_name": "billable entity",
                "verbose_name_plural": "billable entities",
                "db_table": "billable_entities",
            },
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("amount", models.BigIntegerField(blank=True, null=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("plan_base", "plan base"),
                            ("addon_timeboxed", "addon timeboxed"),
                            ("topup", "topup"),
                            ("promo", "promo"),
                            ("manual_adjustment", "manual adjustment"),
                            ("correction", "correction"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "replenish",
                    models.CharField(choices=[("per_window", "per window"), ("once", "once")], max_length=32),
                ),
                (
                    "enforcement_override",
                    models.CharField(
                        blank=True,
                        choices=[("hard_deny", "hard deny"), ("soft_warn", "soft warn")],
                        max_length=32,
                        null=True,
                    ),
                ),
                ("effective_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "source_type",
                    models.CharField(
                        choices=[
                            ("plan_assignment", "plan assignment"),
                            ("billing_purchase", "billing purchase"),
                            ("billing_event", "billing event"),
                            ("manual_console", "manual console"),
                            ("system_worker", "system worker"),
                        ],
                        max_length=32,
                    ),
                ),
                ("source_id", models.CharField(blank=True, default="", max_length=191)),
                ("template_id", models.BigIntegerField(blank=True, null=True)),
                ("operation_key", models.CharField(blank=True, default="", max_length=191)),
                ("provider", models.CharField(blank=True, default="", max_length=32)),
                ("provider_event_id", models.CharField(blank=True, default="", max_length=191)),
                ("dedupe_key", models.CharField(max_length=191)),
                ("fingerprint", models.CharField(max_length=64)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_entitlement_grants",
            },
        ),
        migrations.CreateModel(
            name="Plan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=120)),
                ("name", models.CharField(max_length=160)),
                ("description", models.TextField(blank=True, default="")),
                (
                    "applies_to",
                    models.CharField(choices=[("workspace", "workspace")], default="workspace", max_length=32),
                ),
                ("checkout_provider", models.CharField(blank=True, default="", max_length=32)),
                ("checkout_provider_price_id", models.CharField(blank=True, max_length=191, null=True)),
                ("checkout_provider_product_id", models.CharField(blank=True, default="", max_length=191)),
                (
                    "checkout_interval",
                    models.CharField(
                        blank=True,
                        choices=[("day", "day"), ("week", "week"), ("month", "month"), ("year", "year")],
                        max_length=32,
                        null=True,
                    ),
                ),
                ("checkout_interval_count", models.PositiveIntegerField(default=1)),
                ("checkout_currency", models.CharField(blank=True, default="", max_length=3)),
                ("checkout_unit_amount_minor", models.BigIntegerField(blank=True, null=True)),
                ("plugins", models.JSONField(blank=True, default=list)),
                ("plugin_tiers", models.JSONField(blank=True, default=dict)),
                ("grants_nothing", models.BooleanField(default=False)),
                ("is_active", models.BooleanField(default=True)),
                ("is_default", models.BooleanField(default=False)),
                ("trial_days", models.PositiveIntegerField(default=0)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "default_key",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(models.When(is_default=True, then=models.Value(1)), default=None),
                        output_field=models.IntegerField(null=True),
                    ),
                ),
            ],
            options={
                "db_table": "billing_plans",
            },
        ),
        migrations.CreateModel(
            name="PlanTemplate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount", models.BigIntegerField(blank=True, null=True)),
                (
                    "grant_kind",
                    models.CharField(
                        choices=[("plan_base", "plan base"), ("plan_bonus", "plan bonus")],
                        default="plan_base",
                        max_length=32,
                    ),
                ),
                (
                    "effective_policy",
                    models.CharField(
                        choices=[
                            ("on_assignment_current", "on assignment current"),
                            ("on_period_paid", "on period paid"),
                        ],
                        default="on_assignment_current",
                        max_length=32,
                    ),
                ),
                (
                    "duration_policy",
                    models.CharField(
                        choices=[
                            ("while_current", "while current"),
                            ("period_window", "period window"),
                            ("fixed_duration", "fixed duration"),
                        ],
                        default="while_current",
                        max_length=32,
                    ),
                ),
                ("duration_days", models.PositiveIntegerField(blank=True, null=True)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
            ],
            options={
                "verbose_name": "plan entitlement template",
                "db_table": "billing_plan_entitlement_templates",
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=120)),
                ("name", models.CharField(max_length=160)),
                ("description", models.TextField(blank=True, default="")),
                (
                    "product_kind",
                    models.CharField(
                        choices=[
                            ("one_off", "one off"),
                            ("subscription_addon", "subscription addon"),
                            ("setup_fee", "setup fee"),
                        ],
                        default="one_off",
                        max_length=32,
                    ),
                ),
                ("provider", models.CharField(blank=True, default="", max_length=32)),
                ("provider_price_id", models.CharField(blank=True, max_length=191, null=True)),
                ("provider_product_id", models.CharField(blank=True, default="", max_length=191)),
                ("currency", models.CharField(blank=True, default="", max_length=3)),
                ("unit_amount_minor", models.BigIntegerField(blank=True, null=True)),
                (
                    "price_interval",
                    models.CharField(
                        blank=True,
                        choices=[("day", "day"), ("week", "week"), ("month", "month"), ("year", "year")],
                        max_length=32,
                        null=True,
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_products",
            },
        ),
        migrations.CreateModel(
            name="ProductTemplate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount", models.BigIntegerField(blank=True, null=True)),
                (
                    "grant_kind",
                    models.CharField(
                        choices=[("one_off_topup", "one off topup"), ("timeboxed_addon", "timeboxed addon")],
                        max_length=32,
                    ),
                ),
                ("duration_days", models.PositiveIntegerField(blank=True, null=True)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
            ],
            options={
                "verbose_name": "product entitlement template",
                "db_table": "billing_product_entitlement_templates",
            },
        ),
        migrations.CreateModel(
            name="Purchase",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=32)),
                (
                    "purchase_kind",
                    models.CharField(
                        choices=[
                            ("one_off", "one off"),
                            ("subscription_invoice", "subscription invoice"),
                            ("topup", "topup"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("confirmed", "confirmed"),
                            ("refunded", "refunded"),
                            ("partially_refunded", "partially refunded"),
                            ("voided", "voided"),
                            ("disputed", "disputed"),
                        ],
                        default="confirmed",
                        max_length=32,
                    ),
                ),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("quantity", models.PositiveIntegerField(default=1)),
                ("operation_key", models.CharField(blank=True, default="", max_length=191)),
                ("provider_customer_id", models.CharField(blank=True, max_length=191, null=True)),
                ("provider_checkout_session_id", models.CharField(blank=True, max_length=191, null=True)),
                ("provider_payment_id", models.CharField(blank=True, max_length=191, null=True)),
                ("provider_invoice_id", models.CharField(blank=True, max_length=191, null=True)),
                ("provider_price_id", models.CharField(blank=True, max_length=191, null=True)),
                ("display_name", models.CharField(blank=True, default="", max_length=191)),
                ("dedupe_key", models.CharField(max_length=191)),
                ("purchased_at", models.DateTimeField()),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_purchases",
            },
        ),
        migrations.CreateModel(
            name="PurchaseAdjustment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("refund", "refund"),
                            ("void", "void"),
                            ("correction", "correction"),
                            ("dispute", "dispute"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("recorded", "recorded"),
                            ("succeeded", "succeeded"),
                            ("failed", "failed"),
                            ("noop", "noop"),
                        ],
                        max_length=32,
                    ),
                ),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("reason", models.TextField(blank=True, default="")),
                ("provider_reference", models.CharField(blank=True, max_length=191, null=True)),
                ("requested_by", models.CharField(blank=True, default="", max_length=191)),
                ("request_idempotency_key", models.CharField(blank=True, max_length=191, null=True)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_purchase_adjustments",
            },
        ),
        migrations.CreateModel(
            name="ResourceSnapshot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("resource_code", models.CharField(max_length=120)),
                ("resource_count", models.BigIntegerField()),
                ("snapshot_at", models.DateTimeField()),
                (
                    "source",
                    models.CharField(
                        choices=[("event_driven", "event driven"), ("repair_recount", "repair recount")], max_length=32
                    ),
                ),
            ],
            options={
                "db_table": "billing_resource_snapshots",
            },
        ),
        migrations.CreateModel(
            name="AssignmentProviderDetail",
            fields=[
                (
                    "assignment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="provider_detail",
                        serialize=False,
                        to="billing.planassignment",
                    ),
                ),
                ("provider", models.CharField(max_length=32)),
                ("provider_subscription_id", models.CharField(blank=True, max_length=191, null=True)),
                ("provider_customer_id", models.CharField(blank=True, default="", max_length=191)),
                ("provider_status", models.CharField(blank=True, default="", max_length=64)),
                ("current_period_end", models.DateTimeField(blank=True, null=True)),
                ("trial_end", models.DateTimeField(blank=True, null=True)),
                ("canceled_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_at_period_end", models.BooleanField(default=False)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("last_provider_event_created_at", models.DateTimeField(blank=True, null=True)),
                ("last_provider_event_id", models.CharField(blank=True, default="", max_length=191)),
            ],
            options={
                "db_table": "billing_plan_assignment_provider_details",
            },
        ),
        migrations.AddField(
            model_name="planassignment",
            name="billable_entity",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="assignments", to="billing.billableentity"
            ),
        ),
        migrations.CreateModel(
            name="BillingEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "event_type",
                    models.CharField(
                        choices=[("webhook", "webhook"), ("operator", "operator"), ("system", "system")], max_length=32
                    ),
                ),
                ("event_name", models.CharField(max_length=120)),
                ("provider", models.CharField(blank=True, default="", max_length=32)),
                ("provider_event_id", models.CharField(blank=True, max_length=191, null=True)),
                ("operation_key", models.CharField(blank=True, default="", max_length=191)),
                ("actor", models.CharField(blank=True, default="", max_length=191)),
                ("reason", models.TextField(blank=True, default="")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("received", "received"),
                            ("processing", "processing"),
                            ("processed", "processed"),
                            ("failed", "failed"),
                            ("ignored", "ignored"),
                        ],
                        default="received",
                        max_length=32,
                    ),
                ),
                ("provider_created_at", models.DateTimeField(blank=True, null=True)),
                ("received_at", models.DateTimeField()),
                ("processing_started_at", models.DateTimeField(blank=True, null=True)),
                ("processed_at", models.DateTimeField(blank=True, null=True)),
                ("last_failed_at", models.DateTimeField(blank=True, null=True)),
                ("attempt_count", models.PositiveIntegerField(default=0)),
                ("payload_json", models.JSONField(blank=True, default=dict)),
                ("error_text", models.TextField(blank=True, default="")),
                ("occurred_at", models.DateTimeField()),
                (
                    "billable_entity",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="billing.billableentity",
                    ),
                ),
            ],
            options={
                "db_table": "billing_events",
            },
        ),
        migrations.CreateModel(
            name="Definition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=120)),
                ("name", models.CharField(max_length=191)),
                ("description", models.TextField(blank=True, default="")),
                (
                    "entitlement_type",
                    models.CharField(
                        choices=[
                            ("capacity", "capacity"),
                            ("metered_quota", "metered quota"),
                            ("balance", "balance"),
                            ("state", "state"),
                        ],
                        max_length=32,
                    ),
                ),
                ("unit", models.CharField(max_length=64)),
                (
                    "window_interval",
                    models.CharField(
                        blank=True,
                        choices=[("day", "day"), ("week", "week"), ("month", "month"), ("year", "year")],
                        max_length=32,
                        null=True,
                    ),
                ),
                (
                    "window_anchor",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("calendar_utc", "calendar utc"),
                            ("anniversary", "anniversary"),
                            ("rolling", "rolling"),
                        ],
                        max_length=32,
                        null=True,
                    ),
                ),
                (
                    "aggregation_mode",
                    models.CharField(
                        choices=[("sum", "sum"), ("max", "max"), ("boolean_any_true", "boolean any true")],
                        default="sum",
                        max_length=32,
                    ),
                ),
                (
                    "enforcement_mode",
                    models.CharField(
                        choices=[
                            ("hard_deny", "hard deny"),
                            ("hard_lock_resource", "hard lock resource"),
                            ("soft_warn", "soft warn"),
                        ],
                        default="hard_deny",
                        max_length=32,
                    ),
                ),
                ("lock_state_name", models.CharField(blank=True, max_length=64, null=True)),
                (
                    "scope_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity"), ("workspace", "workspace"), ("user", "user")],
                        default="billable_entity",
                        max_length=32,
                    ),
                ),
                (
                    "alert_thresholds",
                    models.JSONField(blank=True, default=list, help_text="Percents of the limit, e.g. [80, 100]."),
                ),
                (
                    "overage_unit_minor",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Price of the units beyond the limit, in minor units of currency.",
                        null=True,
                    ),
                ),
                (
                    "overage_units",
                    models.BigIntegerField(blank=True, help_text="How many units that price buys.", null=True),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "entitlement definition",
                "db_table": "billing_entitlement_definitions",
                "indexes": [
                    models.Index(fields=["entitlement_type", "is_active"], name="billing_definitions_type_idx")
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("code",), name="billing_definitions_code_uniq"),
                    models.CheckConstraint(
                        condition=models.Q(("entitlement_type__in", ["capacity", "metered_quota", "balance", "state"])),
                        name="billing_definitions_type_valid",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("enforcement_mode__in", ["hard_deny", "hard_lock_resource", "soft_warn"])),
                        name="billing_definitions_mode_valid",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("window_interval__in", ["day", "week", "month", "year"]),
                            ("window_interval__isnull", True),
                            _connector="OR",
                        ),
                        name="billing_definitions_interval_valid",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("window_anchor__in", ["calendar_utc", "anniversary", "rolling"]),
                            ("window_anchor__isnull", True),
                            _connector="OR",
                        ),
                        name="billing_definitions_anchor_valid",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("entitlement_type", "metered_quota"),
                                ("window_anchor__isnull", False),
                                ("window_interval__isnull", False),
                            ),
                            models.Q(
                                models.Q(("entitlement_type", "metered_quota"), _negated=True),
                                ("window_anchor__isnull", True),
                                ("window_interval__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="billing_definitions_window_iff_metered",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("aggregation_mode", "sum"), ("entitlement_type__in", ["metered_quota", "balance"])
                            ),
                            models.Q(
                                ("aggregation_mode__in", ["boolean_any_true", "max"]), ("entitlement_type", "state")
                            ),
                            models.Q(("aggregation_mode__in", ["sum", "max"]), ("entitlement_type", "capacity")),
                            _connector="OR",
                        ),
                        name="billing_definitions_aggregation_fits",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("capability", models.CharField(max_length=120)),
                ("code", models.CharField(max_length=120)),
                ("reason", models.CharField(max_length=120)),
                ("requested", models.BigIntegerField()),
                ("limit", models.BigIntegerField(null=True)),
                ("used", models.BigIntegerField()),
                ("advisory", models.BooleanField(default=False)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("occurred_at", models.DateTimeField()),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_column="entitlement_definition_id",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.definition",
                    ),
                ),
            ],
            options={
                "db_table": "billing_decisions",
            },
        ),
        migrations.CreateModel(
            name="Balance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("window_start_at", models.DateTimeField()),
                ("window_end_at", models.DateTimeField()),
                ("granted_amount", models.BigIntegerField(blank=True, null=True)),
                ("consumed_amount", models.BigIntegerField(default=0)),
                ("held_amount", models.BigIntegerField(default=0)),
                ("effective_amount", models.BigIntegerField(blank=True, null=True)),
                ("hard_limit_amount", models.BigIntegerField(blank=True, null=True)),
                ("is_unlimited", models.BooleanField(default=False)),
                ("overage_amount", models.BigIntegerField(default=0)),
                ("over_limit", models.BooleanField(default=False)),
                ("lock_state", models.CharField(default="none", max_length=64)),
                (
                    "enforcement_override",
                    models.CharField(
                        blank=True,
                        choices=[("hard_deny", "hard deny"), ("soft_warn", "soft warn")],
                        max_length=32,
                        null=True,
                    ),
                ),
                ("next_change_at", models.DateTimeField(blank=True, null=True)),
                ("last_event_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("last_recomputed_at", models.DateTimeField()),
                ("version", models.BigIntegerField(default=1)),
                ("head_grant_id", models.BigIntegerField(blank=True, null=True)),
                ("head_remaining", models.BigIntegerField(blank=True, null=True)),
                (
                    "head_pool",
                    models.CharField(
                        blank=True, choices=[("base", "base"), ("bonus", "bonus")], max_length=32, null=True
                    ),
                ),
                ("plan_granted", models.BigIntegerField(blank=True, default=0, null=True)),
                ("plan_used", models.BigIntegerField(default=0)),
                ("bonus_granted", models.BigIntegerField(blank=True, default=0, null=True)),
                ("bonus_used", models.BigIntegerField(default=0)),
                ("lease_token", models.CharField(blank=True, max_length=64, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.IntegerField(default=0)),
                ("retry_at", models.DateTimeField(blank=True, null=True)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_column="entitlement_definition_id",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.definition",
                    ),
                ),
            ],
            options={
                "db_table": "billing_entitlement_balances",
            },
        ),
        migrations.CreateModel(
            name="OpenLot",
            fields=[
                (
                    "grant",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="open_lot",
                        serialize=False,
                        to="billing.grant",
                    ),
                ),
                ("window_start_at", models.DateTimeField()),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("granted", models.BigIntegerField(blank=True, null=True)),
                ("remaining", models.BigIntegerField(blank=True, null=True)),
                (
                    "pool",
                    models.CharField(
                        blank=True, choices=[("base", "base"), ("bonus", "bonus")], max_length=32, null=True
                    ),
                ),
                ("burn_class", models.SmallIntegerField()),
                ("effective_at", models.DateTimeField()),
                ("expires_sort", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_entitlement_open_lots",
            },
        ),
        migrations.AddField(
            model_name="grant",
            name="definition",
            field=models.ForeignKey(
                db_column="entitlement_definition_id",
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.definition",
            ),
        ),
        migrations.AddField(
            model_name="grant",
            name="subject",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.billableentity",
            ),
        ),
        migrations.CreateModel(
            name="Consumption",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("amount", models.BigIntegerField()),
                ("overage_amount", models.BigIntegerField(default=0)),
                (
                    "advisory",
                    models.BooleanField(default=False, help_text="Would have been refused if quotas were enforced."),
                ),
                ("occurred_at", models.DateTimeField()),
                ("window_start_at", models.DateTimeField()),
                ("reason_code", models.CharField(max_length=120)),
                ("operation_key", models.CharField(blank=True, default="", max_length=191)),
                ("usage_event_key", models.CharField(blank=True, default="", max_length=191)),
                ("provider_event_id", models.CharField(blank=True, default="", max_length=191)),
                ("request_id", models.CharField(blank=True, default="", max_length=128)),
                ("dedupe_key", models.CharField(max_length=191)),
                ("fingerprint", models.CharField(max_length=64)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                (
                    "reverses",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.consumption",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_column="entitlement_definition_id",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.definition",
                    ),
                ),
                (
                    "grant",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.grant",
                    ),
                ),
            ],
            options={
                "db_table": "billing_entitlement_consumptions",
            },
        ),
        migrations.CreateModel(
            name="Allocation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("share", "share"), ("overage_settlement", "overage settlement")], max_length=32
                    ),
                ),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("window_start_at", models.DateTimeField()),
                ("amount", models.BigIntegerField()),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
                (
                    "consumption",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.consumption",
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_column="entitlement_definition_id",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.definition",
                    ),
                ),
                (
                    "grant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.grant",
                    ),
                ),
            ],
            options={
                "db_table": "billing_entitlement_allocations",
            },
        ),
        migrations.CreateModel(
            name="GrantAdjustment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("take", "take"), ("freeze", "freeze"), ("release", "release")], max_length=32
                    ),
                ),
                ("amount", models.BigIntegerField(default=0, help_text="Units of a take; 0 for freeze and release.")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("refunded", "refunded"),
                            ("disputed", "disputed"),
                            ("dispute_won", "dispute won"),
                            ("dispute_lost", "dispute lost"),
                            ("voided", "voided"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "source_type",
                    models.CharField(
                        choices=[
                            ("plan_assignment", "plan assignment"),
                            ("billing_purchase", "billing purchase"),
                            ("billing_event", "billing event"),
                            ("manual_console", "manual console"),
                            ("system_worker", "system worker"),
                        ],
                        max_length=32,
                    ),
                ),
                ("source_id", models.CharField(blank=True, default="", max_length=191)),
                ("occurred_at", models.DateTimeField()),
                ("dedupe_key", models.CharField(max_length=191)),
                ("created_at", models.DateTimeField()),
                (
                    "definition",
                    models.ForeignKey(
                        db_column="entitlement_definition_id",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.definition",
                    ),
                ),
                (
                    "grant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.grant",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
            ],
            options={
                "db_table": "billing_entitlement_grant_adjustments",
            },
        ),
        migrations.CreateModel(
            name="GrantEnding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("ended_at", models.DateTimeField()),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("replaced", "replaced"),
                            ("canceled", "canceled"),
                            ("ended_by_operator", "ended by operator"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "source_type",
                    models.CharField(
                        choices=[
                            ("plan_assignment", "plan assignment"),
                            ("billing_purchase", "billing purchase"),
                            ("billing_event", "billing event"),
                            ("manual_console", "manual console"),
                            ("system_worker", "system worker"),
                        ],
                        max_length=32,
                    ),
                ),
                ("source_id", models.CharField(blank=True, default="", max_length=191)),
                ("dedupe_key", models.CharField(max_length=191)),
                ("created_at", models.DateTimeField()),
                (
                    "grant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="endings",
                        to="billing.grant",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
            ],
            options={
                "db_table": "billing_entitlement_grant_endings",
            },
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("window_start_at", models.DateTimeField()),
                ("amount", models.BigIntegerField()),
                ("captured_amount", models.BigIntegerField(default=0)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("captured", "captured"),
                            ("released", "released"),
                            ("expired", "expired"),
                        ],
                        default="open",
                        max_length=32,
                    ),
                ),
                ("expires_at", models.DateTimeField()),
                ("dedupe_key", models.CharField(max_length=191)),
                ("fingerprint", models.CharField(max_length=64)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "definition",
                    models.ForeignKey(
                        db_column="entitlement_definition_id",
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.definition",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
            ],
            options={
                "db_table": "billing_entitlement_holds",
            },
        ),
        migrations.CreateModel(
            name="HoldEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opened", "opened"),
                            ("extended", "extended"),
                            ("captured", "captured"),
                            ("released", "released"),
                            ("expired", "expired"),
                        ],
                        max_length=32,
                    ),
                ),
                ("amount", models.BigIntegerField(default=0)),
                ("expires_at", models.DateTimeField()),
                ("operation_key", models.CharField(blank=True, default="", max_length=191)),
                ("occurred_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                (
                    "consumption",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.consumption",
                    ),
                ),
                (
                    "hold",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.hold",
                    ),
                ),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
            ],
            options={
                "db_table": "billing_entitlement_hold_events",
            },
        ),
        migrations.CreateModel(
            name="Operation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "subject_type",
                    models.CharField(
                        choices=[("billable_entity", "billable entity")], default="billable_entity", max_length=32
                    ),
                ),
                ("key", models.CharField(max_length=191)),
                ("fingerprint", models.CharField(max_length=64)),
                ("capability", models.CharField(max_length=120)),
                ("status_code", models.IntegerField(default=200)),
                ("result", models.JSONField(null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "subject",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.billableentity",
                    ),
                ),
            ],
            options={
                "db_table": "billing_operations",
            },
        ),
        migrations.AddField(
            model_name="planassignment",
            name="plan",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="assignments", to="billing.plan"
            ),
        ),
        migrations.AddField(
            model_name="planassignment",
            name="current_key",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(status="current", then=models.F("billable_entity_id")), default=None
                ),
                output_field=models.BigIntegerField(null=True),
            ),
        ),
        migrations.AddField(
            model_name="planassignment",
            name="upcoming_key",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(status="upcoming", then=models.F("billable_entity_id")), default=None
                ),
                output_field=models.BigIntegerField(null=True),
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.UniqueConstraint(fields=("code",), name="billing_plans_code_uniq"),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.UniqueConstraint(fields=("default_key",), name="billing_plans_one_default"),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(("applies_to__in", ["workspace"])), name="billing_plans_applies_to_valid"
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("checkout_interval__in", ["day", "week", "month", "year"]),
                    ("checkout_interval__isnull", True),
                    _connector="OR",
                ),
                name="billing_plans_interval_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("checkout_unit_amount_minor__isnull", True),
                    ("checkout_unit_amount_minor__gte", 0),
                    _connector="OR",
                ),
                name="billing_plans_amount_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(("checkout_interval_count__gt", 0)), name="billing_plans_interval_count_valid"
            ),
        ),
        migrations.AddField(
            model_name="plantemplate",
            name="definition",
            field=models.ForeignKey(
                db_column="entitlement_definition_id",
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="plan_templates",
                to="billing.definition",
            ),
        ),
        migrations.AddField(
            model_name="plantemplate",
            name="plan",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="templates", to="billing.plan"
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.UniqueConstraint(fields=("code",), name="billing_products_code_uniq"),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_price_id"), name="billing_products_price_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("product_kind__in", ["one_off", "subscription_addon", "setup_fee"])),
                name="billing_products_kind_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("unit_amount_minor__isnull", True), ("unit_amount_minor__gte", 0), _connector="OR"),
                name="billing_products_amount_not_negative",
            ),
        ),
        migrations.AddField(
            model_name="producttemplate",
            name="definition",
            field=models.ForeignKey(
                db_column="entitlement_definition_id",
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="product_templates",
                to="billing.definition",
            ),
        ),
        migrations.AddField(
            model_name="producttemplate",
            name="product",
            field=models.ForeignKey(
                db_column="billing_product_id",
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="templates",
                to="billing.product",
            ),
        ),
        migrations.AddField(
            model_name="purchase",
            name="billable_entity",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="purchases", to="billing.billableentity"
            ),
        ),
        migrations.AddField(
            model_name="purchase",
            name="billing_event",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.billingevent",
            ),
        ),
        migrations.AddField(
            model_name="purchase",
            name="plan",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="billing.plan"
            ),
        ),
        migrations.AddField(
            model_name="purchase",
            name="product",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.product",
            ),
        ),
        migrations.AddField(
            model_name="purchaseadjustment",
            name="purchase",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="adjustments", to="billing.purchase"
            ),
        ),
        migrations.AddField(
            model_name="resourcesnapshot",
            name="subject",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.billableentity",
            ),
        ),
        migrations.AddIndex(
            model_name="assignmentproviderdetail",
            index=models.Index(
                fields=["provider", "provider_subscription_id"], name="billing_assignment_details_subscription"
            ),
        ),
        migrations.AddConstraint(
            model_name="billableentity",
            constraint=models.CheckConstraint(
                condition=models.Q(("entity_type__in", ["workspace", "user", "organization", "external"])),
                name="billable_entities_type_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="billableentity",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "inactive"])), name="billable_entities_status_valid"
            ),
        ),
        migrations.AddConstraint(
            model_name="billableentity",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("entity_type", "workspace"), ("workspace__isnull", False)),
                    models.Q(("entity_type", "user"), ("owner_user__isnull", False), ("workspace__isnull", True)),
                    models.Q(
                        ("entity_ref__isnull", False),
                        ("entity_type__in", ["organization", "external"]),
                        ("workspace__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="billable_entities_identity",
            ),
        ),
        migrations.AddConstraint(
            model_name="billableentity",
            constraint=models.UniqueConstraint(fields=("workspace",), name="billable_entities_workspace_uniq"),
        ),
        migrations.AddConstraint(
            model_name="billableentity",
            constraint=models.UniqueConstraint(fields=("user_key",), name="billable_entities_user_uniq"),
        ),
        migrations.AddConstraint(
            model_name="billableentity",
            constraint=models.UniqueConstraint(fields=("entity_type", "entity_ref"), name="billable_entities_ref_uniq"),
        ),
        migrations.AddIndex(
            model_name="billingevent",
            index=models.Index(fields=["billable_entity", "occurred_at"], name="billing_events_entity_idx"),
        ),
        migrations.AddIndex(
            model_name="billingevent",
            index=models.Index(fields=["status", "received_at"], name="billing_events_status_idx"),
        ),
        migrations.AddConstraint(
            model_name="billingevent",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_event_id"), name="billing_events_provider_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="billingevent",
            constraint=models.CheckConstraint(
                condition=models.Q(("event_type__in", ["webhook", "operator", "system"])),
                name="billing_events_type_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="billingevent",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["received", "processing", "processed", "failed", "ignored"])),
                name="billing_events_status_valid",
            ),
        ),
        migrations.AddIndex(
            model_name="decision",
            index=models.Index(fields=["subject_type", "subject", "occurred_at"], name="billing_decisions_subject_idx"),
        ),
        migrations.AddIndex(
            model_name="decision",
            index=models.Index(fields=["occurred_at"], name="billing_decisions_time_idx"),
        ),
        migrations.AddIndex(
            model_name="balance",
            index=models.Index(fields=["next_change_at"], name="billing_balances_due_idx"),
        ),
        migrations.AddIndex(
            model_name="balance",
            index=models.Index(fields=["subject_type", "subject", "closed_at"], name="billing_balances_running_idx"),
        ),
        migrations.AddConstraint(
            model_name="balance",
            constraint=models.UniqueConstraint(
                fields=("subject_type", "subject", "definition", "window_start_at", "window_end_at"),
                name="billing_balances_window_uniq",
            ),
        ),
        migrations.AddConstraint(
            model_name="balance",
            constraint=models.CheckConstraint(
                condition=models.Q(("held_amount__gte", 0)), name="billing_balances_held_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="balance",
            constraint=models.CheckConstraint(
                condition=models.Q(("overage_amount__gte", 0)), name="billing_balances_overage_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="balance",
            constraint=models.CheckConstraint(
                condition=models.Q(("window_end_at__gt", models.F("window_start_at"))),
                name="billing_balances_window_valid",
            ),
        ),
        migrations.AddField(
            model_name="openlot",
            name="definition",
            field=models.ForeignKey(
                db_column="entitlement_definition_id",
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.definition",
            ),
        ),
        migrations.AddField(
            model_name="openlot",
            name="subject",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="billing.billableentity",
            ),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(
                fields=["subject_type", "subject", "definition", "effective_at"], name="billing_grants_subject_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(fields=["subject_type", "subject", "expires_at"], name="billing_grants_expiry_idx"),
        ),
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(fields=["source_type", "source_id"], name="billing_grants_source_idx"),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.UniqueConstraint(fields=("dedupe_key",), name="billing_grants_dedupe_uniq"),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__isnull", True), ("amount__gt", 0), _connector="OR"),
                name="billing_grants_amount_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("expires_at__isnull", True), ("expires_at__gt", models.F("effective_at")), _connector="OR"
                ),
                name="billing_grants_period_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind__in", ["plan_base", "addon_timeboxed", "topup", "promo", "manual_adjustment", "correction"])
                ),
                name="billing_grants_kind_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(("replenish__in", ["per_window", "once"])), name="billing_grants_replenish_valid"
            ),
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "source_type__in",
                        ["plan_assignment", "billing_purchase", "billing_event", "manual_console", "system_worker"],
                    )
                ),
                name="billing_grants_source_valid",
            ),
        ),
        migrations.AddIndex(
            model_name="consumption",
            index=models.Index(
                fields=["subject_type", "subject", "definition", "occurred_at", "amount"],
                name="billing_consumptions_subject_idx",
            ),
        ),
        migrations.AddIndex(
            model_name="consumption",
            index=models.Index(fields=["reverses"], name="billing_consumptions_reverses_idx"),
        ),
        migrations.AddConstraint(
            model_name="consumption",
            constraint=models.UniqueConstraint(fields=("dedupe_key",), name="billing_consumptions_dedupe_uniq"),
        ),
        migrations.AddConstraint(
            model_name="consumption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount__gt", 0), ("overage_amount__gte", 0), ("reverses__isnull", True)),
                    models.Q(("amount__lt", 0), ("overage_amount__lte", 0), ("reverses__isnull", False)),
                    _connector="OR",
                ),
                name="billing_consumptions_sign_fits",
            ),
        ),
        migrations.AddIndex(
            model_name="allocation",
            index=models.Index(
                fields=["subject_type", "subject", "definition", "window_start_at"],
                name="billing_allocations_subject_idx",
            ),
        ),
        migrations.AddIndex(
            model_name="allocation",
            index=models.Index(fields=["consumption"], name="billing_allocations_consumption_idx"),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("consumption__isnull", False), ("kind", "share")),
                    models.Q(("consumption__isnull", True), ("kind", "overage_settlement")),
                    _connector="OR",
                ),
                name="billing_allocations_kind_fits",
            ),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["share", "overage_settlement"])), name="billing_allocations_kind_valid"
            ),
        ),
        migrations.AddIndex(
            model_name="grantadjustment",
            index=models.Index(
                fields=["subject_type", "subject", "definition"], name="billing_grant_adjustments_subject_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="grantadjustment",
            index=models.Index(fields=["grant"], name="billing_grant_adjustments_grant_idx"),
        ),
        migrations.AddConstraint(
            model_name="grantadjustment",
            constraint=models.UniqueConstraint(fields=("dedupe_key",), name="billing_grant_adjustments_dedupe_uniq"),
        ),
        migrations.AddConstraint(
            model_name="grantadjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["take", "freeze", "release"])),
                name="billing_grant_adjustments_kind_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="grantadjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("amount__gte", 0), ("kind", "take")),
                    models.Q(("amount", 0), ("kind__in", ["freeze", "release"])),
                    _connector="OR",
                ),
                name="billing_grant_adjustments_amount_fits",
            ),
        ),
        migrations.AddIndex(
            model_name="grantending",
            index=models.Index(fields=["subject_type", "subject"], name="billing_grant_endings_subject_idx"),
        ),
        migrations.AddConstraint(
            model_name="grantending",
            constraint=models.UniqueConstraint(fields=("grant",), name="billing_grant_endings_grant_uniq"),
        ),
        migrations.AddConstraint(
            model_name="grantending",
            constraint=models.UniqueConstraint(fields=("dedupe_key",), name="billing_grant_endings_dedupe_uniq"),
        ),
        migrations.AddConstraint(
            model_name="grantending",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason__in", ["replaced", "canceled", "ended_by_operator"])),
                name="billing_grant_endings_reason_valid",
            ),
        ),
        migrations.AddIndex(
            model_name="hold",
            index=models.Index(
                fields=["subject_type", "subject", "definition", "status", "expires_at"],
                name="billing_holds_subject_idx",
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.UniqueConstraint(fields=("dedupe_key",), name="billing_holds_dedupe_uniq"),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="billing_holds_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("captured_amount__gte", 0)), name="billing_holds_captured_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["open", "captured", "released", "expired"])),
                name="billing_holds_status_valid",
            ),
        ),
        migrations.AddIndex(
            model_name="holdevent",
            index=models.Index(fields=["hold"], name="billing_hold_events_hold_idx"),
        ),
        migrations.AddConstraint(
            model_name="holdevent",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["opened", "extended", "captured", "released", "expired"])),
                name="billing_hold_events_kind_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="operation",
            constraint=models.UniqueConstraint(
                fields=("subject_type", "subject", "key"), name="billing_operations_key_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="planassignment",
            constraint=models.UniqueConstraint(fields=("current_key",), name="billing_assignments_one_current"),
        ),
        migrations.AddConstraint(
            model_name="planassignment",
            constraint=models.UniqueConstraint(fields=("upcoming_key",), name="billing_assignments_one_upcoming"),
        ),
        migrations.AddConstraint(
            model_name="planassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("period_end_at__isnull", True),
                    ("period_end_at__gte", models.F("period_start_at")),
                    _connector="OR",
                ),
                name="billing_assignments_period_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="planassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["current", "upcoming", "past", "canceled"])),
                name="billing_assignments_status_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="planassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("subscription_status__in", ["active", "trialing", "past_due", "canceled", "inactive"])
                ),
                name="billing_assignments_subscription_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="planassignment",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["internal", "promo", "manual", "provider", "sync"])),
                name="billing_assignments_source_valid",
            ),
        ),
        migrations.AddIndex(
            model_name="plantemplate",
            index=models.Index(fields=["definition"], name="billing_plan_templates_definition_idx"),
        ),
        migrations.AddConstraint(
            model_name="plantemplate",
            constraint=models.UniqueConstraint(
                fields=("plan", "definition", "grant_kind"), name="billing_plan_templates_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="plantemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__isnull", True), ("amount__gt", 0), _connector="OR"),
                name="billing_plan_templates_amount_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="plantemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(("grant_kind__in", ["plan_base", "plan_bonus"])),
                name="billing_plan_templates_kind_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="plantemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(("effective_policy__in", ["on_assignment_current", "on_period_paid"])),
                name="billing_plan_templates_effective_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="plantemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(("duration_policy__in", ["while_current", "period_window", "fixed_duration"])),
                name="billing_plan_templates_duration_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="plantemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("duration_days__gt", 0),
                        ("duration_days__isnull", False),
                        ("duration_policy", "fixed_duration"),
                    ),
                    models.Q(
                        models.Q(("duration_policy", "fixed_duration"), _negated=True), ("duration_days__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="billing_plan_templates_days_iff_fixed",
            ),
        ),
        migrations.AddIndex(
            model_name="producttemplate",
            index=models.Index(fields=["definition"], name="billing_product_templates_definition_idx"),
        ),
        migrations.AddConstraint(
            model_name="producttemplate",
            constraint=models.UniqueConstraint(
                fields=("product", "definition", "grant_kind"), name="billing_product_templates_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="producttemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__isnull", True), ("amount__gt", 0), _connector="OR"),
                name="billing_product_templates_amount_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="producttemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(("grant_kind__in", ["one_off_topup", "timeboxed_addon"])),
                name="billing_product_templates_kind_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="producttemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("duration_days__gt", 0), ("duration_days__isnull", False), ("grant_kind", "timeboxed_addon")
                    ),
                    models.Q(("duration_days__isnull", True), ("grant_kind", "one_off_topup")),
                    _connector="OR",
                ),
                name="billing_product_templates_days_iff_timeboxed",
            ),
        ),
        migrations.AddIndex(
            model_name="purchase",
            index=models.Index(fields=["billable_entity", "purchased_at"], name="billing_purchases_entity_idx"),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.UniqueConstraint(fields=("dedupe_key",), name="billing_purchases_dedupe_uniq"),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_payment_id"), name="billing_purchases_payment_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_invoice_id"), name="billing_purchases_invoice_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_checkout_session_id"), name="billing_purchases_session_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.CheckConstraint(
                condition=models.Q(("purchase_kind__in", ["one_off", "subscription_invoice", "topup"])),
                name="billing_purchases_kind_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["confirmed", "refunded", "partially_refunded", "voided", "disputed"])
                ),
                name="billing_purchases_status_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gt", 0)), name="billing_purchases_quantity_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchaseadjustment",
            constraint=models.UniqueConstraint(
                fields=("request_idempotency_key",), name="billing_purchase_adjustments_key_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchaseadjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(("action__in", ["refund", "void", "correction", "dispute"])),
                name="billing_purchase_adjustments_action_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="purchaseadjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["recorded", "succeeded", "failed", "noop"])),
                name="billing_purchase_adjustments_status_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="resourcesnapshot",
            constraint=models.UniqueConstraint(
                fields=("subject_type", "subject", "resource_code"), name="billing_resource_snapshots_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="resourcesnapshot",
            constraint=models.CheckConstraint(
                condition=models.Q(("resource_count__gte", 0)), name="billing_resource_snapshots_count_valid"
            ),
        ),
        migrations.AddConstraint(
            model_name="resourcesnapshot",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["event_driven", "repair_recount"])),
                name="billing_resource_snapshots_source_valid",
            ),
        ),
        migrations.AddIndex(
            model_name="openlot",
            index=models.Index(
                fields=["subject_type", "subject", "definition", "expires_sort", "burn_class", "effective_at", "grant"],
                name="billing_open_lots_burn_idx",
            ),
        ),
        one_way("the entitlement tables hold what customers were given and used, and no reverse would bring it back."),
    ]

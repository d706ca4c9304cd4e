"""Commerce: customers and subscriptions of providers, checkouts, stored answers, and what the inbox needs to try again."""

import django.db.models.deletion
from django.db import migrations, models

from mozaiks.kit.migrations import one_way


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0008_provider_customers"),
    ]

    operations = [
        migrations.CreateModel(
            name="BillingCustomer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "billable_entity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="customers",
                        to="billing.billableentity",
                    ),
                ),
                ("provider", models.CharField(max_length=32)),
                ("provider_customer_id", models.CharField(max_length=191)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_customers",
            },
        ),
        migrations.CreateModel(
            name="CheckoutSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "product",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.product",
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.plan",
                    ),
                ),
                (
                    "billable_entity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checkouts",
                        to="billing.billableentity",
                    ),
                ),
                ("provider", models.CharField(max_length=32)),
                (
                    "purpose",
                    models.CharField(choices=[("subscription", "subscription"), ("one_off", "one off")], max_length=32),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("creating", "creating"),
                            ("open", "open"),
                            ("paid", "paid"),
                            ("completed", "completed"),
                            ("expired", "expired"),
                            ("failed", "failed"),
                        ],
                        default="creating",
                        max_length=32,
                    ),
                ),
                ("quantity", models.PositiveIntegerField(default=1)),
                ("operation_key", models.CharField(max_length=191)),
                ("provider_session_id", models.CharField(blank=True, max_length=191, null=True)),
                ("checkout_url", models.TextField(blank=True, default="")),
                ("success_path", models.CharField(blank=True, default="", max_length=2000)),
                ("cancel_path", models.CharField(blank=True, default="", max_length=2000)),
                ("requested_by", models.CharField(blank=True, default="", max_length=191)),
                ("error_text", models.TextField(blank=True, default="")),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                ("metadata_json", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "blocking_key",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(status__in=["creating", "open", "paid"], then=models.F("billable_entity_id")),
                            default=None,
                        ),
                        output_field=models.BigIntegerField(null=True),
                    ),
                ),
            ],
            options={
                "db_table": "billing_checkout_sessions",
            },
        ),
        migrations.CreateModel(
            name="PaymentMethod",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "billable_entity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payment_methods",
                        to="billing.billableentity",
                    ),
                ),
                ("provider", models.CharField(max_length=32)),
                ("provider_payment_method_id", models.CharField(max_length=191)),
                ("method_type", models.CharField(default="card", max_length=32)),
                ("brand", models.CharField(blank=True, default="", max_length=32)),
                ("last4", models.CharField(blank=True, default="", max_length=4)),
                ("exp_month", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("exp_year", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("is_default", models.BooleanField(default=False)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "active"), ("detached", "detached")], default="active", max_length=32
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_payment_methods",
            },
        ),
        migrations.CreateModel(
            name="ProviderSubscription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "billable_entity",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="provider_subscriptions",
                        to="billing.billableentity",
                    ),
                ),
                ("provider", models.CharField(max_length=32)),
                ("provider_subscription_id", models.CharField(max_length=191)),
                ("provider_customer_id", models.CharField(blank=True, default="", max_length=191)),
                ("last_event_created_at", models.DateTimeField(blank=True, null=True)),
                ("last_event_id", models.CharField(blank=True, default="", max_length=191)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "db_table": "billing_provider_subscriptions",
            },
        ),
        migrations.CreateModel(
            name="RequestIdempotency",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "billable_entity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="billing.billableentity"
                    ),
                ),
                ("key", models.CharField(max_length=191)),
                ("door", models.CharField(max_length=120)),
                ("fingerprint", models.CharField(max_length=64)),
                (
                    "status",
                    models.CharField(
                        choices=[("in_progress", "in progress"), ("answered", "answered")],
                        default="in_progress",
                        max_length=32,
                    ),
                ),
                ("response_status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("response_json", models.JSONField(blank=True, null=True)),
                ("locked_until", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "stored answer",
                "db_table": "billing_request_idempotency",
            },
        ),
        migrations.AddField(
            model_name="billingevent",
            name="lease_token",
            field=models.CharField(blank=True, editable=False, max_length=36, null=True),
        ),
        migrations.AddField(
            model_name="billingevent",
            name="lease_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="billingevent",
            name="next_attempt_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="billingevent",
            name="redacted_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="purchase",
            name="flag",
            field=models.CharField(blank=True, default="", max_length=120),
        ),
        migrations.AddField(
            model_name="purchase",
            name="period_end_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="purchase",
            name="period_start_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="purchase",
            name="provider_subscription_id",
            field=models.CharField(blank=True, max_length=191, null=True),
        ),
        migrations.AddIndex(
            model_name="billingevent",
            index=models.Index(fields=["status", "next_attempt_at"], name="billing_events_next_attempt_idx"),
        ),
        migrations.AddIndex(
            model_name="billingevent",
            index=models.Index(
                fields=["event_type", "redacted_at", "received_at"], name="billing_events_redaction_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="purchase",
            index=models.Index(
                fields=["provider", "provider_subscription_id"], name="billing_purchases_subscription_idx"
            ),
        ),
        migrations.AddIndex(
            model_name="purchase",
            index=models.Index(fields=["flag", "purchased_at"], name="billing_purchases_flag_idx"),
        ),
        migrations.AddConstraint(
            model_name="purchaseadjustment",
            constraint=models.UniqueConstraint(
                fields=("purchase", "action", "provider_reference"), name="billing_purchase_adjustments_reference"
            ),
        ),
        migrations.AddConstraint(
            model_name="billingcustomer",
            constraint=models.UniqueConstraint(
                fields=("billable_entity", "provider"), name="billing_customers_entity_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="billingcustomer",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_customer_id"), name="billing_customers_provider_uniq"
            ),
        ),
        migrations.AddIndex(
            model_name="checkoutsession",
            index=models.Index(fields=["billable_entity", "created_at"], name="billing_checkout_sessions_entity"),
        ),
        migrations.AddIndex(
            model_name="checkoutsession",
            index=models.Index(fields=["status", "updated_at"], name="billing_checkout_sessions_status"),
        ),
        migrations.AddConstraint(
            model_name="checkoutsession",
            constraint=models.UniqueConstraint(fields=("blocking_key",), name="billing_checkout_sessions_one_blocking"),
        ),
        migrations.AddConstraint(
            model_name="checkoutsession",
            constraint=models.UniqueConstraint(fields=("operation_key",), name="billing_checkout_sessions_operation"),
        ),
        migrations.AddConstraint(
            model_name="checkoutsession",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_session_id"), name="billing_checkout_sessions_provider"
            ),
        ),
        migrations.AddConstraint(
            model_name="checkoutsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["creating", "open", "paid", "completed", "expired", "failed"])),
                name="billing_checkout_sessions_status_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkoutsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("purpose__in", ["subscription", "one_off"])),
                name="billing_checkout_sessions_purpose_valid",
            ),
        ),
        migrations.AddConstraint(
            model_name="checkoutsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gt", 0)), name="billing_checkout_sessions_quantity"
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_payment_method_id"), name="billing_payment_methods_provider_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="paymentmethod",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "detached"])), name="billing_payment_methods_status_valid"
            ),
        ),
        migrations.AddConstraint(
            model_name="providersubscription",
            constraint=models.UniqueConstraint(
                fields=("provider", "provider_subscription_id"), name="billing_provider_subscriptions_uniq"
            ),
        ),
        migrations.AddIndex(
            model_name="requestidempotency",
            index=models.Index(fields=["created_at"], name="billing_request_idempotency_age"),
        ),
        migrations.AddConstraint(
            model_name="requestidempotency",
            constraint=models.UniqueConstraint(
                fields=("billable_entity", "key"), name="billing_request_idempotency_uniq"
            ),
        ),
        migrations.AddConstraint(
            model_name="requestidempotency",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["in_progress", "answered"])),
                name="billing_request_idempotency_status_valid",
            ),
        ),
        migrations.AlterModelOptions(
            name="billingevent",
            options={"permissions": [("replay_events", "Can process a stored event again")]},
        ),
        migrations.AlterModelOptions(
            name="purchase",
            options={"permissions": [("adjust_purchases", "Can refund, void and correct purchases")]},
        ),
        one_way("what was paid and promised would be forgotten."),
    ]

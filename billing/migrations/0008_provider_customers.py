"""Support finds a customer by the id a payment provider has for them."""

from django.db import migrations, models

from mozaiks.kit.migrations import one_way


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_usage_days")]

    operations = [
        migrations.AddIndex(
            model_name="assignmentproviderdetail",
            index=models.Index(fields=["provider", "provider_customer_id"], name="billing_assignment_details_customer"),
        ),
        one_way("support searches by its index, and nothing is gained without it."),
    ]

"""Support finds a customer by the key of a request, whoever's it was."""

from django.db import migrations, models

from mozaiks.kit.migrations import one_way


class Migration(migrations.Migration):
    dependencies = [("billing", "0004_catalog_history")]

    operations = [
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["key"], name="billing_operations_key_idx"),
        ),
        one_way("support of this version finds operations by this index."),
    ]

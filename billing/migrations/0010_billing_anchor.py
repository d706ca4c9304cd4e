"""Where an assignment's own periods count from: one that began on the 31st comes back to it after February."""

from django.db import migrations, models

from mozaiks.kit.migrations import one_way


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_commerce")]

    operations = [
        migrations.AddField(
            model_name="planassignment",
            name="billing_anchor_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        one_way("the days of month on which periods begin would be forgotten."),
    ]

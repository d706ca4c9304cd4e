"""When the templates behind an assignment or a purchase became grants, so that no later template grants for the past."""

from django.db import migrations, models

from mozaiks.kit.migrations import one_way


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_core_definitions")]

    operations = [
        *(
            migrations.AddField(
                model_name=model,
                name="projected_at",
                field=models.DateTimeField(blank=True, editable=False, null=True),
            )
            for model in ("planassignment", "purchase")
        ),
        one_way("without the note of what was granted already, it could be granted again."),
    ]

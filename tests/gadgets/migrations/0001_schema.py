"""Presses and places."""

import django.db.models.deletion
from django.db import migrations, models


def _columns(text: str) -> list[tuple[str, models.Field]]:
    return [
        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
        (text, models.CharField(max_length=191)),
        ("created_at", models.DateTimeField()),
        (
            "entity",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="billing.billableentity"
            ),
        ),
    ]


class Migration(migrations.Migration):
    initial = True

    dependencies = [("billing", "0001_schema")]

    operations = [
        migrations.CreateModel(name="Press", fields=_columns("key"), options={"db_table": "gadgets_presses"}),
        migrations.CreateModel(name="Place", fields=_columns("name"), options={"db_table": "gadgets_places"}),
    ]

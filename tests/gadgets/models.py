"""What the guest writes beside the engine: both must commit together or not at all."""

from __future__ import annotations

from django.db import models


class Press(models.Model):
    """A button was pressed. Nothing here stops the same key twice: that is the engine's work."""

    entity = models.ForeignKey("billing.BillableEntity", on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=191)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "gadgets_presses"

    def __str__(self) -> str:
        return self.key


class Place(models.Model):
    """A place that is taken for as long as its row is there."""

    entity = models.ForeignKey("billing.BillableEntity", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=191)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "gadgets_places"

    def __str__(self) -> str:
        return self.name

"""Usage by the day: a projection of uses and refusals, for those who look at many customers at once."""

from __future__ import annotations

from django.db import models

from billing.models.fields import CODE_LENGTH, definition, subject, subject_type


class UsageDay(models.Model):
    """
    What one subject used of one definition on one day (UTC), and how often it was refused.

    ``used`` is in units, reversals counted down on the day of the use. ``refused`` counts refusals, ``advisory`` what would
    have been refused if quotas were enforced.
    """

    subject_type = subject_type()
    subject = subject()
    definition = definition()
    day = models.DateField()
    used = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    advisory = models.BigIntegerField(default=0)

    class Meta:
        db_table = "billing_usage_days"
        constraints = [
            models.UniqueConstraint(
                name="billing_usage_days_uniq", fields=["subject_type", "subject", "definition", "day"]
            )
        ]
        # Who used most on a day, without reading anybody else.
        indexes = [models.Index(name="billing_usage_days_most_idx", fields=["definition", "day", "used", "subject"])]

    def __str__(self) -> str:
        return f"{self.day}: {self.used} used, {self.refused} refused"


class UsageTotal(models.Model):
    """The same of all subjects together: units used under the empty ``code``, refusals under theirs."""

    day = models.DateField()
    definition = definition()
    code = models.CharField(max_length=CODE_LENGTH, blank=True, default="")
    used = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    advisory = models.BigIntegerField(default=0)

    class Meta:
        db_table = "billing_usage_totals"
        constraints = [models.UniqueConstraint(name="billing_usage_totals_uniq", fields=["day", "definition", "code"])]

    def __str__(self) -> str:
        return f"{self.day}: {self.used} used, {self.refused} refused"


class UsageMark(models.Model):
    """
    How far the facts are folded into days: everything up to these ids. One row, whose lock serialises those who fold.

    The newest ids ``seen`` at ``seen_at`` are folded once late commits had their time. ``clearing``: a rebuild was asked for.
    """

    consumption_id = models.BigIntegerField(default=0)
    decision_id = models.BigIntegerField(default=0)
    seen_consumption_id = models.BigIntegerField(default=0)
    seen_decision_id = models.BigIntegerField(default=0)
    seen_at = models.DateTimeField()
    clearing = models.BooleanField(default=False)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "billing_usage_marks"

    def __str__(self) -> str:
        return f"uses up to {self.consumption_id}, refusals up to {self.decision_id}"

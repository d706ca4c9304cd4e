"""Balances and open lots: projections of the facts, thrown away and rebuilt at will."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import F, Q, Value

from billing.engine.types import EnforcementOverride, LockState, Pool
from billing.models.fields import definition, metadata, one_of, subject, subject_type

#: How full a limit is, in percent: the steps that are noted, and from which share of the limit on.
FULL = 100
NEARLY_FULL = {95: Decimal("0.95"), 90: Decimal("0.9"), 80: Decimal("0.8")}


def _fullness() -> models.Case:
    """
    The highest step a running balance has reached; NULL below all of them, so that the index holds few rows and changes rarely.

    Shares are decimals and nothing is added up, so that no amount can overflow.
    """

    def used(share: Decimal) -> Q:
        return Q(granted_amount__gt=0, consumed_amount__gte=F("granted_amount") * Value(share) - F("held_amount"))

    return models.Case(
        models.When(closed_at__isnull=False, then=None),
        models.When(Q(over_limit=True) | used(Decimal(1)), then=Value(FULL)),
        *(models.When(used(share), then=Value(step)) for step, share in NEARLY_FULL.items()),
        default=None,
    )


class BalanceQuerySet(models.QuerySet["Balance"]):
    """Balances by subject and by what is due."""

    def for_subject(self, subject_id: int) -> Self:
        return self.filter(subject_id=subject_id)

    def running(self) -> Self:
        """The newest row of each (subject, definition): the one that serialises its writers."""
        return self.filter(closed_at__isnull=True)

    def due(self, *, now: datetime) -> Self:
        """Balances whose next boundary has passed."""
        return self.filter(next_change_at__lte=now)

    def not_put_off(self, *, now: datetime) -> Self:
        """Without those that failed and wait for another try."""
        return self.filter(models.Q(retry_at__isnull=True) | models.Q(retry_at__lte=now))


class Balance(models.Model):
    """
    Where one (subject, definition, window) stands.

    ``last_event_at`` is the instant the numbers are of; later instants are reached by rolling forward. The head columns
    cache the lot that is being burned, so that a debit that fits into it touches this row and one ledger row only.
    """

    subject_type = subject_type()
    subject = subject()
    definition = definition()
    window_start_at = models.DateTimeField()
    window_end_at = models.DateTimeField()
    granted_amount = models.BigIntegerField(null=True, blank=True)
    consumed_amount = models.BigIntegerField(default=0)
    held_amount = models.BigIntegerField(default=0)
    effective_amount = models.BigIntegerField(null=True, blank=True)
    hard_limit_amount = models.BigIntegerField(null=True, blank=True)
    is_unlimited = models.BooleanField(default=False)
    overage_amount = models.BigIntegerField(default=0)
    over_limit = models.BooleanField(default=False)
    lock_state = models.CharField(max_length=64, default=LockState.NONE.value)
    enforcement_override = one_of(EnforcementOverride, null=True, blank=True)
    next_change_at = models.DateTimeField(null=True, blank=True)
    last_event_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    last_recomputed_at = models.DateTimeField()
    version = models.BigIntegerField(default=1)
    head_grant_id = models.BigIntegerField(null=True, blank=True)
    head_remaining = models.BigIntegerField(null=True, blank=True)
    head_pool = one_of(Pool, null=True, blank=True)
    plan_granted = models.BigIntegerField(null=True, blank=True, default=0)
    plan_used = models.BigIntegerField(default=0)
    bonus_granted = models.BigIntegerField(null=True, blank=True, default=0)
    bonus_used = models.BigIntegerField(default=0)
    lease_token = models.CharField(max_length=64, null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.IntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    metadata_json = metadata()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    full_percent = models.GeneratedField(
        expression=_fullness(), output_field=models.SmallIntegerField(null=True), db_persist=True
    )

    objects = BalanceQuerySet.as_manager()

    class Meta:
        db_table = "billing_entitlement_balances"
        indexes = [
            models.Index(name="billing_balances_due_idx", fields=["next_change_at"]),
            # The running rows of a subject, however many closed windows it has.
            models.Index(name="billing_balances_running_idx", fields=["subject_type", "subject", "closed_at"]),
            # Who is nearest to a limit, without looking at anybody else.
            models.Index(name="billing_balances_full_idx", fields=["full_percent", "window_end_at"]),
        ]
        constraints = [
            models.UniqueConstraint(
                name="billing_balances_window_uniq",
                fields=["subject_type", "subject", "definition", "window_start_at", "window_end_at"],
            ),
            models.CheckConstraint(name="billing_balances_held_not_negative", condition=models.Q(held_amount__gte=0)),
            models.CheckConstraint(
                name="billing_balances_overage_not_negative", condition=models.Q(overage_amount__gte=0)
            ),
            models.CheckConstraint(
                name="billing_balances_window_valid",
                condition=models.Q(window_end_at__gt=models.F("window_start_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"balance {self.pk}"


class OpenLot(models.Model):
    """
    A grant as it can be used in the running window.

    ``granted`` NULL is unlimited. ``remaining`` NULL means that this lot is the head: its rest is in the balance row.
    Rows in the order of the index are rows in the order of the burn-down.
    """

    grant = models.OneToOneField(
        "billing.Grant",
        on_delete=models.PROTECT,
        primary_key=True,
        db_constraint=False,
        related_name="open_lot",
    )
    window_start_at = models.DateTimeField()
    subject_type = subject_type()
    subject = subject()
    definition = definition()
    granted = models.BigIntegerField(null=True, blank=True)
    remaining = models.BigIntegerField(null=True, blank=True)
    pool = one_of(Pool, null=True, blank=True)
    burn_class = models.SmallIntegerField()
    effective_at = models.DateTimeField()
    expires_sort = models.DateTimeField()

    class Meta:
        db_table = "billing_entitlement_open_lots"
        indexes = [
            models.Index(
                name="billing_open_lots_burn_idx",
                fields=[
                    "subject_type",
                    "subject",
                    "definition",
                    "expires_sort",
                    "burn_class",
                    "effective_at",
                    "grant",
                ],
            )
        ]

    def __str__(self) -> str:
        return f"lot of grant {self.grant_id}"

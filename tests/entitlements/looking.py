"""How tests look at what the engine wrote."""

from __future__ import annotations

from dataclasses import dataclass

from billing.models import Allocation, Balance, BillableEntity, Consumption, Definition, Grant, Operation
from tests.gadgets.models import Place, Press


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a balance that tests compare, in units."""

    granted: int | None
    consumed: int
    effective: int | None
    overage: int = 0
    held: int = 0


def balance_of(entity: BillableEntity, definition: Definition) -> Balance:
    """The running balance of the subject."""
    return Balance.objects.running().get(subject=entity, definition=definition)


def numbers(entity: BillableEntity, definition: Definition) -> Numbers:
    """What the running balance says, as of its last event."""
    row = balance_of(entity, definition)
    return Numbers(row.granted_amount, row.consumed_amount, row.effective_amount, row.overage_amount, row.held_amount)


def pressed(entity: BillableEntity) -> list[str]:
    """The keys of the guest's presses, in the order they were made."""
    return list(Press.objects.filter(entity=entity).order_by("pk").values_list("key", flat=True))


def used(entity: BillableEntity) -> int:
    """Units in the ledger, reversals counted down."""
    return sum(Consumption.objects.filter(subject=entity).values_list("amount", flat=True))


def paid_by(grant: Grant) -> int:
    """Units the grant paid, by the ledger."""
    alone = Consumption.objects.filter(grant=grant).values_list("amount", flat=True)
    shares = Allocation.objects.filter(grant=grant).values_list("amount", flat=True)
    return sum(alone) + sum(shares)


def traces(entity: BillableEntity) -> dict[str, int]:
    """How many rows of each kind the subject has: what a refusal must not change."""
    return {
        "consumptions": Consumption.objects.filter(subject=entity).count(),
        "allocations": Allocation.objects.filter(subject=entity).count(),
        "operations": Operation.objects.filter(subject=entity).count(),
        "presses": Press.objects.filter(entity=entity).count(),
        "places": Place.objects.filter(entity=entity).count(),
    }

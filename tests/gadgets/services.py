"""What people do with gadgets: each writes its row and what it uses in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from billing import limits
from billing.limits import Execution
from billing.models import BillableEntity
from tests import NOON
from tests.gadgets.limits import CHARGE, PLACES, PRESS, TAKE_PLACE
from tests.gadgets.models import Place, Press


def press(
    entity: BillableEntity,
    key: str,
    *,
    amount: int | Callable[[], int] | None = None,
    capability: str = PRESS,
    now: datetime = NOON,
    **options: Any,
) -> Execution[Press]:
    """Press the button under ``key``; the stored answer is the number of the press."""
    options = {"encode": lambda made: {"press": made.pk}, "status_code": 201, **options}
    return limits.execute_with_entitlement_consumption(
        entity,
        capability,
        action=lambda: Press.objects.create(entity=entity, key=key, created_at=now),
        amount=amount,
        operation_key=key,
        now=now,
        **options,
    )


def charge(
    entity: BillableEntity, amount: int, *, key: str | None = None, now: datetime = NOON, **options: Any
) -> Execution[None]:
    """Spend credits with nothing of the guest's own written."""
    return limits.consume_entitlement(entity, CHARGE, amount=amount, operation_key=key, now=now, **options)


def take_place(
    entity: BillableEntity, name: str, *, number: int = 1, now: datetime = NOON, **options: Any
) -> Execution[list[Place]]:
    """Take ``number`` places at once."""

    def take() -> list[Place]:
        places = [Place(entity=entity, name=name, created_at=now) for _ in range(number)]
        return Place.objects.bulk_create(places)

    options = {"encode": lambda made: {"places": len(made)}, **options}
    return limits.execute_with_entitlement_consumption(
        entity, TAKE_PLACE, action=take, amount=number, now=now, **options
    )


def leave_places(entity: BillableEntity, name: str, *, now: datetime = NOON, **options: Any) -> Execution[int]:
    """Give places back: never refused."""
    return limits.refresh_capacity(
        entity, PLACES, action=lambda: Place.objects.filter(entity=entity, name=name).delete()[0], now=now, **options
    )

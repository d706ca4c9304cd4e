"""How a hold is changed under the lock of its balance: key, roll forward, work, write. The doors are in ``holds``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from billing.engine.keys import fingerprint as fingerprint_of
from billing.engine.types import HoldFacts, HoldStatus
from billing.entitlements import operations, telemetry
from billing.entitlements.allowances import Allowance, lock_one
from billing.entitlements.capabilities import Capability, capability_of
from billing.entitlements.passing import bring_row_up_to_date, load_facts, roll_forward
from billing.entitlements.resolvers import DefinitionInfo, definition_by_id
from billing.entitlements.scheduled import perform as perform_now
from billing.entitlements.writing import AllocationRow, write
from billing.errors import HoldClosed
from billing.models import BillableEntity, Hold, HoldEvent
from billing.models.holds import HoldEventKind
from mozaiks.kit.errors import NotFound


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldView:
    """A hold after an operation, in units. ``rest`` is what can still be captured without being refused."""

    id: int
    limitation: str
    amount: int
    captured: int
    rest: int
    status: HoldStatus
    expires_at: datetime
    version: int
    consumption_id: int | None = None
    replayed: bool = False


@dataclass(slots=True)
class Locked:
    """One attempt under the lock: the allowance, the key, and what is to be written with the balance."""

    allowance: Allowance
    key: str | None
    content: str
    allocations: list[AllocationRow]

    def view(self, held: Hold, *, consumption_id: int | None = None) -> HoldView:
        return HoldView(
            id=held.pk,
            limitation=self.allowance.info.code,
            amount=held.amount,
            captured=held.captured_amount,
            rest=max(0, held.amount - held.captured_amount) if held.status == HoldStatus.OPEN else 0,
            status=HoldStatus(held.status),
            expires_at=held.expires_at,
            version=self.allowance.row.version + 1,
            consumption_id=consumption_id,
        )


def change(
    entity: BillableEntity,
    found: Hold,
    content: dict[str, Any],
    work: Callable[[Locked], HoldView],
    *,
    now: datetime,
    operation_key: str | None,
) -> HoldView:
    """Change a hold that was found before, in one transaction."""
    what = capability_of(found.metadata_json["capability"])
    info = definition_by_id(found.definition_id)
    return perform(entity, info, what, content, work, now=now, operation_key=operation_key)


def perform(
    entity: BillableEntity,
    info: DefinitionInfo,
    what: Capability,
    content: dict[str, Any],
    work: Callable[[Locked], HoldView],
    *,
    now: datetime,
    operation_key: str | None,
) -> HoldView:
    """Lock, key, roll forward, work, write: in one transaction."""
    key = None if operation_key is None else operations.check_key(operation_key)
    fingerprint = fingerprint_of(content)

    def attempt() -> HoldView:
        allowance = lock_one(entity.pk, info, now=now)
        stored = operations.find(entity.pk, key, fingerprint) if key is not None else None
        if stored is not None:
            telemetry.REPLAYS.inc()
            return _replayed(stored.result)
        roll_forward([allowance])
        locked = Locked(allowance=allowance, key=key, content=fingerprint, allocations=[])
        view = work(locked)
        if key is not None:
            operations.store(
                entity.pk, key, fingerprint, capability=what.code, status_code=200, result=_plain(view), now=now
            )
        write([allowance], allocations=locked.allocations)
        return view

    return perform_now(attempt, now=now, repeatable=key is not None)


def set_aside(allowance: Allowance, held: Hold, *, before: int, after: int) -> None:
    """Let ``after`` units of a hold count instead of ``before``, from the numbers to the next boundary."""
    if allowance.facts is None and before:
        load_facts([allowance])  # the next boundary may have been this hold's end
    if allowance.facts is not None and allowance.standing is not None:
        others = [each for each in allowance.facts.holds if each.id != held.pk]
        mine = [HoldFacts(id=held.pk, rest=after, expires_at=held.expires_at)] if after else []
        allowance.facts.holds = others + mine
        allowance.standing.held += after - before
        bring_row_up_to_date(allowance)
        return
    row = allowance.row
    row.held_amount += after - before
    if row.effective_amount is not None:
        row.effective_amount -= after - before
    if after:
        row.next_change_at = min(row.next_change_at or held.expires_at, held.expires_at)


def counted_units(held: Hold, at: datetime) -> int:
    """Units of the hold that count at ``at``."""
    return held.amount - held.captured_amount if held.expires_at > at else 0


def find_hold(entity: BillableEntity, hold_id: int) -> Hold:
    """The subject's hold. :raises NotFound: it has no such hold."""
    found = Hold.objects.filter(pk=hold_id, subject_id=entity.pk).first()
    if found is None:
        raise NotFound("There is no such hold.")
    return found


def locked_hold(locked: Locked, hold_id: int) -> Hold:
    """The hold as it is now; the balance's lock guards it."""
    held = Hold.objects.get(pk=hold_id)
    if held.status in (HoldStatus.CAPTURED, HoldStatus.RELEASED):
        raise HoldClosed(f"The hold is {held.status} already.", details={"hold": hold_id})
    return held


def note(held: Hold, kind: HoldEventKind, amount: int, locked: Locked, *, consumption_id: int | None = None) -> None:
    """Write one step of the hold's life."""
    HoldEvent.objects.create(
        hold=held,
        subject_id=held.subject_id,
        kind=kind,
        amount=amount,
        expires_at=held.expires_at,
        consumption_id=consumption_id,
        operation_key=locked.key or "",
        occurred_at=locked.allowance.at,
        created_at=locked.allowance.at,
    )


def _plain(view: HoldView) -> dict[str, Any]:
    plain = asdict(view)
    plain["expires_at"] = view.expires_at.isoformat()
    return plain


def _replayed(stored: dict[str, Any]) -> HoldView:
    values = dict(stored, replayed=True, status=HoldStatus(stored["status"]))
    values["expires_at"] = datetime.fromisoformat(stored["expires_at"])
    return HoldView(**values)

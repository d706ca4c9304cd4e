"""
One operation with all its attempts: lock, key, roll forward, decide, act, book, commit.

The order is the contract (section 6 of the entitlement specification): the lock comes first, always; a key that was used
before is answered before any limit is asked; a refusal leaves nothing behind; the action runs once and does no network I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from billing.engine.keys import fingerprint as fingerprint_of
from billing.entitlements import capacity, late, operations, refusals, telemetry
from billing.entitlements.allowances import Allowance, lock_many
from billing.entitlements.capabilities import Capability, capability_of
from billing.entitlements.ledger import Booking, book
from billing.entitlements.passing import roll_forward
from billing.entitlements.policy import Decision, decide
from billing.entitlements.resolvers import DefinitionInfo, definition_of, limitations_for, not_configured
from billing.entitlements.scheduled import perform
from billing.entitlements.writing import AllocationRow, write
from billing.models import BillableEntity
from mozaiks.kit.errors import Invalid

T = TypeVar("T")
Amount = int | Callable[[], int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """Units of a capability: a number, or a function that is asked under the lock. None: as declared."""

    capability: str
    amount: Amount | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution(Generic[T]):
    """
    What came of an operation.

    ``answer`` is the encoded result, which a repeat of the key gets again; ``result`` is the action's own value and None
    in a repeat. ``bookings`` say what was booked, with the version of the balance.
    """

    result: T | None
    answer: Any
    status_code: int
    replayed: bool = False
    decisions: tuple[Decision, ...] = ()
    bookings: tuple[Booking, ...] = ()


@dataclass(slots=True)
class _Item:
    """One definition of a call: what it uses of it, and the decision."""

    capability: Capability
    info: DefinitionInfo
    asked: Amount
    allowance: Allowance | None = None
    amount: int = 0
    closed: late.ClosedWindow | None = None
    decision: Decision | None = None


@dataclass(kw_only=True, slots=True)
class Call(Generic[T]):
    """One operation with all its attempts."""

    entity: BillableEntity
    uses: Sequence[Use]
    action: Callable[[], T]
    now: datetime
    key: str | None
    fingerprint: str
    encode: Callable[[T], Any]
    status_code: int
    occurred_at: datetime | None = None
    already_happened: bool = False
    request_id: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    recounts: DefinitionInfo | None = None

    def run(self) -> Execution[T]:
        """Until one attempt commits; a refusal is told after its rollback."""
        try:
            execution = perform(self._attempt, now=self.now, repeatable=self.key is not None)
        except refusals.Refused as refused:
            refused.note(self.entity, request_id=self.request_id, now=self.now)
            raise refused.failure(self.entity) from None
        if not execution.replayed:
            self._note_lenient(execution.decisions)
        return execution

    def _note_lenient(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if not decision.fits:
                refusals.note_lenient(
                    decision,
                    self.entity,
                    capability=self.uses[0].capability,
                    request_id=self.request_id,
                    now=self.now,
                )

    def _attempt(self) -> Execution[T]:
        items = self._items()
        infos = [item.info for item in items] if self.recounts is None else [self.recounts]
        allowances = lock_many(self.entity.pk, infos, now=self.now)
        stored = self._stored_answer()
        if stored is not None:
            telemetry.REPLAYS.inc()
            return Execution(result=None, answer=stored.result, status_code=stored.status_code, replayed=True)
        for item in items:
            item.allowance = next(each for each in allowances if each.info.id == item.info.id)
            item.info = item.allowance.info
            if not item.info.is_active:
                raise not_configured(item.info.code)
            item.amount = _checked_amount(item)
        roll_forward(allowances)
        decisions = tuple(self._decide(item) for item in items)
        result = self.action()
        bookings, allocations = self._book(items)
        if self.recounts is not None:
            capacity.apply_count(allowances[0], capacity.count(self.entity, self.recounts))
        answer = self.encode(result)
        self._store(answer)
        write(allowances, allocations=allocations)
        return Execution(
            result=result, answer=answer, status_code=self.status_code, decisions=decisions, bookings=bookings
        )

    def _items(self) -> list[_Item]:
        items: list[_Item] = []
        for use in self.uses:
            capability = capability_of(use.capability)
            asked = capability.amount if use.amount is None else use.amount
            codes = limitations_for(self.entity, capability)
            items += [_Item(capability=capability, info=definition_of(code), asked=asked) for code in codes]
        if len({item.info.id for item in items}) < len(items):
            raise ValueError("an operation uses each limitation once; add the amounts up")
        return items

    @property
    def _content(self) -> str:
        """What the key stands for. An amount that is a function is part of the caller's own fingerprint."""
        uses = [[use.capability, "asked" if callable(use.amount) else use.amount] for use in self.uses]
        limitation = self.recounts.code if self.recounts else None
        return fingerprint_of({"uses": uses, "limitation": limitation, "caller": self.fingerprint})

    def _stored_answer(self) -> operations.StoredAnswer | None:
        return None if self.key is None else operations.find(self.entity.pk, self.key, self._content)

    def _store(self, answer: Any) -> None:
        if self.key is not None:
            operations.store(
                self.entity.pk,
                self.key,
                self._content,
                capability=self.uses[0].capability if self.uses else "capacity.refresh",
                status_code=self.status_code,
                result=answer,
                now=self.now,
            )

    def _decide(self, item: _Item) -> Decision:
        allowance = item.allowance
        assert allowance is not None  # noqa: S101 - set by _attempt for every item
        if item.info.is_capacity:
            capacity.apply_count(allowance, capacity.count(self.entity, item.info))
        occurred_at = self._occurred_at(allowance)
        if item.info.rule.is_consumable and late.is_late(allowance, occurred_at):
            item.closed = late.lock_closed(allowance, occurred_at)
        decision = decide(
            allowance,
            item.amount,
            row=item.closed.row if item.closed else allowance.row,
            already_happened=self.already_happened,
        )
        item.decision = decision
        if not decision.allowed:
            raise refusals.Refused(decision, capability=item.capability.code, info=item.info, row=allowance.row)
        return decision

    def _occurred_at(self, allowance: Allowance) -> datetime:
        return allowance.at if self.occurred_at is None else min(self.occurred_at, allowance.at)

    def _book(self, items: list[_Item]) -> tuple[tuple[Booking, ...], list[AllocationRow]]:
        bookings: list[Booking] = []
        allocations: list[AllocationRow] = []
        for item in items:
            allowance = item.allowance
            assert allowance is not None  # noqa: S101 - set by _attempt for every item
            if item.info.is_capacity:
                capacity.apply_count(allowance, allowance.row.consumed_amount + item.amount)
            if not item.info.rule.is_consumable:
                bookings.append(
                    Booking(limitation=item.info.code, amount=item.amount, version=allowance.row.version + 1)
                )
                continue
            booking, rows = book(
                allowance,
                item.amount,
                closed=item.closed,
                occurred_at=self._occurred_at(allowance),
                reason_code=item.capability.reason,
                operation_key=self.key,
                fingerprint=self._content if self.key is not None else "",
                request_id=self.request_id,
                advisory=item.decision is not None and not item.decision.fits,
                metadata=self.metadata,
            )
            bookings.append(booking)
            allocations += rows
        return tuple(bookings), allocations


def _checked_amount(item: _Item) -> int:
    amount = item.asked() if callable(item.asked) else item.asked
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise Invalid("amount must be an integer.", field_errors={"amount": ["Must be an integer."]})
    if item.info.rule.is_consumable and not 0 < amount < 2**62:
        raise Invalid("amount must be a positive integer.", field_errors={"amount": ["Must be a positive integer."]})
    return amount

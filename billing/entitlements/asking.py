"""
Several questions at once: would these units fit? Nothing is consumed, nothing is written.

However many questions there are, the balances are read once, every capacity is counted once, and the catalog is looked at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from billing.entitlements.allowances import Allowance
from billing.entitlements.capabilities import Capability, find_capability
from billing.entitlements.limitations import current_allowances
from billing.entitlements.policy import Decision, Unlock, decide
from billing.entitlements.resolvers import definition_of, is_dormant, limitations_for, not_configured, snapshot_codes
from billing.entitlements.unlock import unlocker
from billing.errors import LimitNotConfigured
from billing.models import BillableEntity
from mozaiks.kit.errors import Invalid


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """
    Would ``amount`` units (default: as the capability declares, else 1) fit?

    Exactly one of ``capability`` (an action) and ``code`` (a limitation) is given.
    """

    capability: str | None = None
    code: str | None = None
    amount: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A question with what it is about."""

    codes: Sequence[str]
    amount: int


def answer(entity: BillableEntity, questions: Sequence[Question], *, now: datetime) -> list[Decision]:
    """
    A decision for each question, in their order. Questions do not add up: each is answered as if it were alone.

    Of a capability with several limitations the first that does not fit answers, else the first.
    :raises Invalid: nobody declared a capability, or no such limitation is in use; with the path ``items[i].…`` of each.
    :raises LimitNotConfigured: a declared capability has no active definition, or nobody counts it.
    """
    asked = _resolve(entity, questions)
    codes = {code for each in asked for code in each.codes}
    allowances = {each.info.code: each for each in current_allowances(entity, now=now, codes=codes)}
    offers = _Offers(entity.pk)
    return [_decide([allowances[code] for code in each.codes], each.amount, offers) for each in asked]


class _Offers:
    """The ways to unlock, looked up only when something does not fit, and then once."""

    def __init__(self, entity_id: int) -> None:
        self._entity_id = entity_id
        self._ways: Callable[..., tuple[Unlock, ...]] | None = None

    def for_decision(self, allowance: Allowance, decision: Decision) -> tuple[Unlock, ...]:
        if self._ways is None:
            self._ways = unlocker(self._entity_id)
        return self._ways(allowance.info, allowance.row, decision)


def _decide(allowances: Sequence[Allowance], amount: int, offers: _Offers) -> Decision:
    decisions = [(allowance, decide(allowance, amount)) for allowance in allowances]
    allowance, decision = next((pair for pair in decisions if not pair[1].fits), decisions[0])
    if decision.fits:
        return decision
    return replace(decision, unlock=offers.for_decision(allowance, decision))


def _resolve(entity: BillableEntity, questions: Sequence[Question]) -> list[_Asked]:
    wrong: dict[str, list[str]] = {}
    asked: list[_Asked] = []
    capabilities: dict[str, Sequence[str]] = {}
    snapshots = snapshot_codes(entity.pk)
    for index, question in enumerate(questions):
        capability = None if question.capability is None else find_capability(question.capability)
        if capability is not None:
            if capability.code not in capabilities:
                capabilities[capability.code] = _limitations_of(entity, capability, snapshots)
            codes, declared = capabilities[capability.code], capability.amount
        elif question.code is not None and _is_in_use(question.code, snapshots):
            codes, declared = (question.code,), 1
        else:
            wrong[f"items[{index}].{_named(question)}"] = [f"Unknown {_named(question)}."]
            continue
        asked.append(_Asked(codes=codes, amount=declared if question.amount is None else question.amount))
    if wrong:
        path, sentences = next(iter(wrong.items()))
        raise Invalid(f"{path}: {sentences[0]}", field_errors=wrong)
    return asked


def _named(question: Question) -> str:
    return "capability" if question.code is None else "code"


def _limitations_of(entity: BillableEntity, capability: Capability, snapshots: dict[str, int]) -> Sequence[str]:
    codes = limitations_for(entity, capability)
    for code in codes:
        if is_dormant(definition_of(code), with_snapshot=snapshots):
            raise not_configured(code)
    return codes


def _is_in_use(code: str, snapshots: dict[str, int]) -> bool:
    try:
        return not is_dormant(definition_of(code), with_snapshot=snapshots)
    except LimitNotConfigured:
        return False

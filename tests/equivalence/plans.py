"""Plans with templates of every policy, and what a change of plan ends and gives, told without asking the engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from billing.engine.types import GrantKind, Replenish, SourceType
from billing.models import Grant, Plan, PlanTemplate
from billing.models.catalog import DurationPolicy, PlanGrantKind
from tests.engine import reference_facts
from tests.factories import PlanFactory, PlanTemplateFactory


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A template: what a plan gives of one limit."""

    template: PlanTemplate
    code: str

    @property
    def is_fixed(self) -> bool:
        return bool(self.template.duration_policy == DurationPolicy.FIXED_DURATION)

    def grant(self, grant_id: int, *, start: datetime, end: datetime | None) -> reference_facts.Grant:
        """What it becomes in the period from ``start`` to ``end``."""
        template = self.template
        base = template.grant_kind == PlanGrantKind.PLAN_BASE
        expires_at = end if template.duration_policy == DurationPolicy.PERIOD_WINDOW else None
        if self.is_fixed:
            expires_at = start + timedelta(days=template.duration_days or 0)
        return reference_facts.Grant(
            id=grant_id,
            amount=template.amount,
            kind=GrantKind.PLAN_BASE if base else GrantKind.PROMO,
            replenish=Replenish.PER_WINDOW,
            source=SourceType.PLAN_ASSIGNMENT,
            effective_at=start,
            expires_at=expires_at,
        )


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A plan that can be chosen."""

    plan: Plan
    promises: list[Promise]

    @property
    def has_periods(self) -> bool:
        """Who grants by the period has periods, of a month where no price says another length, and renews by itself."""
        return any(promise.template.duration_policy == DurationPolicy.PERIOD_WINDOW for promise in self.promises)

    @property
    def codes(self) -> set[str]:
        return {promise.code for promise in self.promises}


@dataclass(kw_only=True)
class Subscribed:
    """The plan the subject is on, its period, the grants that end with it, and all that it gave."""

    offer: Offer
    start: datetime
    end: datetime | None
    anchor: datetime | None
    grants: list[tuple[str, int]] = field(default_factory=list)
    given: list[tuple[str, int]] = field(default_factory=list)
    fixed: set[int] = field(default_factory=set)

    def renumber(self, numbers: dict[int, int]) -> None:
        self.grants = [(code, numbers.get(grant_id, grant_id)) for code, grant_id in self.grants]
        self.given = [(code, numbers.get(grant_id, grant_id)) for code, grant_id in self.given]


@dataclass(kw_only=True)
class Upcoming:
    """
    What comes next: a change somebody scheduled, or the next period of the plan. Once it has begun its grants have numbers of
    ours until the engine has written them.
    """

    offer: Offer
    start: datetime
    end: datetime | None
    anchor: datetime | None
    renews: bool = False
    numbers: dict[int, int] = field(default_factory=dict)


def offer_of(entries: Iterable[tuple[str, PlanTemplate]], plan: Plan) -> Offer:
    return Offer(plan=plan, promises=[Promise(template=template, code=code) for code, template in entries])


def make_plan() -> Plan:
    plan: Plan = PlanFactory()
    return plan


def make_template(plan: Plan, **columns: object) -> PlanTemplate:
    template: PlanTemplate = PlanTemplateFactory(plan=plan, **columns)
    return template


def grants_of(assignment_id: int) -> dict[int, int]:
    """The grants the assignment gave, by template."""
    found = Grant.objects.filter(source_type=SourceType.PLAN_ASSIGNMENT, source_id=str(assignment_id))
    return {template or 0: grant for template, grant in found.values_list("template_id", "pk")}

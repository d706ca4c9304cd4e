"""Reads what the page of a workspace shows, each part when it is asked for: one part alone costs what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from billing.conf import quotas_enforced
from billing.engine.types import LockState
from billing.entitlements.core import WORKSPACE_ACCESS
from billing.entitlements.wording import LimitInWords, limits_in_words, span
from billing.models import BillableEntity, Product, Purchase
from billing.models.assignments import SubscriptionStatus
from billing.models.catalog import ProductKind
from billing.pages.charts import Chart, chart_of
from billing.subscriptions.changes import Mode, Preview
from billing.subscriptions.state import EntitlementView, PlanState, PlanView, PriceView, read_plan_state
from billing.usage.month import month_of_use
from mozaiks.kit.money import money
from mozaiks.kit.times import spoken

LATEST_PURCHASES = 12

#: What a subscription's status means to whoever pays for it.
STATUS_WORDS = {
    SubscriptionStatus.TRIALING: "a trial",
    SubscriptionStatus.PAST_DUE: "payment overdue",
    SubscriptionStatus.CANCELED: "canceled",
    SubscriptionStatus.INACTIVE: "not active",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A plan somebody may go to; ``deed`` is the word on its button, empty for the one they are on."""

    plan: PlanView
    price: str
    grants: tuple[str, ...]
    deed: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What going to another plan would come to, in words. ``limits`` move: name, before, after, and how far over it would be."""

    code: str
    name: str
    sentence: str
    deed: str
    limits: tuple[tuple[str, str, str, int], ...]


class BillingPage:
    """The page of one workspace at ``now``; ``may_manage`` says that the reader may buy and change."""

    def __init__(self, entity: BillableEntity, *, now: datetime, may_manage: bool) -> None:
        self.entity = entity
        self.now = now
        self.may_manage = may_manage

    @property
    def is_enforced(self) -> bool:
        return quotas_enforced()

    @cached_property
    def state(self) -> PlanState:
        return read_plan_state(self.entity, now=self.now)

    @cached_property
    def limits(self) -> tuple[LimitInWords, ...]:
        return limits_in_words(self.entity, now=self.now)

    @property
    def shown(self) -> list[LimitInWords]:
        """Limits of which something was granted or used: those in trouble first."""
        order = {"bad": 0, "warning": 1}
        return sorted(
            (each for each in self.limits if not each.is_idle), key=lambda each: order.get(each.state.tone, 2)
        )

    @property
    def idle(self) -> list[LimitInWords]:
        """Limits nobody gave or used anything of; access that was never granted does not limit."""
        return [each for each in self.limits if each.is_idle and each.limit.code != WORKSPACE_ACCESS]

    @property
    def is_expired(self) -> bool:
        return any(each.limit.lock_state == LockState.WORKSPACE_EXPIRED for each in self.limits)

    @cached_property
    def charts(self) -> list[Chart]:
        today = self.now.date()
        return [chart_of(month, today=today) for month in month_of_use(self.entity.pk, today=today)]

    @cached_property
    def purchases(self) -> Sequence[Purchase]:
        rows = Purchase.objects.filter(billable_entity=self.entity).select_related("product", "plan")
        return list(rows.order_by("-purchased_at", "-pk")[:LATEST_PURCHASES])

    @cached_property
    def products(self) -> Sequence[Product]:
        """What can be bought beside a plan, cheapest first."""
        sold = Product.objects.filter(is_active=True, unit_amount_minor__isnull=False)
        return list(sold.exclude(product_kind=ProductKind.SUBSCRIPTION_ADDON).order_by("unit_amount_minor", "code"))

    @property
    def status(self) -> str:
        """What is to be known of the subscription; empty while it simply runs."""
        current = self.state.current_plan
        return (
            "" if current is None else STATUS_WORDS.get(SubscriptionStatus(current.assignment.subscription_status), "")
        )

    @property
    def following(self) -> str:
        """What happens to the plan next, in one sentence."""
        current, change = self.state.current_plan, self.state.next_plan_change
        if change is not None:
            when = f"{span(change.effective_at - self.now)}, {spoken(change.effective_at)}"
            return f"Changes to {change.plan.name} in {when}."
        if current is None:
            return "Choose a plan to begin with."
        row = current.assignment
        if row.trial_end_at is not None and row.trial_end_at > self.now:
            return f"The trial ends in {span(row.trial_end_at - self.now)}, {spoken(row.trial_end_at)}."
        if row.period_end_at is None:
            return "No change is scheduled."
        what = "Ends" if row.cancel_at_period_end else "Renews"
        return f"{what} in {span(row.period_end_at - self.now)}, {spoken(row.period_end_at)}."

    @property
    def choices(self) -> list[Choice]:
        current = self.state.current_plan
        price = current.plan.price if current is not None else None
        return [
            Choice(plan=plan, price=price_words(plan.price), grants=tuple(_grants(plan)), deed=_deed(plan, price))
            for plan in self.state.available_plans
        ]


def price_words(price: PriceView) -> str:
    """A price as people read it: ``19.00 EUR a month``."""
    if price.amount_minor is None:
        return "Not for sale here"
    if price.amount_minor == 0:
        return "Free"
    amount = money(price.amount_minor, price.currency)
    if price.interval is None:
        return amount
    every = f"a {price.interval}" if price.interval_count == 1 else f"every {price.interval_count} {price.interval}s"
    return f"{amount} {every}"


def deciding(preview: Preview) -> Change:
    """A preview in words."""
    decision = preview.decision
    plan, at = decision.plan, decision.effective_at
    interval = plan.checkout_interval
    price = PriceView(
        amount_minor=plan.checkout_unit_amount_minor,
        currency=plan.checkout_currency,
        interval=interval,
        interval_count=plan.checkout_interval_count,
    )
    sentences = {
        Mode.CHECKOUT_REQUIRED: (
            f"{price_words(price)}. It begins when the payment is confirmed.",
            "Continue to payment",
        ),
        Mode.SCHEDULED: (f"{price_words(price)}, from {spoken(at) if at else 'the end of the period'} on.", "Change"),
        Mode.UNCHANGED: ("This is your plan.", "Keep it"),
        Mode.APPLIED: (f"{price_words(price)}. It begins at once.", "Change now"),
    }
    sentence, deed = sentences[decision.mode]
    moved = tuple(
        (
            each.after.name,
            _units(each.before.granted_amount),
            _units(each.after.granted_amount),
            max(0, -(each.after.effective_amount or 0)),
        )
        for each in preview.changes
    )
    return Change(code=plan.code, name=plan.name, sentence=sentence, deed=deed, limits=moved)


def _units(amount: int | None) -> str:
    return "unlimited" if amount is None else f"{amount:,}"


def _grants(plan: PlanView) -> list[str]:
    return [f"{each.name}: {_amount(each)}" for each in plan.entitlements]


def _amount(given: EntitlementView) -> str:
    """Units, with the time they are for where the limit's own name does not say it."""
    if given.amount is None:
        return "unlimited"
    per = given.window_interval
    return f"{given.amount:,} a {per}" if per and per not in given.name.lower() else f"{given.amount:,}"


def _deed(plan: PlanView, current: PriceView | None) -> str:
    if plan.is_current or plan.price.amount_minor is None:
        return ""
    if current is None or current.amount_minor is None:
        return "Choose"
    return "Upgrade" if plan.price.amount_minor > current.amount_minor else "Change"

"""What an operator does about a plan that goes on by itself: let it end, let it go on after all, book another price."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from billing.models import BillableEntity, Plan
from billing.models.assignments import AssignmentSource
from billing.payments import steering
from billing.payments.idempotency import Answer
from billing.payments.steering import Order, order_by_hand
from billing.subscriptions import ending
from billing.subscriptions.assignments import assign
from billing.subscriptions.course import default_plan
from billing.subscriptions.looking import Subscription, standing_of
from billing.subscriptions.scheduling import cancel_scheduled, schedule
from console.admin.deed_forms import AT_PERIOD_END, NOW, WHEN, PlanForm
from console.admin.deeds import SET_PLAN
from console.admin.operations import DeedPage, Reasoned
from mozaiks.kit import clock
from mozaiks.kit.errors import Conflict
from mozaiks.kit.times import spoken


class EndForm(Reasoned):
    """When a plan ends."""

    field_order = ("when", "reason")

    when = forms.ChoiceField(choices=WHEN, initial=AT_PERIOD_END, widget=UnfoldAdminSelectWidget)


class PlanDeed(DeedPage):
    """
    A deed on the plan of a customer. ``pretend`` is what will become of it, done and rolled back; ``steer`` is the deed.

    Where a provider keeps the subscription it is asked outside a transaction, and what it reports moves the plan.
    """

    permission = SET_PLAN
    row: BillableEntity

    def pretend(self, said: dict[str, Any], *, now: datetime) -> datetime:
        """Do here what will come of it; from when on it holds."""
        raise NotImplementedError

    def steer(self, said: dict[str, Any], order: Order, *, now: datetime) -> Answer:
        raise NotImplementedError

    def words(self, said: dict[str, Any]) -> str:
        """What is done, as a sentence without its subject."""
        raise NotImplementedError

    def do(self, said: dict[str, Any], *, now: datetime) -> datetime:
        return self.pretend(said, now=now)

    def act(self, said: dict[str, Any]) -> str:
        now = clock.now()
        content = {"deed": self.title, **{name: str(value) for name, value in said.items() if name != "reason"}}
        order = order_by_hand(self.by(said), operation_key=said["operation_key"], content=content)
        told = Order(by=order.by, command=order.command, told=lambda: {"provider": self._keeper(now)})
        return self.done(self.steer(said, told, now=now))

    def done(self, answer: Answer) -> str:
        before = "Was done before: " if answer.replayed else ""
        provider = answer.body["provider"]
        tail = f" {provider} was told; its report moves the plan." if provider else ""
        return f"{before}{self.past}{tail}"

    past = "It is done."

    def announced(self, said: dict[str, Any], answer: datetime) -> str:
        provider = self._keeper(clock.now())
        who = f"{provider} would be told to {self.words(said)}" if provider else f"Would {self.words(said)}"
        return f"{who}. It would hold from {spoken(answer)} on."

    def compared_at(self, said: dict[str, Any]) -> Callable[[Any], datetime] | None:
        return lambda at: at

    def subscription(self, now: datetime) -> Subscription | None:
        """The provider's subscription that runs."""
        return standing_of(self.row, now=now).subscription

    def _keeper(self, now: datetime) -> str:
        runs = self.subscription(now)
        return runs.provider if runs else ""


class CancelPlan(PlanDeed):
    """Let a plan end."""

    title = "Cancel plan"
    past = "The plan is canceled."
    form_class = EndForm

    def pretend(self, said: dict[str, Any], *, now: datetime) -> datetime:
        who = {"actor": self.actor, "reason": said["reason"]}
        standing = standing_of(self.row, now=now)
        if standing.subscription is None:
            end = ending.cancel_at_period_end if said["when"] == AT_PERIOD_END else ending.cancel_now
            return end(self.row, now=now, **who).period_start_at
        at = standing.now.end if standing.now is not None and standing.now.end is not None else now
        plan = default_plan()
        if plan is not None and at > now:
            schedule(self.row, plan, source=AssignmentSource.INTERNAL, now=now, starts_at=at)
        return at

    def steer(self, said: dict[str, Any], order: Order, *, now: datetime) -> Answer:
        return steering.cancel(self.row, order, at_period_end=said["when"] == AT_PERIOD_END, now=now)

    def words(self, said: dict[str, Any]) -> str:
        return "end the plan with its period" if said["when"] == AT_PERIOD_END else "end the plan now"


class ResumePlan(PlanDeed):
    """Let a plan go on that was canceled."""

    title = "Resume plan"
    past = "The plan goes on."
    form_class = Reasoned

    def pretend(self, said: dict[str, Any], *, now: datetime) -> datetime:
        standing = standing_of(self.row, now=now)
        at = standing.then.start if standing.then is not None else now
        if standing.subscription is None:
            ending.resume(self.row, now=now, actor=self.actor, reason=said["reason"])
        else:
            cancel_scheduled(self.row, now=now)
        return at

    def steer(self, said: dict[str, Any], order: Order, *, now: datetime) -> Answer:
        return steering.resume(self.row, order, now=now)

    def words(self, said: dict[str, Any]) -> str:
        return "let the plan go on"


class ChangeSubscription(PlanDeed):
    """Another price at the provider, now or from the next period on."""

    title = "Change subscription"
    past = "The other plan is booked."
    form_class = PlanForm

    def pretend(self, said: dict[str, Any], *, now: datetime) -> datetime:
        runs, plan = self._running(now), said["plan"]
        steering.price_of(plan, runs.provider)
        if said["when"] == NOW:
            assign(self.row, plan, source=AssignmentSource.MANUAL, now=now)
            return now
        return schedule(self.row, plan, source=AssignmentSource.MANUAL, now=now).period_start_at

    def steer(self, said: dict[str, Any], order: Order, *, now: datetime) -> Answer:
        plan: Plan = said["plan"]
        later = said["when"] == AT_PERIOD_END
        return steering.change_price(
            self.row, order, subscription=self._running(now), plan=plan, at_period_end=later, now=now
        )

    def words(self, said: dict[str, Any]) -> str:
        when = "from the next period on" if said["when"] == AT_PERIOD_END else "now, in proportion"
        return f"charge for {said['plan'].name} {when}"

    def _running(self, now: datetime) -> Subscription:
        runs = self.subscription(now)
        if runs is None:
            raise Conflict("No provider keeps a subscription of this customer: set the plan instead.")
        return runs

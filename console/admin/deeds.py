"""What an operator does to a customer: grant, correct, end, take back, recompute, and change the plan."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest

from billing.engine.types import GrantKind
from billing.entitlements.corrections import Correction, correct
from billing.entitlements.deeds import Deed, once, recompute_by_hand, reverse_by_hand
from billing.entitlements.grants import Recorded
from billing.entitlements.manual import end_grant, grant_manually
from billing.entitlements.reversals import Reversal
from billing.models import BillableEntity, Consumption, Definition, Grant, Plan
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from billing.subscriptions.looking import standing_of
from billing.subscriptions.scheduling import cancel_scheduled, schedule
from console.admin.deed_forms import NOW, CorrectionForm, GrantForm, PlanForm, ReversalForm, SimulationForm
from console.admin.operations import DeedPage, Reasoned
from mozaiks.kit import clock
from mozaiks.kit.times import parse_utc, spoken, utc_z

GRANT = "billing.grant_entitlements"
CORRECT = "billing.correct_balances"
SET_PLAN = "billing.set_plan"
LOOK = "billing.view_billableentity"


class Permitted:
    """Who may press which button: the deeds have permissions of their own, beside those of the tables."""

    def has_grant_entitlements_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(GRANT)

    def has_correct_balances_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(CORRECT)

    def has_set_plan_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(SET_PLAN)


class GrantUnits(DeedPage):
    """Give a customer units."""

    title = "Grant units"
    permission = GRANT
    form_class = GrantForm
    row: BillableEntity

    def do(self, said: dict[str, Any], *, now: datetime) -> Deed:
        limitation: Definition = said["limitation"]
        content = {"limitation": limitation.code, "amount": said["amount"], "unlimited": said["unlimited"]}
        content |= {"kind": said["kind"], "expires": said["expires_at"]}
        return once(
            self.row,
            "grant.give",
            operation_key=said["operation_key"],
            content=content,
            work=lambda: self.give(said, now=now),
            now=now,
        )

    def give(self, said: dict[str, Any], *, now: datetime) -> str:
        """Record the grant; says what was given."""
        code = said["limitation"].code
        grant_manually(
            self.row,
            code,
            amount=None if said["unlimited"] else said["amount"],
            kind=GrantKind(said["kind"]),
            expires_at=said["expires_at"],
            operation_key=said["operation_key"],
            by=self.by(said),
            now=now,
        )
        units = "unlimited" if said["unlimited"] else f"{said['amount']:,}"
        until = f", until {spoken(said['expires_at'])}" if said["expires_at"] else ""
        return f"{units} of {code}{until}"

    def done(self, answer: Deed) -> str:
        return f"{'Was granted before' if answer.replayed else 'Granted'}: {answer.answer}."

    def announced(self, said: dict[str, Any], answer: Deed) -> str:
        return f"Would grant: {answer.answer}."


class Correct(DeedPage):
    """Correct a balance, up or down."""

    title = "Correct"
    permission = CORRECT
    form_class = CorrectionForm
    row: BillableEntity

    def do(self, said: dict[str, Any], *, now: datetime) -> Correction:
        return correct(
            self.row,
            said["limitation"].code,
            amount=said["amount"],
            operation_key=said["operation_key"],
            by=self.by(said),
            now=now,
        )

    def done(self, answer: Correction) -> str:
        return f"{'Was corrected before' if answer.replayed else 'Corrected'}: {self.what(answer)}."

    def announced(self, said: dict[str, Any], answer: Correction) -> str:
        return f"Would correct: {self.what(answer)}."

    def what(self, answer: Correction) -> str:
        """How many units of what."""
        less = f" (of {answer.asked:+,}: no more is left to take)" if answer.amount != answer.asked else ""
        return f"{answer.amount:+,} of {answer.limitation}{less}"


class EndGrant(DeedPage):
    """End a grant before its time."""

    title = "End grant"
    permission = GRANT
    form_class = Reasoned
    row: Grant

    def do(self, said: dict[str, Any], *, now: datetime) -> Recorded:
        return end_grant(self.row, by=self.by(said), now=now)

    def done(self, answer: Recorded) -> str:
        return f"Grant {self.row.pk} {'ends now' if answer.ended else 'had ended before'}."

    def announced(self, said: dict[str, Any], answer: Recorded) -> str:
        return f"Grant {self.row.pk} {'would end now' if answer.ended else 'has ended before'}."


class ReverseUse(DeedPage):
    """Take a use back, whole or in part."""

    title = "Take back"
    permission = CORRECT
    form_class = ReversalForm
    row: Consumption

    def do(self, said: dict[str, Any], *, now: datetime) -> Reversal:
        return reverse_by_hand(
            self.row.subject,
            self.row.pk,
            amount=said["amount"],
            operation_key=said["operation_key"],
            by=self.by(said),
            now=now,
        )

    def done(self, answer: Reversal) -> str:
        return f"{'Was taken back before' if answer.replayed else 'Taken back'}: {self.what(answer)}."

    def announced(self, said: dict[str, Any], answer: Reversal) -> str:
        return f"Would take back: {self.what(answer)}."

    def what(self, answer: Reversal) -> str:
        """How many units, and how many of them help nobody."""
        lost = f"; {answer.forfeited:,} of it go to grants that are over and help nobody" if answer.forfeited else ""
        return f"{answer.amount:,} of use {self.row.pk}{lost}"


class Recompute(DeedPage):
    """Rebuild a customer's balances from the facts."""

    title = "Recompute"
    permission = CORRECT
    form_class = Reasoned
    row: BillableEntity

    def do(self, said: dict[str, Any], *, now: datetime) -> Deed:
        return recompute_by_hand(self.row, by=self.by(said), now=now, operation_key=said["operation_key"])

    def done(self, answer: Deed) -> str:
        word = "Were rebuilt before" if answer.replayed else "Rebuilt from the facts"
        return f"{word}: {answer.answer['rows']:,} balances."

    def announced(self, said: dict[str, Any], answer: Deed) -> str:
        return f"Would rebuild from the facts: {answer.answer['rows']:,} balances."


class SetPlan(DeedPage):
    """Another plan, now or at the end of the period."""

    title = "Set plan"
    permission = SET_PLAN
    form_class: type[forms.Form] = PlanForm
    row: BillableEntity

    def do(self, said: dict[str, Any], *, now: datetime) -> Deed:
        return once(
            self.row,
            "plan.set",
            operation_key=said["operation_key"],
            content={"plan": said["plan"].pk, "when": said["when"]},
            work=lambda: self.change(said, now=now),
            now=now,
        )

    def change(self, said: dict[str, Any], *, now: datetime) -> dict[str, str]:
        """Change the plan, and say which it is from when on."""
        plan: Plan = said["plan"]
        who = {"actor": self.actor, "reason": said.get("reason", "")}
        if said["when"] == NOW:
            made = assign(self.row, plan, source=AssignmentSource.MANUAL, now=now, **who)
        else:
            made = schedule(self.row, plan, source=AssignmentSource.MANUAL, now=now, **who)
        return {"plan": plan.name, "since": utc_z(made.period_start_at), "when": said["when"]}

    def done(self, answer: Deed) -> str:
        said = answer.answer
        before = "Was done before: " if answer.replayed else ""
        word = "is" if said["when"] == NOW else "will be"
        return f"{before}The plan {word} {said['plan']}, from {spoken(parse_utc(said['since']))} on."

    def announced(self, said: dict[str, Any], answer: Deed) -> str:
        would = f"The plan would be {answer.answer['plan']}, from {spoken(parse_utc(answer.answer['since']))} on."
        runs = standing_of(self.row, now=clock.now()).subscription
        if runs is None:
            return would
        return f"{would} {runs.provider} would go on collecting: cancel or change the subscription there, too."

    def compared_at(self, said: dict[str, Any]) -> Callable[[Any], datetime] | None:
        """A change at the end of the period is compared there: with it and without it."""
        return None if said["when"] == NOW else lambda deed: parse_utc(deed.answer["since"])


class SimulatePlan(SetPlan):
    """What another plan would change; nothing is done."""

    title = "Simulate plan"
    permission = LOOK
    form_class = SimulationForm
    confirmed = False

    def do(self, said: dict[str, Any], *, now: datetime) -> Deed:
        return Deed(answer=self.change(said, now=now))


class CancelPlanChange(DeedPage):
    """Drop a plan change that is scheduled."""

    title = "Cancel plan change"
    permission = SET_PLAN
    form_class = Reasoned
    row: BillableEntity

    def do(self, said: dict[str, Any], *, now: datetime) -> Deed:
        return once(
            self.row,
            "plan.unschedule",
            operation_key=said["operation_key"],
            content={},
            work=lambda: cancel_scheduled(self.row, now=now, actor=self.actor, reason=said["reason"]),
            now=now,
        )

    def done(self, answer: Deed) -> str:
        return "The plan change that was scheduled is dropped." if answer.answer else "No plan change was scheduled."

    def announced(self, said: dict[str, Any], answer: Deed) -> str:
        return (
            "The plan change that is scheduled would be dropped." if answer.answer else "No plan change is scheduled."
        )

"""What an operator does to a customer by hand: once, with a reason, and in the customer's timeline."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from billing.models import (
    Balance,
    BillableEntity,
    BillingEvent,
    Consumption,
    Definition,
    Grant,
    GrantEnding,
    Operation,
    PlanAssignment,
)
from mozaiks.kit import clock
from tests import NOON
from tests.console.support import address, customer
from tests.factories import DefinitionFactory, GrantFactory, PlanFactory, PlanTemplateFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory
from tests.gadgets.services import press, take_place

pytestmark = pytest.mark.django_db

DEEDS = ("grant-units", "correct", "recompute", "set-plan", "simulate-plan", "cancel-plan-change")


@pytest.fixture
def entity() -> BillableEntity:
    return customer()


def page(row: Any, operation: str) -> str:
    return f"{address(type(row), 'change', row.pk).removesuffix('change/')}{operation}/"


def grant_form(definition: Definition, **said: Any) -> dict[str, Any]:
    return {
        "limitation": definition.pk,
        "amount": "5",
        "kind": "manual_adjustment",
        "expires_at": "",
        "reason": "A gift for waiting.",
        "operation_key": "console-test",
        "_confirmed": "yes",
        **said,
    }


def deed(**said: Any) -> dict[str, Any]:
    """A form with a reason, confirmed."""
    return {"reason": "It was a mistake.", "operation_key": "console-test", "_confirmed": "yes", **said}


def written() -> dict[str, int]:
    """How many rows there are of what an operator may write."""
    kinds = (Grant, GrantEnding, Consumption, PlanAssignment, BillingEvent, Operation)
    return {model.__name__: model._default_manager.count() for model in kinds}


def errors_of(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200, "the form was not shown again"
    return {name: list(said) for name, said in answer.context["form"].errors.items()}


def said_in(answer: Any) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_an_operator_grants_units_with_a_reason(operator: Client, entity: BillableEntity) -> None:
    definition = DefinitionFactory(code="reports.monthly")

    answer = operator.post(page(entity, "grant-units"), grant_form(definition))

    assert answer.status_code == 302
    given = Grant.objects.get()
    assert (given.subject, given.definition, given.amount) == (entity, definition, 5)
    noted = BillingEvent.objects.get()
    assert (noted.event_type, noted.actor, noted.reason) == ("operator", "operator", "A gift for waiting.")
    assert said_in(answer) == ["Granted: 5 of reports.monthly."]


def test_a_second_click_grants_nothing_more(operator: Client, entity: BillableEntity) -> None:
    form = grant_form(DefinitionFactory(code="reports.monthly"))

    operator.post(page(entity, "grant-units"), form)
    again = operator.post(page(entity, "grant-units"), form)

    assert again.status_code == 302
    assert "Was granted before: 5 of reports.monthly." in said_in(again)
    assert Grant.objects.count() == 1
    assert BillingEvent.objects.count() == 1


def test_each_showing_of_the_form_is_another_operation(operator: Client, entity: BillableEntity) -> None:
    keys = {operator.get(page(entity, "grant-units")).context["form"]["operation_key"].value() for _ in range(3)}

    assert len(keys) == 3


def test_a_corrected_form_is_still_the_same_operation(operator: Client, entity: BillableEntity) -> None:
    form = grant_form(DefinitionFactory(), reason="")

    refused = operator.post(page(entity, "grant-units"), form)

    assert errors_of(refused) == {"reason": ["This field is required."]}
    assert refused.context["form"]["operation_key"].value() == "console-test"
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"reason": "   "}, "reason"),
        ({"amount": ""}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": str(2**63)}, "amount"),
        ({"unlimited": "on"}, "amount"),
        ({"expires_at": "2001-01-01T00:00"}, "expires_at"),
        ({"kind": "plan_base"}, "kind"),
        ({"operation_key": "two\twords"}, "__all__"),
    ],
)
def test_what_cannot_be_granted_is_told_at_its_field(
    operator: Client, entity: BillableEntity, said: dict[str, str], field: str
) -> None:
    answer = operator.post(page(entity, "grant-units"), grant_form(DefinitionFactory(), **said))

    assert list(errors_of(answer)) == [field]
    assert not Grant.objects.exists()
    assert not BillingEvent.objects.exists()


def test_unlimited_is_said_not_left_out(operator: Client, entity: BillableEntity) -> None:
    operator.post(page(entity, "grant-units"), grant_form(DefinitionFactory(), amount="", unlimited="on"))

    assert Grant.objects.get().amount is None


def test_a_state_is_granted_with_one(operator: Client, entity: BillableEntity) -> None:
    state = DefinitionFactory(state=True)

    refused = operator.post(page(entity, "grant-units"), grant_form(state))
    granted = operator.post(page(entity, "grant-units"), grant_form(state, amount="1"))

    assert errors_of(refused) == {"amount": ["A state is granted with amount 1."]}
    assert granted.status_code == 302


def test_a_form_that_was_used_and_changed_is_no_repeat(operator: Client, entity: BillableEntity) -> None:
    definition = DefinitionFactory()
    operator.post(page(entity, "grant-units"), grant_form(definition))

    answer = operator.post(page(entity, "grant-units"), grant_form(definition, amount="50"))

    assert "used before for something else" in errors_of(answer)["__all__"][0]
    assert Grant.objects.count() == 1


def test_nothing_is_done_before_it_is_confirmed(operator: Client, entity: BillableEntity) -> None:
    definition = PressesFactory()
    GrantFactory(subject=entity, definition=definition, amount=10, effective_at=NOON)
    before = written()
    form = grant_form(definition)
    del form["_confirmed"]

    answer = operator.post(page(entity, "grant-units"), form)

    shown = answer.context["preview"].changes
    assert answer.status_code == 200
    assert [(each.before.granted_amount, each.after.granted_amount) for each in shown] == [(10, 15)]
    assert answer.context["announced"] == f"Would grant: 5 of {definition.code}."
    assert b'name="_confirmed"' in answer.content
    assert b"console-test" in answer.content
    assert written() == before


def test_what_was_typed_is_there_again_to_be_changed(operator: Client, entity: BillableEntity) -> None:
    form = grant_form(PressesFactory(), _edit="yes")
    del form["_confirmed"]

    answer = operator.post(page(entity, "grant-units"), form)

    assert answer.context["form"]["reason"].value() == "A gift for waiting."
    assert answer.context["form"]["operation_key"].value() == "console-test"
    assert not Grant.objects.exists()


def test_what_cannot_be_done_is_said_before_it_is_confirmed(operator: Client, entity: BillableEntity) -> None:
    form = {"limitation": PressesFactory().pk, "amount": "-5", "reason": "Why not.", "operation_key": "console-test"}

    answer = operator.post(page(entity, "correct"), form)

    assert list(errors_of(answer)) == ["amount"]
    assert written()["Operation"] == 0


def test_an_operator_corrects_up_and_down(operator: Client, entity: BillableEntity) -> None:
    definition = PressesFactory()

    up = operator.post(page(entity, "correct"), deed(limitation=definition.pk, amount="7"))
    down = operator.post(page(entity, "correct"), deed(limitation=definition.pk, amount="-50", operation_key="k2"))
    again = operator.post(page(entity, "correct"), deed(limitation=definition.pk, amount="-50", operation_key="k2"))

    assert said_in(up) == [f"Corrected: +7 of {definition.code}."]
    assert said_in(down)[-1] == f"Corrected: -7 of {definition.code} (of -50: no more is left to take)."
    assert said_in(again)[-1].startswith("Was corrected before: -7")
    assert [grant.kind for grant in Grant.objects.all()] == ["correction"]
    assert [use.amount for use in Consumption.objects.all()] == [7]
    assert BillingEvent.objects.filter(event_name="balance.corrected", actor="operator").count() == 2


def test_an_operator_takes_a_use_back_once(operator: Client, entity: BillableEntity) -> None:
    GrantFactory(subject=entity, amount=10)
    press(entity, "first", amount=4, now=NOON)
    use = Consumption.objects.get()

    part = operator.post(page(use, "take-back"), deed(amount="3"))
    again = operator.post(page(use, "take-back"), deed(amount="3"))
    too_much = operator.post(page(use, "take-back"), deed(amount="3", operation_key="k2"))
    rest = operator.post(page(use, "take-back"), deed(amount="", operation_key="k3"))

    assert said_in(part) == [f"Taken back: 3 of use {use.pk}."]
    assert said_in(again)[-1].startswith("Was taken back before")
    assert errors_of(too_much) == {"amount": ["Only 1 units are left to take back."]}
    assert said_in(rest)[-1] == f"Taken back: 1 of use {use.pk}."
    assert sum(row.amount for row in Consumption.objects.all()) == 0


def test_an_operator_rebuilds_the_balances_once(operator: Client, entity: BillableEntity) -> None:
    GrantFactory(subject=entity, definition=CreditsFactory(), amount=10)
    Balance.objects.update(consumed_amount=99)

    first = operator.post(page(entity, "recompute"), deed())
    second = operator.post(page(entity, "recompute"), deed())

    assert said_in(first) == ["Rebuilt from the facts: 1 balances."]
    assert said_in(second)[-1].startswith("Were rebuilt before")
    assert Balance.objects.get().consumed_amount == 0
    assert BillingEvent.objects.filter(event_name="balances.recomputed").count() == 1


def test_an_operator_ends_a_grant_once(operator: Client, entity: BillableEntity) -> None:
    operator.post(page(entity, "grant-units"), grant_form(DefinitionFactory()))
    given = Grant.objects.get()

    refused = operator.post(page(given, "end"), deed(reason=""))
    first = operator.post(page(given, "end"), deed(reason="A mistake."))
    second = operator.post(page(given, "end"), deed(reason="A mistake."))

    assert errors_of(refused) == {"reason": ["This field is required."]}
    assert said_in(first)[-1] == f"Grant {given.pk} ends now."
    assert said_in(second)[-1] == f"Grant {given.pk} had ended before."
    assert first["Location"] == address(BillableEntity, "change", entity.pk)
    assert [(ending.grant, ending.reason) for ending in GrantEnding.objects.all()] == [(given, "ended_by_operator")]
    assert list(BillingEvent.objects.order_by("pk").values_list("event_name", "reason")) == [
        ("grant.created", "A gift for waiting."),
        ("grant.ended", "A mistake."),
    ]


def test_an_operator_sets_the_plan_once(operator: Client, entity: BillableEntity) -> None:
    plan = PlanTemplateFactory(plan__code="gold", amount=7).plan
    form = deed(plan=plan.pk, when="now", reason="Agreed by telephone.")

    first = operator.post(page(entity, "set-plan"), form)
    second = operator.post(page(entity, "set-plan"), form)

    assert first.status_code == second.status_code == 302
    assert said_in(second)[-1].startswith("Was done before: The plan is Plan gold")
    assignment = PlanAssignment.objects.get()
    assert (assignment.billable_entity, assignment.plan, assignment.source) == (entity, plan, "manual")
    assert [given.amount for given in Grant.objects.filter(subject=entity)] == [7]
    assert BillingEvent.objects.filter(actor="operator", reason="Agreed by telephone.").exists()


def test_a_form_sent_again_later_does_not_undo_what_happened_since(operator: Client, entity: BillableEntity) -> None:
    gold, silver = PlanTemplateFactory(plan__code="gold").plan, PlanTemplateFactory(plan__code="silver").plan
    form = deed(plan=gold.pk, when="now")
    operator.post(page(entity, "set-plan"), form)
    operator.post(page(entity, "set-plan"), deed(plan=silver.pk, when="now", operation_key="k2"))

    operator.post(page(entity, "set-plan"), form)

    assert PlanAssignment.objects.current().get().plan == silver


def test_a_plan_change_is_scheduled_compared_at_its_start_and_dropped(operator: Client, entity: BillableEntity) -> None:
    presses = PressesFactory()
    big = PlanTemplateFactory(plan__code="big", definition=presses, amount=100).plan
    small = PlanTemplateFactory(plan__code="small", definition=presses, amount=10).plan
    operator.post(page(entity, "set-plan"), deed(plan=big.pk, when="now"))
    form = deed(plan=small.pk, when="period_end", operation_key="k2")

    shown = operator.post(page(entity, "set-plan"), {name: form[name] for name in form if name != "_confirmed"})
    scheduled = operator.post(page(entity, "set-plan"), form)
    dropped = operator.post(page(entity, "cancel-plan-change"), deed(operation_key="k3"))
    nothing = operator.post(page(entity, "cancel-plan-change"), deed(operation_key="k4"))

    change = shown.context["preview"].changes[0]
    assert (change.before.granted_amount, change.after.granted_amount) == (100, 10)
    assert change.is_loss
    assert "will be Plan small" in said_in(scheduled)[-1]
    assert said_in(dropped)[-1] == "The plan change that was scheduled is dropped."
    assert said_in(nothing)[-1] == "No plan change was scheduled."
    assert PlanAssignment.objects.current().get().plan == big
    names = BillingEvent.objects.order_by("pk").values_list("event_name", flat=True)
    assert list(names) == ["plan.assigned", "plan.scheduled", "plan.unscheduled"]


@pytest.mark.parametrize("when", ["now", "period_end"])
def test_a_simulation_shows_gains_losses_and_what_is_over_and_writes_nothing(
    operator: Client, entity: BillableEntity, when: str
) -> None:
    presses, places = PressesFactory(), PlacesFactory()
    big = PlanTemplateFactory(plan__code="big", definition=places, amount=5).plan
    small = PlanTemplateFactory(plan__code="small", definition=places, amount=1).plan
    PlanTemplateFactory(plan=small, definition=presses, amount=9)
    operator.post(page(entity, "set-plan"), deed(plan=big.pk, when="now"))
    take_place(entity, "here", number=3, now=clock.now())
    before = written()

    answer = operator.post(page(entity, "simulate-plan"), {"plan": small.pk, "when": when, "_confirmed": "yes"})

    shown = answer.context["preview"]
    assert [change.after.code for change in shown.gains] == [presses.code]
    assert [change.after.code for change in shown.losses] == [places.code]
    assert [change.after.code for change in shown.over] == [places.code]
    assert b'name="_confirmed"' not in answer.content
    assert written() == before
    assert PlanAssignment.objects.current().get().plan == big


def test_an_inactive_plan_is_not_offered(operator: Client, entity: BillableEntity) -> None:
    plan = PlanFactory(is_active=False)

    answer = operator.post(page(entity, "set-plan"), deed(plan=plan.pk, when="now"))

    assert list(errors_of(answer)) == ["plan"]
    assert not PlanAssignment.objects.exists()


@pytest.mark.parametrize("operation", DEEDS)
def test_nobody_is_no_customer(operator: Client, operation: str) -> None:
    for key in ("999999", "nobody"):
        assert operator.get(f"/admin/billing/billableentity/{key}/{operation}/").status_code == 404


@pytest.mark.parametrize("operation", [name for name in DEEDS if name != "simulate-plan"])
def test_every_deed_needs_a_reason(operator: Client, entity: BillableEntity, operation: str) -> None:
    everything = deed(limitation=PressesFactory().pk, amount="1", kind="promo", plan=PlanFactory().pk, when="now")

    answer = operator.post(page(entity, operation), everything | {"reason": "  "})

    assert "reason" in errors_of(answer)
    assert not any(written().values())


def test_what_operators_did_is_shown_as_text(operator: Client, entity: BillableEntity) -> None:
    operator.post(page(entity, "grant-units"), grant_form(DefinitionFactory(), reason="<script>alert(1)</script>"))

    for url in (address(BillableEntity, "change", entity.pk), address(BillingEvent, "changelist")):
        assert "<script>alert(1)" not in operator.get(url).content.decode()

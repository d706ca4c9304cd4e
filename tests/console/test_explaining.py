"""Why: from a limit, a use or a refusal to the grants, templates, purchases and events behind it, in whole sentences."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from billing.engine.types import EnforcementMode
from billing.entitlements.corrections import correct
from billing.entitlements.grants import grant_entitlements_for_purchase
from billing.entitlements.manual import ByHand, end_grant
from billing.entitlements.reversals import reverse
from billing.entitlements.told import tell_balance, tell_limit, tell_refusal, tell_use
from billing.models import Balance, BillingEvent, Consumption, Decision, Grant, PlanTemplate, Purchase
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.console.support import address, customer, queries_of
from tests.factories import GrantFactory, PlanTemplateFactory, ProductTemplateFactory
from tests.gadgets.factories import AccessFactory, CreditsFactory, PressesFactory
from tests.gadgets.services import charge, press

pytestmark = pytest.mark.django_db

ANNA = ByHand(actor="anna", reason="Waited too long.")
LATER = NOON + timedelta(hours=1)


def on_a_plan(amount: int = 10) -> tuple[Any, PlanTemplate]:
    """A customer whom Anna put on a plan of ``amount`` presses."""
    template = PlanTemplateFactory(plan__name="Gold", definition=PressesFactory(), amount=amount)
    entity = customer()
    assign(entity, template.plan, source=AssignmentSource.MANUAL, actor="anna", reason="Agreed.", now=NOON)
    return entity, template


def bought(entity: Any, *, quantity: int = 1) -> Purchase:
    template = ProductTemplateFactory(definition=PressesFactory(), amount=10, product__name="Pack")
    event = BillingEvent.objects.create(
        event_type="webhook",
        event_name="payment.confirmed",
        provider="mock",
        provider_event_id="evt_1",
        billable_entity=entity,
        received_at=NOON,
        occurred_at=NOON,
    )
    made = Purchase.objects.create(
        billable_entity=entity,
        provider="mock",
        purchase_kind="one_off",
        amount_minor=500,
        currency="EUR",
        quantity=quantity,
        product=template.product,
        billing_event=event,
        provider_payment_id="pay_1",
        dedupe_key="p1:test",
        purchased_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )
    run_in_transaction(lambda: grant_entitlements_for_purchase(made, now=NOON))
    return made


def told(telling: Any) -> str:
    return "\n".join([*telling.sentences, *(said for origin in telling.origins for said in origin.sentences)])


def test_a_limit_is_told_down_to_who_assigned_the_plan_and_why() -> None:
    entity, template = on_a_plan()

    said = told(tell_limit(entity, template.definition.code, now=LATER)[1])

    assert "Grant" in said
    assert "comes with the plan “Gold”" in said
    assert "anna put the customer on this plan at 2026-" in said
    assert "“Agreed”" in said
    assert f"Template {template.pk} of the plan said so then, and says so today." in said


def test_a_template_is_told_as_it_was_when_it_granted() -> None:
    entity, template = on_a_plan(amount=10)
    PlanTemplate.objects.update(amount=99)

    said = told(tell_limit(entity, template.definition.code, now=LATER)[1])

    assert "gives 10 (unit) in every window" in said
    assert "today it says 99, which is for later grants" in said

    PlanTemplate.objects.all().delete()
    assert "has no such template any more" in told(tell_limit(entity, template.definition.code, now=LATER)[1])


def test_a_purchase_is_told_with_its_payment_and_its_event() -> None:
    entity = customer()
    purchase = bought(entity, quantity=2)

    telling = tell_limit(entity, PressesFactory().code, now=LATER)[1]

    said = told(telling)
    assert f"It was bought: 2 × “Pack” (purchase {purchase.pk})" in said
    assert "payment pay_1" in said
    assert "(payment.confirmed, evt_1)" in said
    assert "says so today" in said
    tables = {pointer.table for pointer in telling.origins[0].pointers}
    assert tables == {"grant", "purchase", "billingevent", "producttemplate"}


def test_a_use_is_told_with_who_paid_and_what_was_taken_back() -> None:
    entity, _ = on_a_plan(amount=3)
    bought(entity)
    press(entity, "key-1", amount=5, now=NOON, request_id="req-1")
    use = Consumption.objects.get()
    reverse(entity, use.pk, amount=1, now=LATER)

    said = told(tell_use(use))

    assert "“gadget.press” used 5 (unit) of Presses (request req-1, key key-1)." in said
    assert "Of it, 3 were paid by Plan “Gold”" in said
    assert "Of it, 2 were paid by Purchase “Pack”" in said
    assert "1 of it were taken back" in said
    assert "So 4 (unit) of this use count." in said
    reversal = Consumption.objects.get(amount__lt=0)
    assert f"were taken back of use {use.pk}" in told(tell_use(reversal))
    assert "1 went back to Purchase “Pack”" in told(tell_use(reversal))


def test_overage_is_told() -> None:
    stock = CreditsFactory(enforcement_mode=EnforcementMode.SOFT_WARN)
    grant = GrantFactory(definition=stock, amount=3)
    charge(grant.subject, 5)

    said = told(tell_use(Consumption.objects.get()))

    assert "2 of it could be paid by no grant" in said
    assert "It did not fit, and was let through" in said


def refused(entity: Any, definition: Any, **said: Any) -> Decision:
    row = {"capability": "gadgets.press", "code": "BILLING_LIMIT_EXCEEDED", "reason": "quota_exhausted", "requested": 1}
    row |= {"limit": 10, "used": 10, "occurred_at": NOON, "request_id": "req-7"}
    return Decision.objects.create(subject=entity, definition=definition, **row | said)


def test_a_refusal_is_told_with_what_was_in_force_then_and_where_it_stands_now() -> None:
    entity, template = on_a_plan()
    refusal = refused(entity, template.definition)
    correct(entity, template.definition.code, amount=5, by=ANNA, now=LATER, operation_key="k1")

    said = told(tell_refusal(refusal, now=LATER))

    assert "“gadgets.press” asked for 1 (unit) of Presses: 10 of 10 were used, so it was refused" in said
    assert "quota exhausted; request req-7" in said
    assert "In force was Plan “Gold”" in said
    assert "Waited too long." not in said
    assert "0 of 15 are used and 15 are left" in said


def test_a_refusal_without_any_grant_is_told() -> None:
    entity, access = customer(), AccessFactory()

    said = told(tell_refusal(refused(entity, access, limit=0, used=0, reason="not_granted"), now=LATER))

    assert "it was not granted, so it was refused" in said
    assert "No grant was in force at that instant." in said
    assert "it is not granted" in said


def test_what_was_let_through_is_not_called_refused() -> None:
    entity, template = on_a_plan()

    telling = tell_refusal(refused(entity, template.definition, advisory=True), now=LATER)

    assert telling.title.startswith("Excess")
    assert "so it was let through and recorded" in told(telling)


def test_a_closed_window_is_told_as_it_was() -> None:
    entity, template = on_a_plan(amount=10)
    press(entity, "first", amount=4, now=NOON)
    press(entity, "second", amount=1, now=NOON + timedelta(days=40))
    closed = Balance.objects.get(closed_at__isnull=False)

    said = told(tell_balance(closed, now=NOON + timedelta(days=40)))

    assert "this window is closed" in said
    assert "At its end 10 were granted, 4 used and 6 left." in said
    assert "In it, 4 were paid by Plan “Gold”" in said
    assert template.definition.name in said


def test_what_became_of_a_grant_is_told() -> None:
    entity, presses = customer(), PressesFactory()
    correct(entity, presses.code, amount=5, by=ANNA, now=NOON, operation_key="k1")
    end_grant(Grant.objects.get(), by=ByHand(actor="bob", reason="Wrong."), now=LATER)

    said = told(tell_limit(entity, presses.code, now=LATER)[1])

    assert "anna gave it by hand: “Waited too long”." in said
    assert "It ended at" in said
    assert "ended by operator (manual console bob)" in said


class TestPages:
    def test_a_page_has_the_sentences_as_text_to_copy_and_links(self, operator: Client) -> None:
        entity, template = on_a_plan()
        url = f"/admin/billing/billableentity/{entity.pk}/explain/?code={template.definition.code}"

        answer = operator.get(url)

        page = answer.content.decode()
        assert "Presses" in answer.context["text"]
        assert "T12:00:00.000Z" not in page
        assert 'data-copy="explanation" hidden' in page
        assert '<textarea id="explanation"' in page
        assert address(PlanTemplate, "change", template.pk) in page

    @pytest.mark.parametrize("code", ["", "nothing.such"])
    def test_a_limit_that_is_not_there_is_not_found(self, operator: Client, code: str) -> None:
        entity = customer()

        answer = operator.get(f"/admin/billing/billableentity/{entity.pk}/explain/?code={code}")

        assert answer.status_code == 404

    def test_explaining_costs_the_same_with_few_and_with_many_grants(self, operator: Client) -> None:
        entity, template = on_a_plan()
        refusal = refused(entity, template.definition)
        press(entity, "first", amount=4, now=NOON)
        use = Consumption.objects.get()
        urls = [
            f"/admin/billing/billableentity/{entity.pk}/explain/?code={template.definition.code}",
            f"{address(Decision, 'change', refusal.pk).removesuffix('change/')}explain/",
            f"{address(Consumption, 'change', use.pk).removesuffix('change/')}explain/",
        ]
        with_few = [queries_of(operator, url) for url in urls]
        for number in range(30):
            correct(entity, template.definition.code, amount=5, by=ANNA, now=LATER, operation_key=f"k{number}")

        assert [queries_of(operator, url) for url in urls] == with_few
        assert max(with_few) <= 25

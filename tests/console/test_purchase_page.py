"""The page of a purchase: what was paid, what it granted, what was taken back of it, and where it came from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from billing.engine.types import SourceType
from billing.models import AssignmentProviderDetail, Grant, GrantAdjustment, GrantEnding, Purchase, PurchaseAdjustment
from tests import NOON
from tests.console.support import address, assignment, purchase, queries_of, signed_in, staff
from tests.factories import GrantFactory, PlanFactory
from tests.gadgets.factories import CreditsFactory, PressesFactory
from tests.house.rows import insert

pytestmark = pytest.mark.django_db


def granted(row: Purchase, **said: Any) -> Grant:
    made: Grant = GrantFactory(
        subject=row.billable_entity, source_type=SourceType.BILLING_PURCHASE, source_id=str(row.pk), **said
    )
    return made


def took(grant: Grant, **said: Any) -> GrantAdjustment:
    about = {"subject_id": grant.subject_id, "definition_id": grant.definition_id, "grant_id": grant.pk}
    made: GrantAdjustment = insert(GrantAdjustment, source_type="billing_purchase", **about | said)
    return made


def shown(client: Client, row: Purchase) -> str:
    answer = client.get(address(Purchase, "change", row.pk))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_purchase_that_is_as_it_was_paid(operator: Client) -> None:
    row = purchase()
    granted(row, definition=PressesFactory(), amount=20)

    page = shown(operator, row)

    assert "5.00 EUR" in page
    assert "Nothing went back." in page
    assert "20" in page
    assert "no refund, no void, no correction, no dispute" in page
    assert address(type(row.billable_entity), "change", row.billable_entity_id) in page


def test_what_went_back_and_what_was_taken_of_which_grant(operator: Client) -> None:
    row = purchase()
    presses = granted(row, definition=PressesFactory(), amount=20)
    stock = granted(row, definition=CreditsFactory(), amount=9)
    took(presses, kind="take", amount=8, reason="refunded")
    took(stock, kind="freeze", amount=0, reason="disputed")
    insert(
        PurchaseAdjustment,
        purchase=row,
        status="succeeded",
        amount_minor=-200,
        provider_reference="re_1",
        metadata_json={"counted_minor": 200},
    )
    insert(PurchaseAdjustment, purchase=row, status="failed", amount_minor=-100, reason="Too late.")

    answer = operator.get(address(Purchase, "change", row.pk))

    lines = answer.context["page"].grants
    assert [(line.grant.amount, line.taken, line.left, line.frozen) for line in lines] == [
        (20, 8, 12, False),
        (9, 0, 0, True),
    ]
    page = " ".join(answer.content.decode().split())
    assert "<strong>2.00 EUR</strong> of 5.00 EUR went back; 3.00 EUR is left." in page
    assert "re_1" in page
    assert "Too late." in page


def test_a_grant_that_ended_gives_nothing_more(operator: Client) -> None:
    row = purchase()
    grant = granted(row, definition=PressesFactory(), amount=20)
    insert(GrantEnding, grant_id=grant.pk, subject_id=grant.subject_id, ended_at=NOON + timedelta(days=1))

    assert "ended 20" in shown(operator, row)


def test_a_flagged_purchase_says_what_is_to_be_looked_at(operator: Client) -> None:
    row = purchase()
    Purchase.objects.update(flag="unknown_product", product=None, provider_price_id="price_lost")

    page = shown(operator, row)

    assert "To be looked at" in page
    assert "The catalog knows no product or plan of this price" in page
    assert "price_lost" in page


def test_flagged_purchases_are_found(operator: Client) -> None:
    flagged, fine = purchase(), purchase()
    Purchase.objects.filter(pk=flagged.pk).update(flag="unknown_product")

    found = {
        value: [row.pk for row in operator.get(f"{address(Purchase, 'changelist')}{query}").context["cl"].result_list]
        for value, query in {"all": "", "yes": "?flagged=yes", "no": "?flagged=no"}.items()
    }

    assert found == {"all": [fine.pk, flagged.pk], "yes": [flagged.pk], "no": [fine.pk]}


def test_an_invoice_leads_to_the_plan_it_pays_for(operator: Client) -> None:
    paid = assignment()
    AssignmentProviderDetail.objects.create(assignment=paid, provider="mock", provider_subscription_id="sub_1")
    row = purchase()
    Purchase.objects.update(plan=PlanFactory(name="Gold"), product=None, provider_subscription_id="sub_1")

    page = shown(operator, row)

    assert "An invoice of the plan Gold" in page
    assert f"assignment {paid.pk}" in page
    assert "sub_1" in page


def test_the_page_costs_the_same_whatever_was_done(operator: Client) -> None:
    row, plain = purchase(), purchase()
    presses, stock = PressesFactory(), CreditsFactory()
    for number in range(6):
        grant = granted(row, definition=presses if number % 2 else stock, amount=20)
        for each in range(3):
            took(grant, kind="take", amount=1, reason="refunded", dedupe_key=f"{grant.pk}-{each}")
            insert(PurchaseAdjustment, purchase=row, amount_minor=-10)
    granted(plain, definition=presses)
    url = address(Purchase, "change", row.pk)
    queries_of(operator, url)

    lived, fresh = queries_of(operator, url), queries_of(operator, address(Purchase, "change", plain.pk))

    assert lived == fresh
    assert lived <= 15


def test_nobody_writes_to_the_page_and_strangers_do_not_see_it() -> None:
    row = purchase()
    dora = signed_in(staff("billing.view_billingevent"))

    assert dora.get(address(Purchase, "change", row.pk)).status_code == 403


def test_what_a_provider_says_is_shown_as_text(operator: Client) -> None:
    row = purchase()
    Purchase.objects.update(display_name="<script>alert(1)</script>")

    assert "<script>alert(1)" not in shown(operator, row)

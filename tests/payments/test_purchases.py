"""A confirmed payment is one purchase, whatever number of events tells of it, and is granted once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from billing.entitlements.manual import ByHand
from billing.errors import IdempotencyConflict
from billing.models import BillableEntity, BillingEvent, Grant, Purchase
from billing.models.purchases import PurchaseKind, PurchaseStatus
from billing.payments.connectors.facts import DisputeState, PaymentConfirmed, Whose
from billing.payments.purchases import PRODUCT_ASSIGNED, UNKNOWN_PRODUCT, NotYetTied, assign_product
from mozaiks.kit.errors import Conflict
from tests import NOON
from tests.entitlements.looking import Numbers, numbers
from tests.entitlements.proof import assert_no_difference
from tests.entitlements.statements import counted
from tests.factories import BillableEntityFactory, DefinitionFactory, PlanFactory, ProductFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory
from tests.gadgets.services import press
from tests.payments.support import PRICE, confirm, disputed, given, pack, paid, refunded, tell

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=3)
#: Statements from the first lock to the last balance write, in a window that is open.
PURCHASE = 9
ANNA = ByHand(actor="anna", reason="Asked the customer.")

#: An invoice that was paid: it knows what for; two others know only which ids belong together.
INVOICE = paid(invoice_id="in_1", payment_id=None, display_name="1 × Pack")
TIE = paid(amount_minor=None, price_id=None, invoice_id="in_1")
OF_INVOICE = paid(amount_minor=None, price_id=None, payment_id=None, session_id="cs_1", invoice_id="in_1")
#: Something that was paid at once: the checkout and the payment both know what for.
SESSION = paid(session_id="cs_1", operation_key="k1")
PAYMENT = paid()
TOLD = [*permutations([INVOICE, TIE, OF_INVOICE]), *permutations([SESSION, PAYMENT, SESSION])]


@pytest.fixture(autouse=True)
def _no_drift(db: None) -> Iterator[None]:
    yield
    assert_no_difference()


def test_a_payment_is_a_purchase_and_its_product_is_granted_from_the_time_of_the_payment() -> None:
    presses, money = PressesFactory(), CreditsFactory()
    product = pack((presses, 10), (money, 100))
    entity = BillableEntityFactory()

    made = confirm(paid(quantity=3), entity, now=LATER)

    purchase = Purchase.objects.get()
    assert made.fresh
    assert (purchase.product, purchase.quantity, purchase.amount_minor, purchase.currency) == (product, 3, PRICE, "EUR")
    assert (purchase.purchased_at, purchase.projected_at, purchase.flag) == (NOON, LATER, "")
    assert (purchase.purchase_kind, purchase.status) == (PurchaseKind.TOPUP, PurchaseStatus.CONFIRMED)
    assert set(Grant.objects.values_list("amount", "effective_at")) == {(30, NOON), (300, NOON)}
    assert numbers(entity, money) == Numbers(300, 0, 300)


def test_the_same_event_again_changes_nothing() -> None:
    pack((PressesFactory(), 10))
    entity = BillableEntityFactory()
    first = confirm(paid(), entity)

    again = confirm(paid(), entity, now=LATER)

    assert (again.fresh, again.changed, again.purchase.pk) == (False, False, first.purchase.pk)
    assert Grant.objects.count() == 1


def test_a_code_of_our_own_names_the_product_before_the_price_does() -> None:
    pack((PressesFactory(), 10))
    other = ProductFactory(code="other")

    made = confirm(paid(product_code="other"), BillableEntityFactory())

    assert made.purchase.product == other


@pytest.mark.parametrize("order", TOLD)
def test_events_that_know_different_ids_make_one_purchase_in_any_order(order: tuple[PaymentConfirmed, ...]) -> None:
    presses = PressesFactory()
    pack((presses, 10))
    entity = BillableEntityFactory()

    waiting = list(order)
    while waiting:
        waiting = [fact for fact in waiting if not told(fact, entity)]

    purchase = Purchase.objects.get()
    known = (purchase.provider_invoice_id, purchase.provider_payment_id, purchase.provider_checkout_session_id)
    assert known == ("in_1" if INVOICE in order else None, "pi_1", "cs_1")
    assert purchase.dedupe_key == ("invoice:stripe:in_1" if INVOICE in order else "payment:stripe:pi_1")
    assert numbers(entity, presses).granted == 10


def told(fact: PaymentConfirmed, entity: BillableEntity) -> bool:
    """Whether the event could be tied to a payment; else it waits."""
    try:
        confirm(fact, entity)
    except NotYetTied:
        return False
    return True


def test_an_event_that_only_ties_ids_makes_no_purchase() -> None:
    pack((PressesFactory(), 10))

    with pytest.raises(NotYetTied):
        confirm(TIE, BillableEntityFactory())

    assert not Purchase.objects.exists()


def test_a_payment_of_nobody_we_know_waits() -> None:
    with pytest.raises(NotYetTied):
        confirm(paid(), None)

    assert not Purchase.objects.exists()


def test_a_payment_known_by_now_needs_nobody_to_say_whose_it_is() -> None:
    pack((PressesFactory(), 10))
    purchase = confirm(paid(), BillableEntityFactory()).purchase

    confirm(paid(invoice_id="in_1"), None)

    purchase.refresh_from_db()
    assert purchase.provider_invoice_id == "in_1"


def test_ids_of_two_purchases_are_never_put_together() -> None:
    entity = BillableEntityFactory()
    confirm(paid(payment_id="pi_1"), entity)
    confirm(paid(payment_id=None, invoice_id="in_2"), entity)

    with pytest.raises(NotYetTied, match="two purchases"):
        confirm(paid(payment_id="pi_1", invoice_id="in_2"), entity)

    assert Purchase.objects.count() == 2


def test_a_payment_of_one_customer_is_not_completed_by_anothers_event() -> None:
    confirm(paid(), BillableEntityFactory())

    with pytest.raises(NotYetTied, match="another customer"):
        confirm(paid(invoice_id="in_1"), BillableEntityFactory())


def test_the_same_ids_at_another_provider_are_another_purchase() -> None:
    entity = BillableEntityFactory()
    confirm(paid(), entity)
    Purchase.objects.update(provider="other", dedupe_key="payment:other:pi_1")

    assert confirm(paid(), entity).fresh


def test_an_unknown_price_is_kept_and_flagged_and_grants_nothing() -> None:
    made = confirm(paid(price_id="price_unknown"), BillableEntityFactory())

    assert (made.purchase.flag, made.purchase.projected_at) == (UNKNOWN_PRODUCT, None)
    assert not Grant.objects.exists()


def test_a_later_event_that_knows_the_price_grants_and_takes_the_flag_off() -> None:
    money = CreditsFactory()
    pack((money, 10))
    entity = BillableEntityFactory()
    confirm(paid(price_id=None), entity)

    confirm(paid(quantity=2), entity)

    purchase = Purchase.objects.get()
    assert (purchase.flag, purchase.quantity) == ("", 2)
    assert numbers(entity, money) == Numbers(20, 0, 20)


def test_a_paid_invoice_of_a_plan_is_billing_history() -> None:
    plan = PlanFactory(checkout_provider="stripe", checkout_provider_price_id="price_pro")
    period = {"period_start_at": NOON, "period_end_at": NOON + timedelta(days=30)}

    made = confirm(
        paid(price_id="price_pro", invoice_id="in_1", **period),
        BillableEntityFactory(),
    )

    assert (made.purchase.purchase_kind, made.purchase.plan, made.purchase.flag) == ("subscription_invoice", plan, "")
    assert made.purchase.period_start_at == NOON


def test_an_addon_that_is_paid_every_month_grants_with_every_invoice() -> None:
    money = CreditsFactory()
    pack((money, 10))
    entity = BillableEntityFactory()
    whose = Whose(subscription_id="sub_1")

    for number in (1, 2):
        confirm(paid(whose=whose, payment_id=f"pi_{number}", invoice_id=f"in_{number}"), entity)

    assert set(Purchase.objects.values_list("purchase_kind", flat=True)) == {PurchaseKind.SUBSCRIPTION_INVOICE}
    assert numbers(entity, money) == Numbers(20, 0, 20)


def test_what_was_bought_pays_overage_at_once_and_capacity_rises() -> None:
    places = PlacesFactory()
    pack((places, 5))
    entity = BillableEntityFactory()

    confirm(paid(), entity)

    assert numbers(entity, places) == Numbers(5, 0, 5)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("templates", [1, 8])
def test_a_purchase_takes_at_most_nine_statements_whatever_the_number_of_templates(templates: int) -> None:
    pack(*((definition, 10) for definition in DefinitionFactory.create_batch(templates)))
    entity = BillableEntityFactory()
    confirm(paid(), entity)

    statements = counted(lambda: confirm(paid(payment_id="pi_2"), entity))

    assert len(statements) <= PURCHASE, statements
    assert Grant.objects.count() == 2 * templates


# -- an operator says what it was for ----------------------------------------------------------------------------------


def test_an_operator_says_what_a_flagged_purchase_was_for() -> None:
    money = CreditsFactory()
    entity = BillableEntityFactory()
    purchase = confirm(paid(price_id="gone"), entity).purchase
    product = pack((money, 10))

    for _ in range(2):
        assign_product(purchase, product, by=ANNA, now=LATER, operation_key="k")

    purchase.refresh_from_db()
    assert (purchase.product, purchase.flag, purchase.projected_at) == (product, "", LATER)
    assert Grant.objects.get().effective_at == NOON
    assert BillingEvent.objects.filter(event_name=PRODUCT_ASSIGNED, actor="anna").count() == 1


def test_what_was_refunded_and_disputed_before_is_brought_to_the_grants_of_an_assigned_product() -> None:
    money = CreditsFactory()
    entity = BillableEntityFactory()
    purchase = confirm(paid(price_id="gone"), entity).purchase
    tell(refunded(300))
    tell(disputed(DisputeState.OPENED, 100))

    assign_product(purchase, pack((money, 10)), by=ANNA, now=LATER, operation_key="k")

    (grant,) = given(purchase)
    assert (grant.taken, grant.frozen, grant.ended) == (3, True, False)


def test_a_purchase_that_is_known_keeps_its_product() -> None:
    product = pack((CreditsFactory(), 10))
    purchase = confirm(paid(), BillableEntityFactory()).purchase

    with pytest.raises(Conflict):
        assign_product(purchase, product, by=ANNA, now=LATER, operation_key="k")

    assert Grant.objects.count() == 1


def test_a_key_stands_for_one_product() -> None:
    purchase = confirm(paid(price_id="gone"), BillableEntityFactory()).purchase
    assign_product(purchase, pack((CreditsFactory(), 10)), by=ANNA, now=LATER, operation_key="k")

    with pytest.raises(IdempotencyConflict):
        assign_product(purchase, ProductFactory(), by=ANNA, now=LATER, operation_key="k")


def test_units_used_beyond_the_limit_are_paid_by_what_was_bought(settings: Any) -> None:
    settings.MOZAIKS_ENFORCE_QUOTAS = False
    presses, entity = PressesFactory(), BillableEntityFactory()
    pack((presses, 10))
    press(entity, "beyond", amount=4)

    confirm(paid(), entity, now=LATER)

    assert numbers(entity, presses) == Numbers(10, 4, 6)

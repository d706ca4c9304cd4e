"""One checkout at a time, from the intent to its end; nothing done twice, and nothing granted by any of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from billing.errors import (
    CheckoutCompletionPending,
    CheckoutInProgress,
    CheckoutOpen,
    CheckoutPlanNotFound,
    CheckoutProductNotFound,
    SubscriptionExists,
)
from billing.models import BillableEntity, BillingCustomer, CheckoutSession, ProviderSubscription, Purchase
from billing.models.assignments import AssignmentProviderDetail, PlanAssignment, SubscriptionStatus
from billing.models.catalog import ProductKind
from billing.payments.checkout import (
    close_open,
    note_ended,
    open_checkout,
    payment_link,
    plan_for_sale,
    product_for_sale,
)
from billing.payments.connectors.base import CheckoutSeen, ConfigurationInvalid, OutcomeUnknown, ProviderError
from billing.payments.connectors.facts import CheckoutEnded, CheckoutOutcome, Whose
from billing.payments.sessions import LIFETIME, STALE
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.factories import BillableEntityFactory
from tests.house.rows import insert
from tests.payments.scripted import Scripted
from tests.payments.shop import pack, pro, wanted


@pytest.fixture
def entity(db: None) -> BillableEntity:
    made: BillableEntity = BillableEntityFactory()
    return made


@pytest.fixture
def stripe() -> Scripted:
    return Scripted()


def begin(entity: BillableEntity, stripe: Scripted, key: str = "k", *, now: Any = NOON, **what: Any) -> CheckoutSession:
    return open_checkout(entity, wanted(**what), connector=stripe, operation_key=key, now=now)


def ended(row: CheckoutSession, outcome: CheckoutOutcome, *, now: Any = NOON, **said: str) -> CheckoutSession:
    fact = CheckoutEnded(whose=Whose(), outcome=outcome, **{"session_id": row.provider_session_id or "", **said})
    run_in_transaction(lambda: note_ended(fact, provider=row.provider, event=None, now=now))
    row.refresh_from_db()
    return row


def reported(row: CheckoutSession) -> None:
    """The subscription's own report has come."""
    insert(
        ProviderSubscription,
        billable_entity=row.billable_entity,
        provider=row.provider,
        created_at=row.created_at,
        last_event_created_at=NOON,
    )


def subscribed(entity: BillableEntity, status: str = "active", **details: Any) -> PlanAssignment:
    assignment: PlanAssignment = insert(
        PlanAssignment, billable_entity=entity, status="current", source="provider", subscription_status=status
    )
    AssignmentProviderDetail.objects.create(
        assignment=assignment, **{"provider": "stripe", "provider_subscription_id": "sub_1", **details}
    )
    return assignment


class TestOpening:
    def test_the_provider_is_told_what_the_catalog_says(self, entity: BillableEntity, stripe: Scripted) -> None:
        row = begin(entity, stripe, plan=pro(trial_days=14))

        ((_, order),) = stripe.calls
        assert (order.price_id, order.plan_code, order.quantity, order.trial_days) == ("price_pro", "pro", 1, 14)
        assert (order.entity_id, order.operation_key) == (entity.pk, "k")
        assert order.success_url == "https://billing.example.org/paid"
        assert order.expires_at == NOON + LIFETIME
        assert (row.status, row.checkout_url) == ("open", "https://pay.example.org/cs_k")

    def test_the_intent_is_there_before_the_provider_is_called(self, entity: BillableEntity, stripe: Scripted) -> None:
        found: list[str] = []
        stripe.faults.append(lambda: found.extend(CheckoutSession.objects.values_list("status", flat=True)))

        begin(entity, stripe, plan=pro())

        assert found == ["creating"]

    def test_a_known_customer_is_named(self, entity: BillableEntity, stripe: Scripted) -> None:
        insert(BillingCustomer, billable_entity=entity, provider="stripe", provider_customer_id="cus_1")

        begin(entity, stripe, product=pack(), quantity=3)

        ((_, order),) = stripe.calls
        assert (order.customer_id, order.price_id, order.quantity) == ("cus_1", "price_pack", 3)

    def test_a_trial_is_had_once(self, entity: BillableEntity, stripe: Scripted) -> None:
        insert(PlanAssignment, billable_entity=entity, status="past", trial_end_at=NOON)

        begin(entity, stripe, plan=pro(trial_days=14))

        assert stripe.calls[0][1].trial_days == 0

    def test_a_price_of_another_provider_is_none_of_this_one(self, entity: BillableEntity, stripe: Scripted) -> None:
        begin(entity, stripe, plan=pro(checkout_provider="paddle"))

        assert stripe.calls[0][1].price_id == ""

    @pytest.mark.usefixtures("entity")
    def test_what_is_not_for_sale_is_refused(self) -> None:
        pro(code="old", is_active=False)
        pro(code="free", checkout_unit_amount_minor=0)
        pack(code="gone", is_active=False, provider_price_id="a")
        pack(code="addon", product_kind=ProductKind.SUBSCRIPTION_ADDON, provider_price_id="b")

        for code in ("old", "none"):
            with pytest.raises(CheckoutPlanNotFound):
                plan_for_sale(code)
        with pytest.raises(CheckoutProductNotFound):
            product_for_sale("gone")
        with pytest.raises(ConfigurationInvalid):
            plan_for_sale("free")
        with pytest.raises(ConfigurationInvalid):
            product_for_sale("addon")


class TestTheProviderFails:
    def test_a_refusal_ends_the_checkout_and_the_next_one_may_begin(
        self, entity: BillableEntity, stripe: Scripted
    ) -> None:
        stripe.refuses()
        plan = pro()
        with pytest.raises(ProviderError) as refused:
            begin(entity, stripe, plan=plan)
        assert refused.value.code == "checkout_provider_error"
        assert CheckoutSession.objects.get().status == "failed"

        again = begin(entity, stripe, plan=plan)

        assert (again.status, again.operation_key) == ("open", "k.1")
        assert begin(entity, stripe, plan=plan).pk == again.pk

    def test_a_lost_answer_is_fetched_with_the_same_key(self, entity: BillableEntity, stripe: Scripted) -> None:
        plan = pro()
        stripe.loses_answer()
        with pytest.raises(OutcomeUnknown):
            begin(entity, stripe, plan=plan)
        with pytest.raises(CheckoutInProgress):
            begin(entity, stripe, "another", plan=plan)

        row = begin(entity, stripe, plan=plan)

        assert (row.status, row.checkout_url) == ("open", "https://pay.example.org/cs_k")
        assert stripe.count("checkout") == 1

    def test_another_request_finishes_what_a_crash_left(self, entity: BillableEntity, stripe: Scripted) -> None:
        plan = pro()
        stripe.loses_answer()
        with pytest.raises(OutcomeUnknown):
            begin(entity, stripe, plan=plan)

        row = begin(entity, stripe, "another", plan=plan, now=NOON + STALE)

        assert (row.operation_key, row.status) == ("k", "open")
        assert stripe.count("checkout") == 1

    def test_the_repeated_call_says_the_same_whatever_changed_meanwhile(
        self, entity: BillableEntity, stripe: Scripted
    ) -> None:
        plan = pro()
        stripe.loses_answer()
        with pytest.raises(OutcomeUnknown):
            begin(entity, stripe, plan=plan)
        insert(BillingCustomer, billable_entity=entity, provider="stripe", provider_customer_id="cus_1")
        plan.checkout_provider_price_id = "price_other"
        plan.save()

        assert begin(entity, stripe, plan=plan, now=NOON + timedelta(hours=1)).status == "open"


class TestOneAtATime:
    def test_the_very_same_is_given_again(self, entity: BillableEntity, stripe: Scripted) -> None:
        product = pack()
        first = begin(entity, stripe, product=product)

        again = begin(entity, stripe, "k2", product=product)

        assert again.pk == first.pk
        assert stripe.count("checkout") == 1

    @pytest.mark.parametrize("other", [{"quantity": 2}, {"success_path": "/elsewhere"}])
    def test_another_is_told_where_the_open_one_is(
        self, entity: BillableEntity, stripe: Scripted, other: dict[str, Any]
    ) -> None:
        product = pack()
        begin(entity, stripe, product=product)

        with pytest.raises(CheckoutOpen) as refused:
            begin(entity, stripe, "k2", product=product, **other)

        assert refused.value.code == "checkout_session_open"
        assert refused.value.details == {
            "checkoutUrl": "https://pay.example.org/cs_k",
            "planCode": None,
            "productCode": "pack",
            "quantity": 1,
            "expiresAt": "2026-02-21T13:00:00.000Z",
        }

    def test_an_open_one_that_ran_out_is_in_nobodys_way(self, entity: BillableEntity, stripe: Scripted) -> None:
        product = pack()
        begin(entity, stripe, product=product)
        stripe.seen["cs_k"] = CheckoutSeen(session_id="cs_k", outcome=CheckoutOutcome.EXPIRED)

        assert begin(entity, stripe, "k2", product=product).operation_key == "k2"
        assert CheckoutSession.objects.get(operation_key="k").status == "expired"

    def test_one_that_is_paid_is_waited_for(self, entity: BillableEntity, stripe: Scripted) -> None:
        product = pack()
        begin(entity, stripe, product=product)
        stripe.seen["cs_k"] = CheckoutSeen(session_id="cs_k", outcome=CheckoutOutcome.COMPLETED, paid=True)

        with pytest.raises(CheckoutCompletionPending) as refused:
            begin(entity, stripe, "k2", product=product)
        assert refused.value.code == "checkout_completion_pending"

        insert(Purchase, billable_entity=entity, provider="stripe", provider_checkout_session_id="cs_k")
        assert begin(entity, stripe, "k2", product=product).operation_key == "k2"
        assert CheckoutSession.objects.get(operation_key="k").status == "completed"

    def test_where_the_provider_is_silent_what_is_known_counts(self, entity: BillableEntity, stripe: Scripted) -> None:
        product = pack()
        first = begin(entity, stripe, product=product)
        stripe.down()

        assert begin(entity, stripe, "k2", product=product).pk == first.pk

    def test_another_entity_is_not_concerned(self, entity: BillableEntity, stripe: Scripted) -> None:
        product = pack()
        begin(entity, stripe, product=product)

        assert begin(BillableEntityFactory(), stripe, "k2", product=product).operation_key == "k2"

    @pytest.mark.parametrize("status", [status.value for status in SubscriptionStatus])
    def test_a_plan_beside_a_living_subscription_is_refused(
        self, entity: BillableEntity, stripe: Scripted, status: str
    ) -> None:
        subscribed(entity, status)
        plan = pro()

        if status in ("active", "trialing", "past_due"):
            with pytest.raises(SubscriptionExists) as refused:
                begin(entity, stripe, plan=plan)
            assert refused.value.code == "subscription_exists_use_portal"
        else:
            assert begin(entity, stripe, plan=plan).status == "open"

    def test_a_product_may_be_bought_beside_a_subscription(self, entity: BillableEntity, stripe: Scripted) -> None:
        subscribed(entity)

        assert begin(entity, stripe, product=pack()).status == "open"

    def test_who_canceled_and_only_has_the_rest_of_the_period_may_subscribe_again(
        self, entity: BillableEntity, stripe: Scripted
    ) -> None:
        subscribed(entity, ended_at=NOON)

        assert begin(entity, stripe, plan=pro()).status == "open"


class TestTheEnd:
    def test_a_plan_stays_paid_until_its_subscription_is_reported(
        self, entity: BillableEntity, stripe: Scripted
    ) -> None:
        plan = pro()
        row = ended(begin(entity, stripe, plan=plan), CheckoutOutcome.COMPLETED)
        assert (row.status, row.completed_at) == ("paid", NOON)
        with pytest.raises(CheckoutCompletionPending):
            begin(entity, stripe, "k2", plan=plan)

        reported(row)

        assert begin(entity, stripe, "k2", plan=plan).operation_key == "k2"
        row.refresh_from_db()
        assert row.status == "completed"

    def test_where_the_report_came_first_it_is_completed_at_once(
        self, entity: BillableEntity, stripe: Scripted
    ) -> None:
        row = begin(entity, stripe, plan=pro())
        reported(row)

        assert ended(row, CheckoutOutcome.COMPLETED).status == "completed"

    def test_an_event_may_come_before_the_answer(self, entity: BillableEntity, stripe: Scripted) -> None:
        product = pack()
        stripe.loses_answer()
        with pytest.raises(OutcomeUnknown):
            begin(entity, stripe, product=product)
        row = CheckoutSession.objects.get()

        ended(row, CheckoutOutcome.COMPLETED, session_id="cs_k", operation_key="k")

        assert (row.status, row.provider_session_id) == ("completed", "cs_k")
        assert begin(entity, stripe, product=product).status == "completed"

    @pytest.mark.parametrize(
        "events",
        [
            [CheckoutOutcome.COMPLETED, CheckoutOutcome.FAILED],
            [CheckoutOutcome.FAILED, CheckoutOutcome.COMPLETED],
            [CheckoutOutcome.FAILED, CheckoutOutcome.COMPLETED, CheckoutOutcome.FAILED],
        ],
    )
    def test_the_order_of_events_does_not_matter(
        self, entity: BillableEntity, stripe: Scripted, events: list[CheckoutOutcome]
    ) -> None:
        row = begin(entity, stripe, product=pack())

        for outcome in events:
            ended(row, outcome)

        assert row.status == "failed"

    def test_one_that_was_given_up_and_is_paid_all_the_same_blocks_nobody(
        self, entity: BillableEntity, stripe: Scripted
    ) -> None:
        plan = pro()
        first = begin(entity, stripe, plan=plan)
        ended(first, CheckoutOutcome.EXPIRED)
        begin(entity, stripe, "k2", plan=plan)

        assert ended(first, CheckoutOutcome.COMPLETED).status == "completed"

    def test_a_checkout_of_somebody_else_is_nobodys(self, entity: BillableEntity, stripe: Scripted) -> None:
        row = begin(entity, stripe, product=pack())

        assert ended(row, CheckoutOutcome.COMPLETED, session_id="cs_other").status == "open"

    def test_closing_closes_at_the_provider_too(self, entity: BillableEntity, stripe: Scripted) -> None:
        assert close_open(entity, connector=stripe, now=NOON) is None
        begin(entity, stripe, product=pack())

        closed = close_open(entity, connector=stripe, now=NOON)

        assert closed is not None
        assert closed.status == "expired"
        assert ("expire_checkout", "cs_k") in stripe.calls

    def test_one_that_was_paid_meanwhile_is_not_closed(self, entity: BillableEntity, stripe: Scripted) -> None:
        begin(entity, stripe, product=pack())
        stripe.seen["cs_k"] = CheckoutSeen(session_id="cs_k", outcome=CheckoutOutcome.COMPLETED, paid=True)

        with pytest.raises(CheckoutCompletionPending):
            close_open(entity, connector=stripe, now=NOON)


def test_a_payment_link_blocks_nothing(entity: BillableEntity, stripe: Scripted) -> None:
    link = payment_link(entity, wanted(product=pack(), quantity=2), connector=stripe, operation_key="k", now=NOON)

    ((_, order),) = stripe.calls
    assert link.url == "https://pay.example.org/link"
    assert (order.product_code, order.quantity, order.entity_id) == ("pack", 2, entity.pk)
    assert not CheckoutSession.objects.exists()

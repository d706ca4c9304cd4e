"""The page of a customer: everything a support question asks for, at a price that does not grow."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client

from billing.engine.types import SourceType
from billing.entitlements.manual import ByHand, end_grant, grant_manually
from billing.models import (
    BillableEntity,
    BillingEvent,
    Decision,
    Definition,
    Grant,
    Hold,
    PlanAssignment,
    Purchase,
    PurchaseAdjustment,
)
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from billing.subscriptions.scheduling import schedule
from console.customer import customer_page
from mozaiks.kit import clock
from tests import NOON
from tests.console.support import address, customer, queries_of, signed_in, staff
from tests.factories import GrantFactory, MembershipFactory, PlanFactory, PlanTemplateFactory, UserFactory
from tests.gadgets.factories import (
    AccessFactory,
    CreditsFactory,
    PlacesFactory,
    PressesFactory,
    PulsesFactory,
    ReadingsFactory,
)
from tests.gadgets.services import charge, press, take_place

pytestmark = pytest.mark.django_db

ANNA = ByHand(actor="anna", reason="A gift for waiting.")


def limits() -> list[Definition]:
    kinds = (PressesFactory, CreditsFactory, PlacesFactory, AccessFactory, PulsesFactory, ReadingsFactory)
    return [make() for make in kinds]


def live(entity: BillableEntity, number: int, *, now: datetime) -> None:
    """``number`` of everything that may happen to a customer."""
    presses, stock, places = PressesFactory(), CreditsFactory(), PlacesFactory()
    first = Grant.objects.count()
    for each in range(number):
        key = f"{first}-{each}"
        plan = PlanTemplateFactory(definition=presses, amount=10).plan
        PlanTemplateFactory(plan=plan, definition=places, amount=5)
        assign(entity, plan, source=AssignmentSource.MANUAL, actor="anna", reason="Asked.", now=now)
        bought = purchase(entity, key, now=now)
        GrantFactory(
            subject=entity,
            definition=stock,
            amount=5,
            source_type=SourceType.BILLING_PURCHASE,
            source_id=str(bought.pk),
            effective_at=now,
            recorded_at=now,
            dedupe_key=f"g1:purchase:{key}",
        )
        grant_manually(
            entity, presses.code, amount=3, by=ANNA, now=now, operation_key=key, expires_at=now + timedelta(days=40)
        )
        charge(entity, 1, key=f"charge-{key}", now=now)
        press(entity, f"press-{key}", now=now)
        refusal(entity, presses, now=now)
    ended = Grant.objects.filter(subject=entity).order_by("pk").last()
    assert ended is not None
    end_grant(ended, by=ANNA, now=now)
    take_place(entity, f"place-{first}", now=now)
    schedule(entity, PlanFactory(), source=AssignmentSource.MANUAL, actor="anna", reason="Later.", now=now)


def purchase(entity: BillableEntity, key: str, *, now: datetime) -> Purchase:
    made = Purchase.objects.create(
        billable_entity=entity,
        provider="mock",
        purchase_kind="one_off",
        status="partially_refunded",
        amount_minor=500,
        currency="EUR",
        display_name="A pack",
        provider_payment_id=f"pay-{key}",
        dedupe_key=f"p1:test:{key}",
        purchased_at=now,
        created_at=now,
        updated_at=now,
    )
    PurchaseAdjustment.objects.create(
        purchase=made,
        action="refund",
        status="succeeded",
        amount_minor=-100,
        currency="EUR",
        reason="Did not work.",
        requested_by="anna",
        created_at=now,
        updated_at=now,
    )
    return made


def refusal(entity: BillableEntity, definition: Definition, *, now: datetime) -> Decision:
    return Decision.objects.create(
        subject=entity,
        definition=definition,
        capability="gadgets.press",
        code="BILLING_LIMIT_EXCEEDED",
        reason="quota_exhausted",
        requested=1,
        limit=10,
        used=10,
        occurred_at=now,
    )


def test_the_page_costs_the_same_with_3_and_with_60_of_everything() -> None:
    support = signed_in(
        staff("billing.view_billableentity", "billing.view_grant", "billing.view_balance", "billing.set_plan")
    )
    limits()
    few, many = customer(), customer()
    now = clock.now()
    live(few, 3, now=now)
    live(many, 60, now=now)
    Hold.objects.all().delete()
    queries_of(support, address(BillableEntity, "change", few.pk))

    with_few = queries_of(support, address(BillableEntity, "change", few.pk))
    with_many = queries_of(support, address(BillableEntity, "change", many.pk))

    assert with_few == with_many
    assert with_many <= 25


def test_the_page_of_somebody_new_is_within_its_budget_and_empty(operator: Client) -> None:
    limits()
    url = address(BillableEntity, "change", customer().pk)
    queries_of(operator, url)

    assert queries_of(operator, url) <= 25
    page = operator.get(url).content.decode()
    for said in ("No plan.", "never on a plan", "Nothing was used", "Nothing was refused", "Nothing was bought"):
        assert said in page


def test_everything_that_happened_is_on_the_page_with_who_and_why(operator: Client) -> None:
    limits()
    entity = customer()
    live(entity, 1, now=clock.now())

    page = operator.get(address(BillableEntity, "change", entity.pk)).content.decode()

    for said in (
        "A gift for waiting.",
        "Did not work.",
        "A plan change was scheduled",
        "Refused",
        "A purchase was paid",
        "Purchase “A pack”",
        "press-",
        "UTC",
        "Resets in",
    ):
        assert said in page, said


def test_each_limit_is_labelled_for_those_who_do_not_see_the_bar(operator: Client) -> None:
    entity, presses = customer(), PressesFactory()
    GrantFactory(subject=entity, definition=presses, amount=10)
    now = clock.now()
    press(entity, "first", amount=9, now=now)

    page = operator.get(address(BillableEntity, "change", entity.pk)).content.decode()

    assert 'role="img" aria-label="Presses: 9 of 10 used, 1 left. nearly full"' in page


def test_a_plan_change_that_has_begun_is_shown_as_done_and_left_to_who_writes_next() -> None:
    entity, presses = customer(), PressesFactory()
    big = PlanTemplateFactory(plan__name="Big", definition=presses, amount=100).plan
    small = PlanTemplateFactory(plan__name="Small", definition=presses, amount=10).plan
    assign(entity, big, source=AssignmentSource.MANUAL, now=NOON)
    schedule(entity, small, source=AssignmentSource.MANUAL, starts_at=NOON + timedelta(hours=1), now=NOON)

    page = customer_page(entity, now=NOON + timedelta(hours=2))

    assert page.current is not None
    assert page.current.assignment.plan.name == "Small"
    assert page.upcoming is None
    assert [bar.limit.granted_amount for bar in page.bars if bar.limit.code == presses.code] == [10]
    assert PlanAssignment.objects.current().get().plan == big
    assert BillingEvent.objects.filter(event_name="plan.promoted").count() == 0


def test_what_an_expired_grant_left_is_called_expired() -> None:
    entity, presses, stock = customer(), PressesFactory(), CreditsFactory()
    GrantFactory(subject=entity, definition=presses, expires_at=NOON + timedelta(days=1))

    page = customer_page(entity, now=NOON + timedelta(days=2))

    words = {bar.limit.code: bar.badges[0].text for bar in page.bars}
    assert (words[presses.code], words[stock.code]) == ("expired", "nothing granted")
    assert [bar.limit.code for bar in page.troubled] == [presses.code]


def test_the_page_says_when_quotas_are_not_enforced(operator: Client, settings: pytest.FixtureRequest) -> None:
    settings.MOZAIKS_ENFORCE_QUOTAS = False  # type: ignore[attr-defined]
    entity = customer()
    GrantFactory(subject=entity)

    page = operator.get(address(BillableEntity, "change", entity.pk)).content.decode()

    assert "Quotas are not enforced here" in page
    assert "advisory: nothing is refused" in page


class TestFinding:
    """A customer is found by whatever the question names."""

    def found(self, operator: Client, words: str) -> set[int]:
        answer = operator.get(address(BillableEntity, "changelist"), {"q": words})
        return {row.pk for row in answer.context["cl"].result_list}

    def test_by_workspace_user_and_address(self, operator: Client) -> None:
        wanted = customer()
        customer()
        workspace, owner = wanted.workspace, wanted.owner_user
        assert workspace is not None
        assert owner is not None
        member = MembershipFactory(
            workspace=workspace, user=UserFactory(username="zoe", email="zoe@elsewhere.org")
        ).user

        words = (
            workspace.slug,
            workspace.name.split()[-1],
            owner.username,
            owner.email,
            member.email,
            "zoe@ELSE",
            "zoe",
        )
        for word in words:
            assert wanted.pk in self.found(operator, word), word
        assert self.found(operator, "zoe") == {wanted.pk}

    def test_by_reference_and_id(self, operator: Client) -> None:
        outside = BillableEntity.objects.create(
            entity_type="external", entity_ref="crm-4711", created_at=NOON, updated_at=NOON
        )
        customer()

        assert self.found(operator, "crm-47") == {outside.pk}
        assert outside.pk in self.found(operator, str(outside.pk))

    def test_by_purchase_provider_and_key(self, operator: Client) -> None:
        wanted, other = customer(), customer()
        PressesFactory()
        GrantFactory(subject=wanted, amount=10)
        bought = purchase(wanted, "abc", now=NOON)
        purchase(other, "xyz", now=NOON)
        press(wanted, "request-9", now=NOON)
        BillingEvent.objects.create(
            event_type="webhook",
            event_name="paid",
            provider="mock",
            provider_event_id="evt_123",
            billable_entity=wanted,
            received_at=NOON,
            occurred_at=NOON,
        )

        for words in ("pay-abc", "p1:test:abc", "request-9", "evt_123"):
            assert self.found(operator, words) == {wanted.pk}, words
        assert wanted.pk in self.found(operator, str(bought.pk))
        assert self.found(operator, "request-8") == set()

    def test_by_the_subscription_of_the_provider(self, operator: Client) -> None:
        from billing.models import AssignmentProviderDetail

        wanted = customer()
        customer()
        made = assign(wanted, PlanFactory(), source=AssignmentSource.PROVIDER, now=NOON)
        AssignmentProviderDetail.objects.create(
            assignment=made, provider="mock", provider_subscription_id="sub_1234", provider_customer_id="cus_1234"
        )

        assert self.found(operator, "sub_1234") == self.found(operator, "cus_1234") == {wanted.pk}

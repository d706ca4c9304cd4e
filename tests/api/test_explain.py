"""``GET /api/billing/limitations/{code}/explain``: the lots add up to the limit, and every step has its sentence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.engine.types import AdjustmentKind, AdjustmentReason, EnforcementOverride, SourceType
from billing.entitlements.balances import recompute
from billing.entitlements.reversals import reverse
from billing.models import BillableEntity, Consumption, Grant, GrantAdjustment
from billing.models.assignments import AssignmentSource
from billing.models.purchases import Purchase, PurchaseKind
from billing.subscriptions.assignments import assign
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.api.goldens import assert_golden, with_stable_ids
from tests.api.lives import EVERY_KIND, YESTERDAY, lived_in
from tests.api.world import World
from tests.factories import GrantFactory, PlanFactory, PlanTemplateFactory, ProductFactory
from tests.gadgets.factories import CreditsFactory, PlacesFactory, PressesFactory
from tests.gadgets.limits import CREDITS, PLACES, PRESSES
from tests.gadgets.services import charge, press, take_place


def explained(world: World, code: str) -> dict[str, Any]:
    response = world.in_acme("viewer").get(f"/api/billing/limitations/{code}/explain")
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def open_lots(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [lot for lot in answer["lots"] if lot["state"] == "open"]


def assert_adds_up(answer: dict[str, Any]) -> None:
    """Granted, used and left of the open lots are those of the limit."""
    limit, lots = answer["limitation"], open_lots(answer)
    overage = sum(operation["overageAmount"] for operation in answer["operations"])
    assert sum(lot["granted"] for lot in lots) == limit["grantedAmount"]
    assert sum(lot["used"] for lot in lots) + overage == limit["consumedAmount"]
    assert sum(lot["remaining"] for lot in lots) - overage - limit["heldAmount"] == limit["effectiveAmount"]


@pytest.mark.parametrize("code", EVERY_KIND)
def test_every_kind_of_limit_is_explained_to_the_letter(world: World, code: str) -> None:
    lived_in(world.entity)

    assert_golden(f"explain-{code}", with_stable_ids(explained(world, code)))


@pytest.mark.parametrize("code", [CREDITS, PRESSES])
def test_the_lots_add_up_to_the_limit(world: World, code: str) -> None:
    lived_in(world.entity)

    assert_adds_up(explained(world, code))


def test_the_limit_is_the_one_of_the_list(world: World) -> None:
    lived_in(world.entity)
    listed = world.in_acme("viewer").get("/api/billing/limitations").json()["limitations"]

    assert [explained(world, each["code"])["limitation"] for each in listed] == listed


def on_plan(entity: BillableEntity, name: str, amount: int, *, now: datetime = NOON) -> None:
    plan = PlanFactory(name=name)
    PlanTemplateFactory(plan=plan, definition=PressesFactory(), amount=amount)
    assign(entity, plan, source=AssignmentSource.INTERNAL, now=now)


def test_a_plan_is_told_by_its_name_and_what_the_one_before_paid_stays_paid(world: World) -> None:
    on_plan(world.entity, "Basic", 100, now=YESTERDAY)
    press(world.entity, "much", amount=80, now=YESTERDAY)
    on_plan(world.entity, "Pro", 1000)

    answer = explained(world, PRESSES)

    assert_adds_up(answer)
    (lot,) = open_lots(answer)
    assert (lot["source"]["title"], lot["granted"], lot["used"], lot["remaining"]) == ("Plan “Pro”", 1000, 80, 920)
    (ended,) = [lot for lot in answer["lots"] if lot["state"] == "ended"]
    assert (ended["source"]["title"], ended["used"]) == ("Plan “Basic”", 80)
    assert_golden("explain-after-an-upgrade", with_stable_ids(answer)["steps"])


def test_a_purchase_is_told_by_what_was_bought(world: World) -> None:
    purchase = Purchase.objects.create(
        billable_entity=world.entity,
        provider="mock",
        purchase_kind=PurchaseKind.ONE_OFF,
        amount_minor=500,
        currency="EUR",
        product=ProductFactory(name="A hundred credits"),
        dedupe_key="p",
        purchased_at=NOON,
        created_at=NOON,
        updated_at=NOON,
    )
    GrantFactory(
        subject=world.entity,
        definition=CreditsFactory(),
        source_type=SourceType.BILLING_PURCHASE,
        source_id=str(purchase.pk),
    )

    (lot,) = explained(world, CREDITS)["lots"]

    assert lot["source"] == {
        "type": "billing_purchase",
        "id": str(purchase.pk),
        "title": "Purchase “A hundred credits”",
    }


def test_an_operator_is_not_named(world: World) -> None:
    GrantFactory(subject=world.entity, definition=CreditsFactory(), source_id="carol")

    (lot,) = explained(world, CREDITS)["lots"]

    assert lot["source"] == {"type": "manual_console", "id": None, "title": "Grant by an operator"}


def test_what_comes_what_is_frozen_and_what_ended_belong_to_the_story(world: World) -> None:
    given = {"subject": world.entity, "definition": CreditsFactory()}
    GrantFactory(**given, amount=20, effective_at=YESTERDAY, recorded_at=YESTERDAY, expires_at=NOON)
    charge(world.entity, 12, now=YESTERDAY)
    GrantFactory(**given, amount=7, effective_at=NOON + timedelta(days=1))
    frozen = GrantFactory(**given, amount=9)
    freeze(frozen)

    answer = explained(world, CREDITS)

    assert [(lot["state"], lot["amount"], lot["used"]) for lot in answer["lots"]] == [
        ("upcoming", 7, 0),
        ("frozen", 9, 0),
        ("ended", 20, 12),
    ]
    assert answer["limitation"]["effectiveAmount"] == 0
    assert_golden("explain-others", answer["steps"])


def freeze(grant: Grant) -> None:
    GrantAdjustment.objects.create(
        subject_id=grant.subject_id,
        definition_id=grant.definition_id,
        grant=grant,
        kind=AdjustmentKind.FREEZE,
        reason=AdjustmentReason.DISPUTED,
        source_type=SourceType.BILLING_EVENT,
        occurred_at=NOON,
        dedupe_key="freeze",
        created_at=NOON,
    )
    recompute(grant.subject, now=NOON)


def test_overage_and_soft_limits_are_told(world: World) -> None:
    GrantFactory(subject=world.entity, amount=10, override=EnforcementOverride.SOFT_WARN)
    press(world.entity, "much", amount=14)

    answer = explained(world, PRESSES)

    assert_adds_up(answer)
    assert_golden("explain-overage", answer["steps"])


def test_the_latest_uses_come_first_with_who_paid(world: World) -> None:
    first = GrantFactory(subject=world.entity, amount=10, expires_at=NOON + timedelta(days=1))
    second = GrantFactory(subject=world.entity, amount=10)
    press(world.entity, "first", amount=4, request_id="r-1")
    press(world.entity, "second", amount=9)
    reverse(world.entity, Consumption.objects.get(operation_key="first").pk, amount=1, now=NOON)

    back, both, alone = explained(world, PRESSES)["operations"]

    assert (back["amount"], back["reversesId"]) == (-1, alone["id"])
    assert both["paidBy"] == [{"grantId": first.pk, "amount": 6}, {"grantId": second.pk, "amount": 3}]
    assert alone["paidBy"] == [{"grantId": first.pk, "amount": 4}]
    assert (alone["operationKey"], alone["requestId"], alone["reasonCode"]) == ("first", "r-1", "gadget.press")


def test_only_the_largest_of_a_maximum_counts(world: World) -> None:
    places = PlacesFactory(aggregation_mode="max")
    for amount in (3, 5):
        GrantFactory(subject=world.entity, definition=places, amount=amount)
    take_place(world.entity, "desk")

    answer = explained(world, PLACES)

    assert "Of several grants the largest counts." in answer["steps"]
    assert "Room: 5 allowed - 1 in use = 4." in answer["steps"]


def test_nothing_was_ever_given(world: World) -> None:
    PressesFactory()

    answer = explained(world, PRESSES)

    assert (answer["lots"], answer["operations"]) == ([], [])
    assert "No grant counts now, so the limit is 0." in answer["steps"]


def test_a_boundary_that_nobody_wrote_yet_is_explained_as_it_is(world: World) -> None:
    lived_in(world.entity)

    with time_machine.travel(NOON + timedelta(days=10), tick=False):
        answer = explained(world, PRESSES)

    assert_adds_up(answer | {"operations": []})
    assert answer["limitation"]["effectiveAmount"] == 130


def test_an_installation_that_does_not_enforce_says_so(world: World, settings: Any) -> None:
    settings.MOZAIKS_ENFORCE_QUOTAS = False
    GrantFactory(subject=world.entity)

    assert "Quotas are not enforced here: nothing is refused." in explained(world, PRESSES)["steps"]


@pytest.mark.parametrize("code", ["no.such.limit", "gadgets.presses", "%00", "ü", "a" * 300])
def test_a_limit_that_is_not_there_is_a_404(world: World, code: str) -> None:
    response = world.in_acme("viewer").get(f"/api/billing/limitations/{code}/explain")

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


def test_explaining_costs_the_same_whatever_there_is_to_tell(world: World) -> None:
    def live(times: int) -> None:
        for _ in range(times):
            GrantFactory(subject=world.entity, definition=CreditsFactory(), amount=5)
            GrantFactory(
                subject=world.entity, definition=CreditsFactory(), amount=5, effective_at=NOON + timedelta(days=1)
            )
            charge(world.entity, 4)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            explained(world, CREDITS)
        return len([query for query in captured if "SAVEPOINT" not in query["sql"]])

    live(2)
    few = statements()
    live(30)

    assert statements() == few
    assert few <= 3 + 8


def test_of_many_grants_the_sentences_name_the_first(world: World) -> None:
    for _ in range(25):
        GrantFactory(subject=world.entity, definition=CreditsFactory(), amount=1)

    answer = explained(world, CREDITS)

    assert len(answer["lots"]) == 25
    assert "5 more grants count." in answer["steps"]


def test_reading_in_a_transaction_of_its_own_writes_nothing(world: World) -> None:
    lived_in(world.entity)
    before = list(Consumption.objects.values()), list(Grant.objects.values())

    run_in_transaction(lambda: [explained(world, code) for code in EVERY_KIND])

    assert before == (list(Consumption.objects.values()), list(Grant.objects.values()))

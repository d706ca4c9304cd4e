"""The prices, the billing history and the timeline: complete, in pages, at a constant price, and fit for customers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from billing.engine.types import SourceType
from billing.entitlements.corrections import correct
from billing.entitlements.manual import ByHand, end_grant, grant_manually
from billing.models import BillingEvent, Grant, Purchase, PurchaseAdjustment
from billing.models.assignments import AssignmentSource
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.api.world import World
from tests.factories import (
    DefinitionFactory,
    GrantFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    ProductTemplateFactory,
)
from tests.house.rows import insert

PLANS, PURCHASES, TIMELINE = "/api/billing/plans", "/api/billing/purchases", "/api/billing/timeline"


@pytest.fixture
def viewer(world: World) -> APIClient:
    return world.in_acme("viewer")


def buy(world: World, number: int = 1, **fields: Any) -> Purchase:
    at = NOON + timedelta(minutes=number)
    made: Purchase = insert(
        Purchase, billable_entity=world.entity, amount_minor=500, currency="EUR", purchased_at=at, **fields
    )
    return made


def queries_of(client: APIClient, url: str) -> int:
    client.get(url)  # a token notes its first use of the day
    with CaptureQueriesContext(connection) as seen:
        assert client.get(url).status_code == 200
    return len(seen)


class TestPlans:
    def test_anybody_may_look_at_the_prices(self, api: APIClient, db: None) -> None:
        limit = DefinitionFactory(code="seats.max", name="Seats")
        PlanTemplateFactory(plan=PlanFactory(code="pro", checkout_unit_amount_minor=900), definition=limit, amount=25)
        ProductTemplateFactory(product=ProductFactory(code="pack"), definition=limit, amount=5)
        PlanTemplateFactory(plan=PlanFactory(code="free", trial_days=3), amount=None)
        PlanFactory(code="gone", is_active=False)
        ProductFactory(code="gone", is_active=False)

        answer = api.get(PLANS).json()

        assert [plan["code"] for plan in answer["plans"]] == ["free", "pro"]
        pro, (pack,) = answer["plans"][1], answer["products"]
        assert pro["price"] == {"amountMinor": 900, "currency": "", "interval": None, "intervalCount": 1}
        assert pro["entitlements"][0]["code"] == "seats.max"
        assert answer["plans"][0]["entitlements"][0]["unlimited"] is True
        assert (pack["price"]["amountMinor"], pack["entitlements"][0]["amount"]) == (500, 5)

    def test_nothing_of_the_provider_is_told(self, api: APIClient, db: None) -> None:
        PlanFactory(checkout_provider="stripe", checkout_provider_price_id="price_1", metadata_json={"note": "x"})
        ProductFactory(provider="stripe", provider_price_id="price_2")

        told = api.get(PLANS).content.decode()

        assert "stripe" not in told
        assert "price_" not in told
        assert "note" not in told

    def test_its_price_does_not_depend_on_the_catalog(self, api: APIClient, db: None) -> None:
        PlanTemplateFactory(), ProductTemplateFactory()
        few = queries_of(api, PLANS)
        for _ in range(3):
            PlanTemplateFactory(), ProductTemplateFactory()

        assert queries_of(api, PLANS) == few == 4


class TestPurchases:
    def test_what_was_paid_and_given_back(self, viewer: APIClient, world: World) -> None:
        pack = ProductFactory(code="pack")
        bought = buy(world, product=pack, display_name="Pack", quantity=2)
        insert(
            PurchaseAdjustment,
            purchase=bought,
            action="refund",
            status="succeeded",
            amount_minor=-200,
            currency="EUR",
            reason="they were angry",
            requested_by="boss",
        )
        insert(PurchaseAdjustment, purchase=bought, action="refund", status="failed", amount_minor=-1, reason="no")

        answer = viewer.get(PURCHASES)

        assert answer.json() == {
            "entries": [
                {
                    "id": bought.pk,
                    "kind": bought.purchase_kind,
                    "status": bought.status,
                    "amountMinor": 500,
                    "currency": "EUR",
                    "quantity": 2,
                    "displayName": "Pack",
                    "productCode": "pack",
                    "planCode": None,
                    "periodStartAt": None,
                    "periodEndAt": None,
                    "purchasedAt": "2026-02-21T12:01:00.000Z",
                    "adjustments": [
                        {
                            "action": "refund",
                            "amountMinor": -200,
                            "currency": "EUR",
                            "occurredAt": "2026-02-21T12:00:00.000Z",
                        }
                    ],
                }
            ],
            "page": 1,
            "pageSize": 50,
            "hasMore": False,
        }
        assert b"angry" not in answer.content

    def test_in_pages_at_a_constant_price(self, viewer: APIClient, world: World) -> None:
        for number in range(5):
            insert(PurchaseAdjustment, purchase=buy(world, number), action="refund", status="succeeded")
        insert(Purchase, billable_entity=world.foreign_entity)

        first, last = (viewer.get(f"{PURCHASES}?pageSize=3&page={page}").json() for page in (1, 2))

        assert (len(first["entries"]), first["hasMore"]) == (3, True)
        assert (len(last["entries"]), last["hasMore"]) == (2, False)
        ids = [entry["id"] for entry in (*first["entries"], *last["entries"])]
        assert ids == sorted(ids, reverse=True)
        assert queries_of(viewer, f"{PURCHASES}?pageSize=1") == queries_of(viewer, f"{PURCHASES}?pageSize=5")

    @pytest.mark.parametrize("query", ["page=0", "pageSize=101", "page=x", "pageSize=-1"])
    def test_a_page_that_is_none_is_a_400(self, viewer: APIClient, query: str) -> None:
        assert viewer.get(f"{PURCHASES}?{query}").status_code == 400


class TestTimeline:
    def lived(self, world: World) -> Purchase:
        by = ByHand(actor="boss", reason="because they shouted")
        limit = DefinitionFactory(code="calls", name="Calls", balance=True)
        assign(
            world.entity,
            PlanFactory(code="pro", name="Pro"),
            source=AssignmentSource.MANUAL,
            now=NOON,
            actor="boss",
            reason="a private deal",
        )
        grant_manually(world.entity, "calls", amount=10, by=by, now=NOON, operation_key="g")
        correct(world.entity, "calls", amount=-3, by=by, now=NOON, operation_key="c")
        end_grant(Grant.objects.get(definition=limit, amount=10), by=by, now=NOON)
        bought = buy(world, product=ProductFactory(code="pack", name="Pack"))
        GrantFactory(
            subject=world.entity,
            definition=limit,
            amount=7,
            source_type=SourceType.BILLING_PURCHASE,
            source_id=str(bought.pk),
        )
        insert(
            PurchaseAdjustment,
            purchase=bought,
            action="refund",
            status="succeeded",
            amount_minor=-500,
            currency="EUR",
            reason="secret",
            created_at=NOON + timedelta(minutes=5),
        )
        insert(PurchaseAdjustment, purchase=bought, action="refund", status="failed", reason="secret")
        insert(BillingEvent, billable_entity=world.entity, event_type="webhook", event_name="plan.assigned")
        return bought

    def test_it_tells_what_happened_and_nothing_of_operators(self, viewer: APIClient, world: World) -> None:
        self.lived(world)

        answer = viewer.get(TIMELINE)

        told = [(entry["topic"], entry["type"], entry["title"]) for entry in answer.json()["entries"]]
        assert told == [
            ("purchase", "purchase.refund", "Pack: money was given back."),
            ("purchase", "purchase.one_off", "Pack: paid."),
            ("grant", "grant.ended", "Units that were given before ended."),
            ("correction", "balance.corrected", "Calls: the balance was corrected."),
            ("grant", "grant.created", "Calls: units were given."),
            ("plan", "plan.assigned", "The plan is Pro."),
        ]
        refund, paid, _, corrected, given, plan = answer.json()["entries"]
        assert (refund["amountMinor"], refund["currency"]) == (-500, "EUR")
        assert paid["gives"] == [{"limitationCode": "calls", "name": "Calls", "amount": 7}]
        assert (corrected["gives"][0]["amount"], given["gives"][0]["amount"]) == (-3, 10)
        assert (plan["planCode"], answer.json()["nextCursor"]) == ("pro", None)
        for secret in (b"boss", b"secret", b"shouted", b"private"):
            assert secret not in answer.content

    @pytest.mark.parametrize("size", [1, 2, 4])
    def test_its_pages_join_without_gap_or_repeat(self, viewer: APIClient, world: World, size: int) -> None:
        self.lived(world)
        whole = viewer.get(TIMELINE).json()["entries"]

        found, cursor = [], ""
        for _ in range(10):
            page = viewer.get(f"{TIMELINE}?pageSize={size}{cursor}").json()
            found += page["entries"]
            if page["nextCursor"] is None:
                break
            cursor = f"&cursor={page['nextCursor']}"

        assert found == whole

    def test_its_price_does_not_depend_on_its_length(self, viewer: APIClient, world: World) -> None:
        self.lived(world)

        few = queries_of(viewer, f"{TIMELINE}?pageSize=6")
        for number in range(4):
            buy(world, number, product=ProductFactory())

        assert queries_of(viewer, f"{TIMELINE}?pageSize=10") == few

    @pytest.mark.parametrize("cursor", ["", "x", "%00", "W10", "WyJhIiwwLDFd", "bnVsbA", "WzEsMiwzXQ", "9" * 300])
    def test_a_cursor_of_nobody_is_a_400(self, viewer: APIClient, cursor: str) -> None:
        answer = viewer.get(f"{TIMELINE}?cursor={cursor}")

        assert answer.status_code == 400
        assert list(answer.json()["fieldErrors"]) == ["cursor"]

"""The catalog as one document: written out, compared, applied."""

import copy
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from billing.catalog import exchange
from billing.catalog.exchange import Action, Change
from billing.catalog.problems import CatalogInvalid
from billing.catalog.publishing import publish_plan, publish_product
from billing.models import Definition, Plan, PlanAssignment, PlanTemplate, Product, Purchase
from billing.models.assignments import AssignmentSource
from billing.models.purchases import PurchaseKind
from billing.subscriptions.assignments import assign
from tests import NOON
from tests.factories import (
    BillableEntityFactory,
    DefinitionFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    ProductTemplateFactory,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def catalog() -> None:
    """A plan and a product of every kind of field, and plans that say little."""
    for code in ("a.max", "b.monthly"):
        DefinitionFactory(code=code)
    publish_plan(
        {
            "code": "pro",
            "name": "Pro – größer",
            "is_default": True,
            "checkout_unit_amount_minor": 1900,
            "checkout_currency": "EUR",
            "checkout_interval": "month",
            "plugins": ["basic_*", "chat"],
            "plugin_tiers": {"zeta": "gold", "alpha": "silver"},
            "metadata_json": {"z": [1, {"b": 1, "a": None}], "a": True},
        },
        [
            {"code": "b.monthly", "valueJson": {"limit": None}},
            {
                "code": "a.max",
                "valueJson": {"max": 7},
                "grantKind": "plan_bonus",
                "durationPolicy": "fixed_duration",
                "durationDays": 14,
                "metadataJson": {"why": "spring"},
            },
            {"code": "a.max", "valueJson": {"amount": 5}},
        ],
        now=NOON,
    )
    publish_plan({"code": "bare", "name": "Bare"}, [], now=NOON)
    publish_plan({"code": "draft", "name": "Draft", "is_active": False}, now=NOON)
    pack = {"code": "a.max", "amount": 5, "grantKind": "timeboxed_addon", "durationDays": 60}
    publish_product({"code": "pack", "name": "Pack", "currency": "EUR", "unit_amount_minor": 500}, [pack], now=NOON)


def document(**sections: Any) -> dict[str, Any]:
    return {"format": 1, **sections}


def item(exported: dict[str, Any], section: str, code: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in exported[section] if each["code"] == code)
    return found


def broken(given: object) -> dict[str, list[str]]:
    with pytest.raises(CatalogInvalid) as refused:
        exchange.apply(given, now=LATER)
    return refused.value.field_errors


def told(changes: list[Change]) -> list[tuple[str, str, Action]]:
    return [(change.section, change.code, change.action) for change in changes]


def rows() -> list[Any]:
    return [list(table._default_manager.order_by("pk").values()) for table in (Definition, Plan, Product, PlanTemplate)]


@pytest.mark.usefixtures("catalog")
class TestExport:
    def test_then_apply_changes_nothing(self) -> None:
        before = rows()

        changes = exchange.apply(exchange.export(), now=LATER)

        assert changes == []
        assert rows() == before

    def test_then_apply_changes_nothing_where_a_definition_is_inactive_by_now(self) -> None:
        Definition.objects.filter(code="a.max").update(is_active=False)

        assert exchange.apply(exchange.export(), now=LATER) == []

    def test_gives_the_same_catalog_to_an_empty_database(self) -> None:
        exported = exchange.export()
        for table in (Plan, Product, Definition):
            table._default_manager.all().delete()

        exchange.apply(exported, now=LATER)

        assert exchange.export() == exported

    def test_is_sorted_and_says_free_json_in_one_order(self) -> None:
        exported = exchange.export()

        assert [plan["code"] for plan in exported["plans"]] == ["bare", "draft", "pro"]
        pro = item(exported, "plans", "pro")
        assert [(entry["code"], entry["grantKind"]) for entry in pro["entitlements"]] == [
            ("a.max", "plan_base"),
            ("a.max", "plan_bonus"),
            ("b.monthly", "plan_base"),
        ]
        assert list(pro["pluginTiers"]) == ["alpha", "zeta"]
        assert list(pro["metadataJson"]) == ["a", "z"]

    def test_tells_granting_nothing_from_never_having_said_it(self) -> None:
        exported = exchange.export()

        assert item(exported, "plans", "bare")["entitlements"] == []
        assert "entitlements" not in item(exported, "plans", "draft")

    def test_costs_five_queries(self, django_assert_num_queries: Any) -> None:
        ProductTemplateFactory()
        PlanTemplateFactory()

        with django_assert_num_queries(5):
            exchange.export()


class TestApply:
    def test_makes_what_is_missing_and_changes_what_differs(self) -> None:
        DefinitionFactory(code="a.max")
        PlanFactory(code="pro", name="Pro", grants_nothing=True)

        changes = exchange.apply(
            document(
                definitions=[{"code": "new.max", "name": "New", "entitlementType": "capacity", "unit": "thing"}],
                plans=[
                    {"code": "pro", "trialDays": 14, "entitlements": [{"code": "new.max", "valueJson": {"max": 3}}]}
                ],
                products=[{"code": "pack", "name": "Pack", "isActive": False}],
            ),
            now=LATER,
        )

        assert told(changes) == [
            ("definitions", "new.max", Action.CREATE),
            ("plans", "pro", Action.CHANGE),
            ("products", "pack", Action.CREATE),
        ]
        plan = Plan.objects.get(code="pro")
        assert (plan.name, plan.trial_days, plan.templates.get().amount) == ("Pro", 14, 3)

    def test_leaves_alone_what_is_not_named(self) -> None:
        template = PlanTemplateFactory(plan__code="pro", plan__name="Pro")
        PlanFactory(code="other")

        exchange.apply(document(plans=[{"code": "pro", "name": "Professional"}]), now=LATER)

        template.refresh_from_db()
        assert template.plan.name == "Professional"
        assert exchange.unnamed(document(plans=[{"code": "pro"}]))["plans"] == ["other"]

    def test_keeps_the_ids_of_templates_that_stay(self) -> None:
        template = PlanTemplateFactory(plan__code="pro", definition__code="a.max", amount=10)

        exchange.apply(
            document(plans=[{"code": "pro", "entitlements": [{"code": "a.max", "valueJson": {"max": 11}}]}]), now=LATER
        )

        template.refresh_from_db()
        assert template.amount == 11

    def test_hands_the_default_over_in_any_order(self) -> None:
        PlanFactory(code="a-old", is_default=True, grants_nothing=True)
        PlanFactory(code="b-new", grants_nothing=True)

        exchange.apply(
            document(
                plans=[
                    {"code": "a-old", "isDefault": False, "isActive": False},
                    {"code": "b-new", "isDefault": True},
                ]
            ),
            now=LATER,
        )

        assert Plan.objects.get(is_default=True).code == "b-new"

    def test_applied_twice_changes_nothing_the_second_time(self) -> None:
        DefinitionFactory(code="a.max")
        given = document(
            definitions=[{"code": "a.max", "description": ""}],
            plans=[{"code": "pro", "name": "Pro", "entitlements": [{"code": "a.max", "valueJson": {"limit": 5.0}}]}],
        )
        exchange.apply(given, now=NOON)

        assert exchange.apply(given, now=LATER) == []

    def test_tells_every_entitlement_that_changes(self) -> None:
        PlanTemplateFactory(plan__code="pro", definition__code="a.max", amount=10)
        DefinitionFactory(code="b.max")

        (change,) = exchange.apply(
            document(plans=[{"code": "pro", "entitlements": [{"code": "b.max", "valueJson": {"max": None}}]}]),
            now=LATER,
        )

        before, after = change.differences
        assert (before.field, before.before["valueJson"], before.after) == ("a.max (plan_base)", {"amount": 10}, None)
        assert (after.field, after.before, after.after["valueJson"]) == ("b.max (plan_base)", None, {"amount": None})


class TestPlan:
    def test_tells_what_apply_would_change_and_writes_nothing(self) -> None:
        PlanFactory(code="pro", name="Pro", grants_nothing=True)
        given = document(plans=[{"code": "pro", "name": "Professional"}])
        before = rows()

        planned = exchange.plan(given, now=LATER)

        assert rows() == before
        assert planned == exchange.apply(given, now=LATER)

    def test_counts_whom_it_touches(self) -> None:
        template = PlanTemplateFactory(plan__code="pro", definition__code="a.max")
        for _ in range(2):
            assign(BillableEntityFactory(), template.plan, source=AssignmentSource.MANUAL, now=NOON)
        product = ProductFactory(code="pack")
        buyer = BillableEntityFactory()
        for number in range(2):
            Purchase.objects.create(
                billable_entity=buyer,
                provider="mock",
                purchase_kind=PurchaseKind.ONE_OFF,
                amount_minor=500,
                currency="EUR",
                product=product,
                dedupe_key=f"p{number}",
                purchased_at=NOON,
                created_at=NOON,
                updated_at=NOON,
            )

        changes = exchange.plan(
            document(
                definitions=[{"code": "a.max", "enforcementMode": "soft_warn"}],
                plans=[{"code": "pro", "name": "P"}, {"code": "new", "name": "New", "entitlements": []}],
                products=[{"code": "pack", "name": "P"}],
            ),
            now=LATER,
        )

        assert {change.code: change.touched for change in changes} == {"a.max": 2, "pro": 2, "new": 0, "pack": 1}
        assert PlanAssignment.objects.count() == 2

    def test_refuses_what_apply_would_refuse(self) -> None:
        with pytest.raises(CatalogInvalid):
            exchange.plan(document(plans=[{"code": "pro"}]), now=LATER)


class TestEverythingThatIsWrong:
    def test_is_told_together_with_its_path_and_nothing_is_written(self) -> None:
        DefinitionFactory(code="a.max")
        PlanFactory(code="kept", name="Kept", grants_nothing=True)
        before = rows()

        found = broken(
            document(
                definitions=[{"code": "bad", "name": "Bad", "entitlementType": "metered_quota", "unit": "x"}],
                plans=[
                    {"code": "kept", "name": "Changed"},
                    {"code": "pro", "name": "", "checkoutUnitAmountMinor": 5, "entitlements": [{"code": "nope"}]},
                ],
                products=["?", {"code": "pack", "name": "Pack", "unitAmountMinor": -1, "colour": "red"}],
            )
        )

        assert set(found) == {
            "definitions[0].windowInterval",
            "definitions[0].windowAnchor",
            "plans[1].name",
            "plans[1].checkoutCurrency",
            "plans[1].checkoutInterval",
            "plans[1].entitlements[0].code",
            "plans[1].entitlements[0].valueJson",
            "products[0]",
            "products[1].unitAmountMinor",
            "products[1].colour",
        }
        assert rows() == before

    def test_speaks_the_words_of_the_document(self) -> None:
        found = broken(
            document(
                definitions=[
                    {
                        "code": "bad",
                        "name": "Bad",
                        "entitlementType": "capacity",
                        "unit": "x",
                        "overageUnitMinor": 5,
                    }
                ],
                plans=[{"code": "pro", "name": "Pro", "applies_to": "workspace", "entitlements": []}],
            )
        )

        assert found["definitions[0].overageUnits"] == ["must be given together with overageUnitMinor, or neither"]
        assert "appliesTo" in found["plans[0].applies_to"][0]

    @pytest.mark.parametrize(
        ("given", "path"),
        [
            ([], "$"),
            ({}, "format"),
            ({"format": 2}, "format"),
            ({"format": True}, "format"),
            ({"format": 1, "plan": []}, "$.plan"),
            ({"format": 1, "plans": {}}, "plans"),
            ({"format": 1, "plans": [{"name": "Pro"}]}, "plans[0].code"),
            ({"format": 1, "plans": [{"code": 5}]}, "plans[0].code"),
        ],
    )
    def test_is_refused_by_its_shape(self, given: object, path: str) -> None:
        assert path in broken(given)

    def test_is_a_code_that_stands_there_twice(self) -> None:
        PlanFactory(code="pro", grants_nothing=True)

        assert set(broken(document(plans=[{"code": "pro"}, {"code": "pro", "name": "P"}]))) == {"plans[1].code"}

    def test_is_a_second_default(self) -> None:
        given: list[dict[str, Any]] = [
            {"code": code, "name": code, "entitlements": [], "isDefault": True} for code in ("a", "b")
        ]

        assert set(broken(document(plans=given))) == {"plans[1].isDefault"}

    def test_is_a_change_of_meaning_of_a_definition_with_facts(self) -> None:
        template = PlanTemplateFactory(definition__code="a.max")
        assign(BillableEntityFactory(), template.plan, source=AssignmentSource.MANUAL, now=NOON)

        assert "definitions[0].windowInterval" in broken(
            document(definitions=[{"code": "a.max", "windowInterval": "day"}])
        )

    def test_undoes_what_came_before_it(self) -> None:
        template = PlanTemplateFactory(plan__code="pro", definition__code="a.max")
        given = exchange.export()
        changed = copy.deepcopy(given)
        item(changed, "plans", "pro")["entitlements"][0]["valueJson"]["amount"] = 99
        changed["products"].append({"code": "pack"})

        with mock.patch.object(exchange, "_changes") as never:
            assert broken(changed)

        template.refresh_from_db()
        assert template.amount == 10
        never.assert_not_called()
        assert exchange.export() == given

"""Bringing an old catalog and its customers into the engine."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from billing.backfill import chunks, run, statements
from billing.backfill.run import Progress, project
from billing.backfill.templates import Origin
from billing.catalog.publishing import publish_plan, publish_product
from billing.entitlements.grants import grant_entitlements_for_purchase
from billing.limits import consume_entitlement
from billing.models import (
    Balance,
    BillableEntity,
    Grant,
    Plan,
    PlanAssignment,
    PlanTemplate,
    Product,
    ProductTemplate,
    Purchase,
)
from billing.models.assignments import AssignmentSource, AssignmentStatus
from billing.models.purchases import PurchaseStatus
from billing.subscriptions.assignments import assign
from mozaiks.kit.db import run_in_transaction
from tests import NOON
from tests.backfill.doing import backfill, counts, dry_run, forget_everything, picture
from tests.backfill.old_style import (
    catalog,
    customers,
    old_plan,
    old_product,
    population,
    sale,
    says,
    sells,
    subscribe,
)
from tests.factories import (
    BillableEntityFactory,
    DefinitionFactory,
    PlanFactory,
    PlanTemplateFactory,
    ProductFactory,
    ProductTemplateFactory,
)
from tests.gadgets import limits
from tests.gadgets.factories import PressesFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def amounts(entity: BillableEntity) -> list[tuple[str, int | None]]:
    rows = Grant.objects.for_subject(entity.pk).order_by("pk")
    return list(rows.values_list("definition__code", "amount"))


class TestTemplates:
    def test_come_from_the_stored_json(self) -> None:
        catalog()

        prepared, _ = backfill()

        assert {each.code: each.origin for each in prepared.plans.authored} == dict.fromkeys(
            ("bare", "free", "own", "pro", "team"), Origin.STORED
        )
        assert [each.code for each in prepared.products.authored] == ["pack", "topup"]
        template = PlanTemplate.objects.get(plan__code="pro", grant_kind="plan_bonus")
        assert (template.amount, template.duration_policy, template.duration_days) == (50, "fixed_duration", 14)
        assert ProductTemplate.objects.filter(product__code="pack").count() == 3

    def test_come_from_the_source_file_in_either_shape(self) -> None:
        DefinitionFactory(code="a.max")
        PlanFactory(code="pro")
        PlanFactory(code="free")
        ProductFactory(code="pack")

        by_item = {"plans": [{"code": "pro", "price": 5, "entitlements": [says("a.max", 7)]}, {"code": "free"}]}
        by_code = {"products": {"pack": [sells("a.max", 3)]}, "plans": {"free": {"entitlements": []}}}
        prepared, _ = backfill(
            {
                **by_item,
                "plans": [*by_item["plans"], {"code": "free", "entitlements": []}],
                "products": by_code["products"],
            }
        )

        assert {each.origin for each in prepared.plans.authored} == {Origin.SOURCE}
        assert PlanTemplate.objects.get().amount == 7
        assert ProductTemplate.objects.get().amount == 3
        assert Plan.objects.get(code="free").grants_nothing

    def test_an_empty_list_says_that_a_plan_grants_nothing(self) -> None:
        old_plan("bare")

        backfill()

        assert Plan.objects.get().grants_nothing

    def test_the_defaults_count_only_where_nobody_else_says_anything(self) -> None:
        DefinitionFactory(code="a.max")
        old_plan("own", says("a.max", 1))
        PlanFactory(code="silent")

        prepared, _ = backfill(defaults={"own": [says("a.max", 8)], "silent": [says("a.max", 9)]})

        assert {each.code: each.origin for each in prepared.plans.authored} == {
            "own": Origin.STORED,
            "silent": Origin.DEFAULTS,
        }
        assert dict(PlanTemplate.objects.values_list("plan__code", "amount")) == {"own": 1, "silent": 9}

    def test_that_are_there_already_are_left_alone(self) -> None:
        template = PlanTemplateFactory(plan__code="pro", amount=10)
        Plan.objects.update(metadata_json={"entitlements": [says(template.definition.code, 99)]})
        meant = PlanFactory(code="bare", grants_nothing=True, metadata_json={"entitlements": [says("nope")]})
        sold = ProductTemplateFactory(product__metadata_json={"entitlements": ["nonsense"]})

        prepared, _ = backfill()

        template.refresh_from_db()
        assert template.amount == 10
        assert (prepared.plans.kept, prepared.products.kept) == (2, 1)
        assert not meant.templates.exists()
        assert sold.product.templates.get() == sold

    def test_a_product_that_grants_nothing_needs_none(self) -> None:
        ProductFactory(metadata_json={"entitlements": []})
        ProductFactory(metadata_json={"colour": "red"})
        ProductFactory(code="other")

        prepared, _ = backfill({"products": {"other": []}})

        assert prepared.products.authored == []
        assert not ProductTemplate.objects.exists()

    def test_an_inactive_plan_may_go_on_saying_nothing(self) -> None:
        plan = PlanFactory(code="old", is_active=False)
        (assignment,) = subscribe(customers(1), plan)

        prepared, _ = backfill()

        assignment.refresh_from_db()
        assert prepared.plans.silent == ["old"]
        assert assignment.projected_at is None, "it waits until somebody says what the plan grants"
        assert 'Plan "old" never said what it grants: 1 assignments go on waiting.' in prepared.prospect.notes


class TestGrants:
    def test_of_a_current_assignment_are_those_of_its_plan(self) -> None:
        plans, _ = catalog()
        (entity,) = customers(1)
        subscribe([entity], plans[0])

        backfill()

        assert sorted(amounts(entity)) == [("access", 1), ("calls.monthly", 100), ("places.max", 3)]
        balances = Balance.objects.for_subject(entity.pk).values_list("definition__code", "effective_amount")
        assert dict(balances) == {"access": 1, "calls.monthly": 100, "places.max": 3}

    def test_of_upcoming_past_and_canceled_assignments_do_not_come(self) -> None:
        DefinitionFactory(code="a.max")
        plan = old_plan("pro", says("a.max"))
        statuses = (AssignmentStatus.UPCOMING, AssignmentStatus.PAST, AssignmentStatus.CANCELED)
        for status, entity in zip(statuses, customers(3), strict=True):
            subscribe([entity], plan, status=status)

        backfill()

        assert counts() == (0, 0, 0)

    def test_of_a_purchase_count_its_units_from_the_time_of_the_purchase(self) -> None:
        DefinitionFactory(code="calls.monthly")
        product = old_product("pack", sells("calls.monthly", 100, grantKind="timeboxed_addon", durationDays=7))
        (entity,) = customers(1)
        sale(entity.pk, product, "one", at=NOON - timedelta(days=3), quantity=4).save()

        backfill()

        grant = Grant.objects.get()
        assert (grant.amount, grant.kind, grant.provider) == (400, "addon_timeboxed", "stripe")
        assert (grant.effective_at, grant.expires_at) == (NOON - timedelta(days=3), NOON + timedelta(days=4))

    @pytest.mark.parametrize(
        "status",
        [PurchaseStatus.REFUNDED, PurchaseStatus.VOIDED, PurchaseStatus.DISPUTED, PurchaseStatus.PARTIALLY_REFUNDED],
    )
    def test_of_a_purchase_that_is_not_confirmed_do_not_come_and_that_is_said(self, status: PurchaseStatus) -> None:
        DefinitionFactory(code="calls.monthly")
        product = old_product("pack", sells("calls.monthly"))
        (entity,) = customers(1)
        sale(entity.pk, product, "one", status=status).save()
        sale(entity.pk, None, "two").save()

        prepared, _ = backfill()

        assert counts() == (0, 0, 0)
        assert any(status.replace("_", " ") in note for note in prepared.prospect.notes)
        assert any("no product" in note for note in prepared.prospect.notes)

    def test_of_a_paid_period_wait_for_the_payment(self) -> None:
        DefinitionFactory(code="credits", balance=True)
        plan = old_plan("pro", says("credits", effectivePolicy="on_period_paid", durationPolicy="period_window"))
        subscribe(customers(1), plan)

        prepared, _ = backfill()

        assert counts() == (0, 0, 0)
        assert any("next paid invoice" in note for note in prepared.prospect.notes)

    def test_of_fixed_duration_are_made_once_per_customer(self) -> None:
        DefinitionFactory(code="a.max")
        plan = old_plan("pro", says("a.max", durationPolicy="fixed_duration", durationDays=7))
        (entity,) = customers(1)
        backfill()
        assign(entity, Plan.objects.get(), source=AssignmentSource.MANUAL, now=NOON - timedelta(days=40))
        PlanAssignment.objects.update(status=AssignmentStatus.PAST)
        subscribe([entity], plan)

        _, progress = backfill()

        assert Grant.objects.count() == 1
        assert progress.written.sources == 1

    def test_bring_limits_that_can_be_used(self) -> None:
        press = PressesFactory()
        (entity,) = customers(1)
        subscribe([entity], old_plan("pro", says(press.code, 2)))
        backfill()

        consume_entitlement(entity, limits.PRESS, now=LATER)

        assert Balance.objects.get().effective_amount == 1


class TestRunningAgain:
    def test_changes_nothing(self) -> None:
        population(30)
        backfill()
        before = picture()

        prepared, progress = backfill(now=LATER)

        assert picture() == before
        assert (prepared.prospect.sources, prepared.prospect.grants, prepared.prospect.balances) == (0, 0, 0)
        assert progress == Progress()

    def test_goes_on_where_it_was_interrupted(self) -> None:
        population(60)
        backfill()
        everything = picture()
        forget_everything()
        real, calls = chunks.project_chunk, iter(range(100))

        def interrupted(*args: Any, **options: Any) -> Any:
            if next(calls) == 3:
                raise KeyboardInterrupt
            return real(*args, **options)

        with mock.patch(f"{run.__name__}.project_chunk", interrupted), pytest.raises(KeyboardInterrupt):
            backfill(chunk=10)
        assert 0 < counts()[0] < len(everything["grants"])
        backfill(chunk=7)

        assert picture() == everything

    @pytest.mark.parametrize("place", ["insert_grants", "insert_lots", "insert_balances"])
    def test_after_a_failure_within_a_chunk_finds_nothing_of_that_chunk(self, place: str) -> None:
        population(30)
        backfill()
        everything = picture()
        forget_everything()

        with mock.patch.object(statements, place, side_effect=RuntimeError), pytest.raises(RuntimeError):
            backfill(chunk=10)

        assert counts() == (0, 0, 0)
        backfill(chunk=10)
        assert picture() == everything

    def test_gives_the_same_whatever_the_size_of_a_chunk(self) -> None:
        population(40)
        backfill(chunk=1)
        one_by_one = picture()
        forget_everything()

        backfill(chunk=1000)

        assert picture() == one_by_one

    def test_grants_nothing_for_the_past_by_a_template_that_was_added_later(self) -> None:
        plans, products = catalog()
        subscribers, buyers = customers(2), customers(2, start=2)
        subscribe(subscribers, plans[0])
        for number, buyer in enumerate(buyers):
            sale(buyer.pk, products[0], f"sale-{number}").save()
        backfill()
        before = picture()
        later = DefinitionFactory(code="later.max")
        PlanTemplateFactory(plan=plans[0], definition=later)
        ProductTemplateFactory(product=products[0], definition=later)

        backfill(now=LATER)

        assert picture() == before

    def test_grants_nothing_for_the_past_where_nothing_was_granted_before(self) -> None:
        plans, products = catalog()
        bare, setup = plans[3], products[2]
        (subscriber,), (buyer,) = customers(1), customers(1, start=1)
        subscribe([subscriber], bare)
        sale(buyer.pk, setup, "sale").save()
        backfill()
        publish_plan({"code": bare.code}, [says("places.max")], now=NOON)
        publish_product({"code": setup.code}, [sells("places.max")], now=NOON)

        backfill(now=LATER)

        assert counts() == (0, 0, 0)

    def test_leaves_alone_what_came_by_the_live_path(self) -> None:
        DefinitionFactory(code="a.max")
        plan = publish_plan({"code": "pro", "name": "Pro"}, [says("a.max")], now=NOON)
        bare = publish_plan({"code": "bare", "name": "Bare"}, [], now=NOON)
        product = publish_product({"code": "pack", "name": "Pack"}, [sells("a.max")], now=NOON)
        for choice in (plan, bare):
            assign(BillableEntityFactory(), choice, source=AssignmentSource.MANUAL, now=NOON)
        purchase = sale(BillableEntityFactory().pk, product, "live")
        purchase.save()
        run_in_transaction(lambda: grant_entitlements_for_purchase(purchase, now=NOON))
        before = picture()
        publish_plan(
            {"code": "pro"}, [says("a.max"), says("b.max")] if DefinitionFactory(code="b.max") else [], now=NOON
        )
        publish_plan({"code": "bare"}, [says("a.max")], now=NOON)
        publish_product({"code": "pack"}, [sells("a.max"), sells("b.max")], now=NOON)

        _, progress = backfill(now=LATER)

        assert picture() == before
        assert progress.written.known == 1, "the purchase, which is marked now"


class TestADryRun:
    def test_tells_what_would_be_written_and_writes_nothing(self) -> None:
        population(30)

        prepared = dry_run()

        assert counts() == (0, 0, 0)
        assert not PlanTemplate.objects.exists()
        assert not PlanAssignment.objects.filter(projected_at__isnull=False).exists()
        _, progress = backfill()
        assert prepared.prospect.sources == progress.written.sources
        assert (prepared.prospect.grants, prepared.prospect.balances) == counts()[:2]
        by_product = {(each.code, each.definition): each.grants for each in prepared.prospect.planned}
        assert by_product["topup", "credits"] == Grant.objects.filter(definition__code="credits").count()

    def test_after_the_run_has_nothing_to_tell(self) -> None:
        population(15)
        backfill()

        prepared = dry_run()

        assert (prepared.prospect.sources, prepared.prospect.planned) == (0, ())


def test_nothing_to_do_is_no_error() -> None:
    Product.objects.all().delete()

    _, progress = backfill()

    project(progress, now=NOON)
    assert progress == Progress()
    assert not Purchase.objects.exists()

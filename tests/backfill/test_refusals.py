"""What cannot be brought over is named with the rule it breaks, before its step writes anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from billing.backfill.refusals import BackfillRefused
from billing.backfill.run import GRANTS
from billing.backfill.templates import PLANS, PRODUCTS
from billing.engine import keys
from billing.engine.types import MAX_AMOUNT, GrantKind, Replenish
from billing.models import BillableEntity, Plan, PlanAssignment, PlanTemplate, Product, ProductTemplate
from tests import NOON
from tests.backfill.doing import backfill, counts, dry_run
from tests.backfill.old_style import customers, old_plan, old_product, sale, says, sells, subscribe, subscription
from tests.factories import DefinitionFactory, GrantFactory, PlanFactory, ProductFactory

pytestmark = pytest.mark.django_db

LONG = "x" * 65


def refused(*files: Any, step: str) -> list[str]:
    """What is in the way, by a run and by a rehearsal alike; neither marks or grants anything."""
    before = counts()
    with pytest.raises(BackfillRefused) as rehearsal:
        dry_run(*files)
    with pytest.raises(BackfillRefused) as run:
        backfill(*files)

    assert run.value.refusals == rehearsal.value.refusals
    assert run.value.step == step
    assert counts() == before
    assert not PlanAssignment.objects.filter(projected_at__isnull=False).exists()
    return [str(refusal) for refusal in run.value.refusals]


@contextmanager
def without_foreign_keys() -> Iterator[None]:
    """As an import that switched them off."""
    if connection.vendor == "sqlite":
        yield  # checked at the end of the transaction only
        return
    with connection.cursor() as cursor:
        cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET FOREIGN_KEY_CHECKS = 1")


@pytest.fixture
def limit() -> str:
    return str(DefinitionFactory(code="a.max").code)


class TestPlans:
    @pytest.fixture(autouse=True)
    def _nothing_is_written(self) -> Iterator[None]:
        yield
        assert not PlanTemplate.objects.exists()
        assert not ProductTemplate.objects.exists()
        assert not Plan.objects.filter(grants_nothing=True).exists()

    def test_of_an_unknown_definition(self, limit: str) -> None:
        old_plan("good", says(limit))
        plan = old_plan("bad", says("a.mx"))

        (said,) = refused(step=PLANS)

        assert said.startswith(f'plan "bad" (id {plan.pk}), metadata_json.entitlements: entitlements[0].code: unknown')
        assert '"a.mx"' in said
        assert "nearest known: a.max" in said

    @pytest.mark.parametrize(
        ("value", "rule"),
        [
            ({}, "must have one of amount, limit, max"),
            ({"amount": "5"}, "must be a positive whole number"),
            ({"limit": 0}, "must be a positive whole number"),
            ({"max": 2.5}, "must be a positive whole number"),
        ],
    )
    def test_of_which_an_amount_cannot_be_derived(self, limit: str, value: Any, rule: str) -> None:
        old_plan("bad", {"code": limit, "valueJson": value})

        (said,) = refused(step=PLANS)

        assert 'plan "bad"' in said
        assert rule in said

    def test_of_which_an_amount_is_ambiguous(self, limit: str) -> None:
        old_plan("bad", {"code": limit, "valueJson": {"amount": 5, "limit": 6}})

        (said,) = refused(step=PLANS)

        assert "entitlements[0].valueJson: is ambiguous: it says amount 5, limit 6" in said

    def test_that_are_active_and_end_without_a_template(self) -> None:
        plan = PlanFactory(code="silent")

        (said,) = refused(step=PLANS)

        assert said.startswith(f'plan "silent" (id {plan.pk}): is active and ends without a template')

    def test_with_an_identifier_that_is_too_long(self, limit: str) -> None:
        DefinitionFactory(code=LONG)
        old_plan(LONG, says(limit))
        old_plan("bad", says(LONG))

        by_definition, by_plan = refused(step=PLANS)

        assert 'plan "bad"' in by_definition
        assert f'plan "{LONG}"' in by_plan
        assert "has 65 characters; at most 64 are taken over" in by_definition

    def test_that_two_inputs_describe_differently(self, limit: str) -> None:
        old_plan("both", says(limit, 5))
        PlanFactory(code="twice", is_active=False)

        found = refused(
            {
                "plans": [
                    {"code": "both", "entitlements": [says(limit, 6)]},
                    {"code": "twice", "entitlements": [says(limit, 1)]},
                    {"code": "twice", "entitlements": [says(limit, 2)]},
                ]
            },
            step=PLANS,
        )

        assert found[0] == "source file, plans[2] (twice): says something else than source file, plans[1]"
        assert "metadata_json.entitlements and source file, plans[0] give one template different content" in found[1]

    def test_that_say_one_thing_twice(self, limit: str) -> None:
        old_plan("bad", says(limit, 5), says(limit, 6))

        (said,) = refused(step=PLANS)

        assert "entitlements[1]: repeats a.max as plan_base of entitlements[0]" in said

    @pytest.mark.parametrize("raw", [{}, "all", [5], {"code": "a.max"}])
    def test_that_are_no_entries(self, raw: Any) -> None:
        PlanFactory(code="bad", metadata_json={"entitlements": raw})

        assert all('plan "bad"' in said for said in refused(step=PLANS))

    def test_that_a_file_names_and_nobody_knows(self, limit: str) -> None:
        assert refused({"plans": {"nope": [says(limit)]}}, step=PLANS) == [
            "source file, plans.nope (nope): there is no plan with this code"
        ]
        assert refused(None, {"nope": [says(limit)]}, step=PLANS) == [
            "defaults file, plans.nope (nope): there is no plan with this code"
        ]

    @pytest.mark.parametrize("file", [[], "x", {"plans": 5}, {"plans": [5]}, {"plans": [{"name": "no code"}]}])
    def test_of_a_file_with_another_shape(self, file: Any) -> None:
        assert all("source file" in said for said in refused(file, step=PLANS))

    def test_are_told_all_together(self, limit: str) -> None:
        for number in range(3):
            old_plan(f"bad-{number}", says("nope"), says(limit, 0))

        assert len(refused(step=PLANS)) == 6


class TestProducts:
    @pytest.fixture(autouse=True)
    def _nothing_is_written(self) -> Iterator[None]:
        yield
        assert not ProductTemplate.objects.exists()

    def test_keep_what_step_1_wrote(self, limit: str) -> None:
        old_plan("good", says(limit))
        product = old_product("bad", sells("nope"))

        (said,) = refused(step=PRODUCTS)

        assert said.startswith(f'product "bad" (id {product.pk}), metadata_json.entitlements: entitlements[0].code')
        assert PlanTemplate.objects.count() == 1

    def test_that_grant_something_and_end_without_a_template(self, limit: str) -> None:
        ProductFactory(code="bad", metadata_json={"entitlements": {"code": limit}})

        (said,) = refused(step=PRODUCTS)

        assert 'product "bad"' in said
        assert "must be an array of entries" in said

    def test_that_two_inputs_describe_differently(self, limit: str) -> None:
        old_product("both", sells(limit, 5))

        (said,) = refused({"products": {"both": []}}, step=PRODUCTS)

        assert "give one template different content" in said

    def test_with_an_identifier_that_is_too_long(self, limit: str) -> None:
        old_product(LONG, sells(limit))

        (said,) = refused(step=PRODUCTS)

        assert "65 characters" in said

    def test_that_a_file_names_and_nobody_knows(self, limit: str) -> None:
        assert refused({"products": {"nope": [sells(limit)]}}, step=PRODUCTS) == [
            "source file, products.nope (nope): there is no product with this code"
        ]


class TestCustomers:
    def test_with_an_invalid_window(self, limit: str) -> None:
        plan = old_plan("pro", says(limit, durationPolicy="period_window"))
        good, bad = customers(2)
        subscribe([good], plan)
        (assignment,) = subscribe([bad], plan, start=NOON, end=NOON)

        (said,) = refused(step=GRANTS)

        assert said.startswith(f"assignment {assignment.pk}: invalid window")

    @pytest.mark.django_db(transaction=True)
    def test_of_whom_the_subject_is_missing(self, limit: str) -> None:
        plan, product = old_plan("pro", says(limit)), old_product("pack", sells(limit))
        (kept,) = customers(1)
        subscribe([kept], plan)
        nobody = kept.pk + 1_000
        with connection.constraint_checks_disabled():
            assignment = subscription(nobody, plan)
            assignment.save()
            purchase = sale(nobody, product, "lost")
            purchase.save()

        found = refused(step=GRANTS)

        assert found == [
            f"assignment {assignment.pk}: its subject, billable entity {nobody}, does not exist",
            f"purchase {purchase.pk}: its subject, billable entity {nobody}, does not exist",
        ]
        with connection.constraint_checks_disabled():
            PlanAssignment.objects.filter(pk=assignment.pk).delete()
            purchase.delete()

    def test_whose_key_stands_for_another_grant(self, limit: str) -> None:
        plan = old_plan("pro", says(limit))
        one, other = customers(2)
        (assignment,) = subscribe([one], plan)
        backfill()
        template = PlanTemplate.objects.get()
        PlanAssignment.objects.update(projected_at=None)
        (second,) = subscribe([other], plan)
        key = keys.assignment_grant_key(second.pk, template.pk, NOON)
        GrantFactory(
            subject=one,
            definition=template.definition,
            kind=GrantKind.PLAN_BASE,
            replenish=Replenish.PER_WINDOW,
            dedupe_key=key,
        )

        (said,) = refused(step=GRANTS)

        assert said.startswith(f"assignment {second.pk}: its key {key} stands for grant")
        assert assignment.pk != second.pk

    def test_with_more_than_an_amount_can_be(self, limit: str) -> None:
        product = old_product("pack", sells(limit, MAX_AMOUNT // 2))
        (entity,) = customers(1)
        sale(entity.pk, product, "fits", quantity=2).save()
        purchase = sale(entity.pk, product, "bursts", quantity=3)
        purchase.save()

        (said,) = refused(step=GRANTS)

        assert said == f"purchase {purchase.pk}: 3 times what one unit grants is more than an amount can be"

    def test_are_named_up_to_a_number_and_counted_beyond_it(self, limit: str) -> None:
        plan = old_plan("pro", says(limit))
        subscribe(customers(25), plan, start=NOON, end=NOON - timedelta(days=0))

        found = refused(step=GRANTS)

        assert len(found) == 21
        assert found[-1].startswith("and others: 5 more")
        assert BillableEntity.objects.count() == 25
        assert Product.objects.count() == 0

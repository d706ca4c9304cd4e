"""Plans and products are published whole or not at all."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction

from billing.catalog.changes import catalog_changed
from billing.catalog.problems import CatalogInvalid
from billing.catalog.publishing import publish_plan, publish_product
from billing.models import Plan, PlanTemplate, Product, ProductTemplate
from mozaiks.kit.errors import Conflict, NotFound
from tests import NOON
from tests.factories import DefinitionFactory, PlanFactory, PlanTemplateFactory

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def limit(code: str, amount: int | None = 5, **changes: Any) -> dict[str, Any]:
    DefinitionFactory(code=code)
    return says(code, amount, **changes)


def says(code: str, amount: int | None = 5, **changes: Any) -> dict[str, Any]:
    return {"code": code, "valueJson": {"limit": amount}, **changes}


def sells(code: str, amount: int | None = 5, **changes: Any) -> dict[str, Any]:
    return {"code": code, "amount": amount, "grantKind": "one_off_topup", **changes}


def problems(given: dict[str, Any], *args: Any, **options: Any) -> dict[str, list[str]]:
    with pytest.raises(CatalogInvalid) as refused:
        publish_plan(given, *args, now=LATER, **options)
    return refused.value.field_errors


def product_problems(given: dict[str, Any], *args: Any) -> dict[str, list[str]]:
    with pytest.raises(CatalogInvalid) as refused:
        publish_product(given, *args, now=LATER)
    return refused.value.field_errors


@pytest.fixture
def told() -> Iterator[mock.Mock]:
    listener = mock.Mock()
    catalog_changed.register(listener)
    yield listener
    catalog_changed.unregister(listener)


class TestCreatingAPlan:
    def test_writes_the_row_and_its_templates(self) -> None:
        entry = limit("a.max", 7, grantKind="plan_bonus", durationPolicy="fixed_duration", durationDays=14)

        plan = publish_plan({"code": "pro", "name": "Pro"}, [entry], now=NOON)

        plan.refresh_from_db()
        template = plan.templates.get()
        assert (plan.code, plan.name, plan.created_at, plan.updated_at) == ("pro", "Pro", NOON, NOON)
        assert (template.definition.code, template.amount, template.grant_kind) == ("a.max", 7, "plan_bonus")
        assert (template.duration_policy, template.duration_days) == ("fixed_duration", 14)

    def test_that_is_active_needs_to_say_what_it_grants(self) -> None:
        assert set(problems({"code": "pro", "name": "Pro"})) == {"entitlements"}
        assert not Plan.objects.exists()

    def test_that_is_inactive_may_leave_that_for_later(self) -> None:
        plan = publish_plan({"code": "pro", "name": "Pro", "is_active": False}, now=NOON)

        assert not plan.grants_nothing
        assert set(problems({"code": "pro", "is_active": True})) == {"entitlements"}
        assert publish_plan({"code": "pro", "is_active": True}, [], now=LATER).is_active

    def test_that_grants_nothing_says_so(self) -> None:
        plan = publish_plan({"code": "bare", "name": "Bare"}, [], now=NOON)

        assert plan.grants_nothing
        assert not plan.templates.exists()

    def test_needs_a_code_and_a_name(self) -> None:
        assert set(problems({}, [])) == {"code", "name"}

    def test_refuses_a_code_that_differs_from_another_by_case_only(self) -> None:
        PlanFactory(code="pro")

        assert set(problems({"code": "PRO", "name": "Pro"}, [])) == {"code"}

    def test_can_be_all_that_is_meant(self) -> None:
        PlanFactory(code="pro")

        with pytest.raises(Conflict):
            publish_plan({"code": "pro", "name": "Pro"}, [], now=NOON, only="create")
        with pytest.raises(NotFound):
            publish_plan({"code": "max", "name": "Max"}, [], now=NOON, only="update")


class TestFieldsOfAPlan:
    @pytest.mark.parametrize(
        ("field", "bad"),
        [
            ("code", "with blank"),
            ("code", ""),
            ("code", "x" * 121),
            ("code", 5),
            ("name", " "),
            ("name", "x" * 161),
            ("name", None),
            ("name", "\ud800"),
            ("applies_to", "user"),
            ("checkout_provider", "x" * 33),
            ("checkout_interval", "fortnight"),
            ("checkout_interval_count", 0),
            ("checkout_interval_count", None),
            ("checkout_currency", "eur"),
            ("checkout_currency", "EURO"),
            ("checkout_unit_amount_minor", -1),
            ("checkout_unit_amount_minor", 9.5),
            ("checkout_unit_amount_minor", "900"),
            ("plugins", "*"),
            ("plugins", ["a", ""]),
            ("plugins", ["a", "a"]),
            ("plugin_tiers", {"chat": 2}),
            ("plugin_tiers", ["chat"]),
            ("is_active", "yes"),
            ("is_default", 1),
            ("trial_days", -1),
            ("trial_days", 2**40),
            ("metadata_json", []),
            ("grants_nothing", True),
            ("colour", "red"),
        ],
    )
    def test_that_are_wrong_are_named(self, field: str, bad: object) -> None:
        given = {"code": "pro", "name": "Pro", field: bad}

        assert set(problems(given, [])) == {field}
        assert not Plan.objects.exists()

    def test_are_refused_together_with_the_entries(self) -> None:
        found = problems({"code": "pro", "name": "", "trial_days": -1, "is_active": 1}, [says("nope"), 5])

        assert set(found) == {"name", "trial_days", "is_active", "entitlements[0].code", "entitlements[1]"}

    def test_keep_what_is_not_given(self) -> None:
        PlanFactory(code="pro", name="Pro", trial_days=14)

        plan = publish_plan({"code": "pro", "name": "Professional"}, now=LATER)

        assert (plan.name, plan.trial_days, plan.created_at, plan.updated_at) == ("Professional", 14, NOON, LATER)

    def test_may_hold_plugins_and_tiers(self) -> None:
        given = {"code": "pro", "name": "Pro", "plugins": ["basic_*"], "plugin_tiers": {"chat": "gold"}}

        plan = publish_plan(given, [], now=NOON)

        plan.refresh_from_db()
        assert (plan.plugins, plan.plugin_tiers) == (["basic_*"], {"chat": "gold"})


class TestThePriceOfAPlan:
    def test_may_be_nothing_at_all_for_a_free_plan(self) -> None:
        plan = publish_plan(
            {"code": "free", "name": "Free", "checkout_provider": "stripe", "checkout_unit_amount_minor": 0},
            [],
            now=NOON,
        )

        assert plan.checkout_provider_price_id is None

    def test_above_zero_needs_currency_and_interval(self) -> None:
        given = {"code": "pro", "name": "Pro", "checkout_unit_amount_minor": 900}

        assert set(problems(given, [])) == {"checkout_currency", "checkout_interval"}

    def test_above_zero_needs_the_price_of_a_provider_that_is_named(self) -> None:
        given = {
            "code": "pro",
            "name": "Pro",
            "checkout_unit_amount_minor": 900,
            "checkout_currency": "EUR",
            "checkout_interval": "month",
        }

        assert publish_plan(given, [], now=NOON).checkout_unit_amount_minor == 900
        assert set(problems({"code": "pro", "checkout_provider": "stripe"})) == {"checkout_provider_price_id"}
        assert set(problems({"code": "pro", "checkout_provider_price_id": "price_1"})) == {"checkout_provider"}

    def test_of_a_provider_can_be_cleared(self) -> None:
        PlanFactory(code="pro", checkout_provider="stripe", checkout_provider_price_id="price_1")

        plan = publish_plan({"code": "pro", "checkout_provider": "", "checkout_provider_price_id": ""}, now=LATER)

        assert (plan.checkout_provider, plan.checkout_provider_price_id) == ("", None)


class TestTheDefaultPlan:
    def test_moves_when_another_plan_is_made_it(self) -> None:
        free = PlanFactory(code="free", is_default=True)
        other = PlanFactory(code="other")

        publish_plan({"code": "other", "is_default": True}, now=LATER)

        assert list(Plan.objects.filter(is_default=True)) == [other]
        free.refresh_from_db()
        assert free.updated_at == LATER

    def test_moves_to_a_new_plan_too(self) -> None:
        PlanFactory(code="free", is_default=True)

        new = publish_plan({"code": "new", "name": "New", "is_default": True}, [], now=LATER)

        assert list(Plan.objects.filter(is_default=True)) == [new]

    def test_stays_it_when_it_is_published_again(self) -> None:
        free = PlanFactory(code="free", is_default=True)

        publish_plan({"code": "free", "name": "Gratis", "is_default": True}, now=LATER)

        assert list(Plan.objects.filter(is_default=True)) == [free]

    def test_can_be_none(self) -> None:
        PlanFactory(code="free", is_default=True)

        publish_plan({"code": "free", "is_default": False}, now=LATER)

        assert not Plan.objects.filter(is_default=True).exists()

    def test_is_active(self) -> None:
        PlanFactory(code="free", is_default=True)
        PlanFactory(code="old", is_active=False)

        assert set(problems({"code": "free", "is_active": False})) == {"is_active"}
        assert set(problems({"code": "old", "is_default": True})) == {"is_default"}
        assert publish_plan({"code": "free", "is_active": False, "is_default": False}, now=LATER).pk


class TestTemplatesOfAPlan:
    def test_stay_as_they_are_when_the_field_is_omitted(self) -> None:
        template = PlanTemplateFactory(plan__code="pro")

        publish_plan({"code": "pro", "name": "Professional"}, now=LATER)

        assert list(PlanTemplate.objects.all()) == [template]

    def test_are_cleared_by_an_empty_list(self) -> None:
        PlanTemplateFactory(plan__code="pro")

        plan = publish_plan({"code": "pro"}, [], now=LATER)

        assert plan.grants_nothing
        assert not PlanTemplate.objects.exists()

    def test_come_back_and_the_mark_goes(self) -> None:
        PlanFactory(code="bare", grants_nothing=True)

        plan = publish_plan({"code": "bare"}, [limit("a.max")], now=LATER)

        assert not plan.grants_nothing
        assert plan.templates.count() == 1

    def test_keep_their_ids_where_definition_and_kind_stay(self) -> None:
        plan = publish_plan(
            {"code": "pro", "name": "Pro"},
            [limit("a.max"), says("a.max", grantKind="plan_bonus"), limit("b.max"), limit("c.max")],
            now=NOON,
        )
        before = {(t.definition.code, t.grant_kind): t.pk for t in plan.templates.select_related("definition")}

        publish_plan({"code": "pro"}, [limit("d.max"), says("b.max", None), says("a.max", 9)], now=LATER)

        after = {(t.definition.code, t.grant_kind): t for t in plan.templates.select_related("definition")}
        assert set(after) == {("a.max", "plan_base"), ("b.max", "plan_base"), ("d.max", "plan_base")}
        assert after["a.max", "plan_base"].pk == before["a.max", "plan_base"]
        assert after["a.max", "plan_base"].amount == 9
        assert after["b.max", "plan_base"].pk == before["b.max", "plan_base"]
        assert after["b.max", "plan_base"].amount is None
        assert after["d.max", "plan_base"].pk not in before.values()

    def test_of_another_plan_are_left_alone(self) -> None:
        other = PlanTemplateFactory()
        PlanTemplateFactory(plan__code="pro", definition=other.definition)

        publish_plan({"code": "pro"}, [], now=LATER)

        assert list(PlanTemplate.objects.all()) == [other]

    def test_move_the_plans_time_of_change_on(self) -> None:
        PlanTemplateFactory(plan__code="pro", definition__code="a.max", amount=5)

        plan = publish_plan({"code": "pro"}, [says("a.max", 6)], now=LATER)

        plan.refresh_from_db()
        assert plan.updated_at == LATER


class TestPublishingTheSameAgain:
    def test_writes_nothing_and_tells_nobody(self, told: mock.Mock, django_capture_on_commit_callbacks: Any) -> None:
        given = {"code": "pro", "name": "Pro", "plugins": ["*"]}
        entries = [limit("a.max", metadataJson={"a": [1]})]
        publish_plan(given, entries, now=NOON)

        with django_capture_on_commit_callbacks(execute=True):
            plan = publish_plan(given, entries, now=LATER)

        plan.refresh_from_db()
        assert plan.updated_at == NOON
        told.assert_not_called()

    def test_of_a_product_writes_nothing_and_tells_nobody(
        self, told: mock.Mock, django_capture_on_commit_callbacks: Any
    ) -> None:
        DefinitionFactory(code="a.max")
        publish_product({"code": "pack", "name": "Pack"}, [sells("a.max")], now=NOON)

        with django_capture_on_commit_callbacks(execute=True):
            product = publish_product({"code": "pack", "name": "Pack"}, [sells("a.max")], now=LATER)

        assert product.updated_at == NOON
        told.assert_not_called()


class TestListeners:
    @pytest.mark.parametrize("entries", [[], [says("a.max", 3)]])
    def test_hear_of_a_change_after_the_commit(
        self, told: mock.Mock, django_capture_on_commit_callbacks: Any, entries: list[Any]
    ) -> None:
        PlanTemplateFactory(plan__code="pro", definition__code="a.max", amount=5)

        with django_capture_on_commit_callbacks(execute=True):
            publish_plan({"code": "pro"}, entries, now=LATER)
            told.assert_not_called()

        told.assert_called_once_with()

    def test_that_fail_undo_nothing(self, told: mock.Mock, django_capture_on_commit_callbacks: Any) -> None:
        told.side_effect = RuntimeError

        with django_capture_on_commit_callbacks(execute=True):
            publish_product({"code": "pack", "name": "Pack"}, now=NOON)

        assert Product.objects.filter(code="pack").exists()


class TestAFailureInTheMiddle:
    def test_leaves_the_old_state(self, told: mock.Mock, django_capture_on_commit_callbacks: Any) -> None:
        template = PlanTemplateFactory(plan__code="pro", plan__name="Pro", definition__code="a.max", amount=5)
        PlanFactory(code="free", is_default=True)
        entries = [says("a.max", 6), limit("b.max")]

        with (
            django_capture_on_commit_callbacks(execute=True),
            mock.patch.object(PlanTemplate._default_manager, "create", side_effect=RuntimeError),
            pytest.raises(RuntimeError),
        ):
            publish_plan({"code": "pro", "name": "New", "is_default": True}, entries, now=LATER)

        template.refresh_from_db()
        assert (template.amount, template.plan.name) == (5, "Pro")
        assert Plan.objects.get(is_default=True).code == "free"
        told.assert_not_called()

    def test_leaves_no_new_row(self) -> None:
        with (
            mock.patch.object(ProductTemplate._default_manager, "create", side_effect=RuntimeError),
            pytest.raises(RuntimeError),
        ):
            publish_product({"code": "pack", "name": "Pack"}, [sells(limit("a.max")["code"])], now=NOON)

        assert not Product.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestTransactions:
    def test_are_opened_where_there_is_none(self, told: mock.Mock) -> None:
        publish_plan({"code": "pro", "name": "Pro"}, [limit("a.max")], now=NOON)

        assert Plan.objects.get().templates.count() == 1
        assert not connection.in_atomic_block
        told.assert_called_once_with()

    def test_of_the_caller_are_joined(self, told: mock.Mock) -> None:
        def save_and_fail() -> None:
            with transaction.atomic():
                publish_plan({"code": "pro", "name": "Pro"}, [limit("a.max")], now=NOON)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            save_and_fail()

        assert not Plan.objects.exists()
        told.assert_not_called()

    def test_of_the_caller_survive_a_refusal(self) -> None:
        with transaction.atomic():
            PlanFactory(code="before")
            assert problems({"code": "pro"}, [5])

        assert list(Plan.objects.values_list("code", flat=True)) == ["before"]

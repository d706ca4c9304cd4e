"""Products are published whole or not at all."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest

from billing.catalog.changes import catalog_changed
from billing.catalog.problems import CatalogInvalid
from billing.catalog.publishing import publish_plan, publish_product
from billing.models import ProductTemplate
from mozaiks.kit.errors import Conflict, NotFound
from tests import NOON
from tests.factories import DefinitionFactory, ProductFactory, ProductTemplateFactory

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


class TestProducts:
    def test_are_written_with_their_templates(self) -> None:
        DefinitionFactory(code="a.max")
        given = {"code": "pack", "name": "Pack", "currency": "EUR", "unit_amount_minor": 500}

        product = publish_product(given, [sells("a.max", 5, grantKind="timeboxed_addon", durationDays=60)], now=NOON)

        template = product.templates.get()
        assert (template.amount, template.grant_kind, template.duration_days) == (5, "timeboxed_addon", 60)

    def test_need_grant_nothing(self) -> None:
        assert publish_product({"code": "setup", "name": "Setup", "product_kind": "setup_fee"}, now=NOON).pk

    def test_keep_the_ids_of_templates_that_stay(self) -> None:
        kept = ProductTemplateFactory(product__code="pack", definition__code="a.max", amount=5)
        ProductTemplateFactory(product=kept.product)

        publish_product({"code": "pack"}, [sells("a.max", 6)], now=LATER)

        template = ProductTemplate.objects.get()
        assert (template.pk, template.amount) == (kept.pk, 6)

    def test_are_cleared_by_an_empty_list_and_kept_without_one(self) -> None:
        ProductTemplateFactory(product__code="pack")

        publish_product({"code": "pack", "name": "Packet"}, now=LATER)
        assert ProductTemplate.objects.count() == 1

        publish_product({"code": "pack"}, [], now=LATER)
        assert not ProductTemplate.objects.exists()

    @pytest.mark.parametrize(
        ("field", "bad"),
        [
            ("product_kind", "gift"),
            ("currency", "€"),
            ("unit_amount_minor", True),
            ("price_interval", "hour"),
            ("is_active", None),
            ("is_default", True),
        ],
    )
    def test_name_the_fields_that_are_wrong(self, field: str, bad: object) -> None:
        assert set(product_problems({"code": "pack", "name": "Pack", field: bad}, [])) == {field}

    def test_need_a_currency_for_a_price(self) -> None:
        assert set(product_problems({"code": "pack", "name": "Pack", "unit_amount_minor": 5})) == {"currency"}

    def test_share_no_price_of_a_provider(self) -> None:
        ProductFactory(code="one", provider="stripe", provider_price_id="price_1")
        given = {"code": "two", "name": "Two", "provider": "stripe", "provider_price_id": "price_1"}

        assert set(product_problems(given, [])) == {"provider_price_id"}
        assert publish_product({"code": "one", "provider_price_id": "price_1"}, now=LATER).pk
        assert publish_product({**given, "provider": "other"}, now=LATER).pk

    def test_can_be_meant_to_be_new_or_known(self) -> None:
        ProductFactory(code="pack")

        with pytest.raises(Conflict):
            publish_product({"code": "pack", "name": "Pack"}, now=NOON, only="create")
        with pytest.raises(NotFound):
            publish_product({"code": "other", "name": "Other"}, now=NOON, only="update")

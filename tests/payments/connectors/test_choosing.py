"""Which connector the settings mean, and what they may not mean."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from billing import checks
from billing.payments.connectors.choosing import connector, connector_named
from billing.payments.connectors.mock import MockConnector
from billing.payments.fake import connecting
from mozaiks.kit.checks import refuse_unsafe_start
from mozaiks.kit.errors import NotFound
from tests.payments.provider import Provider


class Stranger(MockConnector):
    """Somebody else's connector, by its dotted path."""

    name = "stranger"

    def __init__(self) -> None:
        super().__init__(webhook_secrets=[])


@pytest.fixture(autouse=True)
def _nothing_set(settings: Settings) -> None:
    settings.BILLING_CONNECTOR = settings.STRIPE_SECRET_KEY = settings.MOZAIKS_GATEWAY_BASE_URL = ""
    settings.BILLING_FAKE_PROVIDER = False


def test_without_keys_nothing_is_sold() -> None:
    assert connector().name == "mock"


def test_a_gateway_is_asked_where_it_is_named(settings: Settings) -> None:
    settings.MOZAIKS_GATEWAY_BASE_URL = "https://pay.example.org"

    assert connector().name == "managed"


def test_an_account_of_stripes_comes_before_a_gateway(settings: Settings) -> None:
    settings.MOZAIKS_GATEWAY_BASE_URL = "https://pay.example.org"
    settings.STRIPE_SECRET_KEY = "sk_test_1"

    assert connector().name == "stripe"


def test_a_dotted_path_comes_before_all(settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    settings.BILLING_CONNECTOR = f"{__name__}.Stranger"

    assert connector().name == "stranger"
    assert connector_named("stranger").name == "stranger"
    assert connector_named("stripe").name == "stripe"  # its events still come in


def test_the_provider_of_the_demo_plays_stripe(settings: Settings) -> None:
    settings.BILLING_FAKE_PROVIDER = True
    fake = Provider()
    connecting.use(fake)

    fake.price("price_pack", amount_minor=5)
    customer = fake.customer()

    assert connector().name == "stripe"
    assert [method.last4 for method in connector().payment_methods(customer)] == ["4242"]
    connecting.use(None)


@pytest.mark.parametrize("name", ["", "paypal", "../stripe", "x" * 500])
def test_a_provider_nobody_knows_is_not_there(name: str) -> None:
    with pytest.raises(NotFound):
        connector_named(name)


def ids(check: Any) -> list[str]:
    return [message.id for message in check(None)]


@pytest.mark.parametrize(
    "path", ["nowhere", "billing.nowhere.Connector", f"{__name__}.Missing", f"{__name__}.__name__"]
)
def test_a_path_that_leads_nowhere_refuses_to_start(settings: Settings, path: str) -> None:
    settings.BILLING_CONNECTOR = path

    assert ids(checks.connector_loads) == ["billing.E001"]
    with pytest.raises(ImproperlyConfigured, match=r"billing\.E001"):
        refuse_unsafe_start()


def test_a_path_that_leads_to_a_connector_is_sound(settings: Settings) -> None:
    settings.BILLING_CONNECTOR = f"{__name__}.Stranger"

    assert ids(checks.connector_loads) == []


@pytest.mark.parametrize(
    ("debug", "key", "found"),
    [
        (True, "", []),
        (False, "", ["billing.E002"]),
        (True, "sk_test_1", ["billing.E003"]),
        (False, "sk_test_1", ["billing.E002", "billing.E003"]),
    ],
)
def test_the_provider_of_the_demo_is_for_desks_alone(
    settings: Settings, debug: bool, key: str, found: list[str]
) -> None:
    settings.BILLING_FAKE_PROVIDER, settings.DEBUG, settings.STRIPE_SECRET_KEY = True, debug, key

    assert ids(checks.fake_provider_on_desks_only) == found

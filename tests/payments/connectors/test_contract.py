"""What every connector keeps, whichever of them is set: one suite, run against all, and against a stranger's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.models.checkouts import CheckoutPurpose
from billing.payments.connectors.base import (
    Ability,
    BadSignature,
    NotConfigured,
    OperationNotSupported,
    OutcomeUnknown,
    PaymentConnector,
    ProviderError,
    SubscriptionRef,
)
from billing.payments.connectors.facts import CheckoutEnded, CheckoutOutcome, Whose
from billing.payments.connectors.managed import ManagedConnector
from billing.payments.connectors.mock import MockConnector
from billing.payments.connectors.neutral import write_facts
from billing.payments.connectors.signing import sign_standard, sign_stripe
from billing.payments.connectors.stripe.connector import StripeConnector
from mozaiks.kit.errors import Invalid
from tests import NOON
from tests.payments.connectors.gateway import Gateway
from tests.payments.connectors.test_fake import make_fake
from tests.payments.provider import order_of

SECRET, OLD = "the-new-secret", "the-old-secret"
SECOND = timedelta(seconds=1)
Signer = Callable[[bytes, str, datetime], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A connector that works, the same without its secret, and how its events look."""

    works: PaymentConnector
    bare: PaymentConnector
    body: bytes
    sign: Signer
    breaks: Callable[[], None]


def standard(body: bytes, secret: str, at: datetime) -> Mapping[str, str]:
    return sign_standard(body, identity="msg_1", secret=secret, at=at)


def stripes(body: bytes, secret: str, at: datetime) -> Mapping[str, str]:
    return sign_stripe(body, secret=secret, at=at)


ENDED = CheckoutEnded(whose=Whose(entity_id=1), session_id="cs_1", outcome=CheckoutOutcome.EXPIRED)
NEUTRAL = json.dumps(write_facts([ENDED], at=NOON)).encode()
STRIPES = json.dumps(
    {
        "id": "evt_1",
        "object": "event",
        "type": "checkout.session.expired",
        "created": int(NOON.timestamp()),
        "data": {"object": {"id": "cs_1", "mode": "payment", "metadata": {"mozaiks_entity_id": "1"}}},
    }
).encode()


def mock_case() -> Case:
    both = [SECRET, OLD]
    works, bare = MockConnector(webhook_secrets=both), MockConnector(webhook_secrets=[])
    return Case(works=works, bare=bare, body=NEUTRAL, sign=standard, breaks=lambda: None)


def managed_case(gateway: Gateway) -> Case:
    made = [
        ManagedConnector(gateway.url, api_key="app-key", webhook_secrets=secrets, timeout_seconds=0.5)
        for secrets in ([SECRET, OLD], [])
    ]
    return Case(works=made[0], bare=made[1], body=NEUTRAL, sign=standard, breaks=gateway.hang_up)


def stripe_case() -> Case:
    fake = make_fake()
    speaking = fake.connector()
    works = StripeConnector("sk_test_1", webhook_secrets=[SECRET, OLD])
    works._client = speaking.client
    bare = StripeConnector("", webhook_secrets=[])
    return Case(works=works, bare=bare, body=STRIPES, sign=stripes, breaks=lambda: fake.fail("down", times=5))


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


@pytest.fixture(params=["mock", "managed", "stripe"])
def case(request: pytest.FixtureRequest, gateway: Gateway) -> Case:
    gateway.behave()
    return {"mock": mock_case, "managed": lambda: managed_case(gateway), "stripe": stripe_case}[request.param]()


def test_a_checkout_has_a_session_and_somewhere_to_go(case: Case) -> None:
    opened = case.works.checkout(order_of("price_pro"))

    assert 0 < len(opened.session_id) <= 191
    assert opened.url


def test_a_repeated_checkout_opens_no_second_one(case: Case) -> None:
    first, second = (case.works.checkout(order_of("price_pro")) for _ in range(2))

    assert first == second


def test_a_status_says_whether_it_is_active(case: Case) -> None:
    view = case.works.subscription_status(SubscriptionRef(entity_id=1))

    assert isinstance(view.active, bool)
    assert view.status


def test_who_does_not_answer_makes_nobody_active_and_is_not_taken_for_refused(case: Case) -> None:
    if case.works.name == "mock":
        pytest.skip("it asks nobody")
    case.breaks()

    with pytest.raises(OutcomeUnknown):
        case.works.checkout(order_of("price_pro"))
    with pytest.raises(OutcomeUnknown):
        case.works.cancel("sub_1", at_period_end=True, operation_key="end")


@pytest.mark.parametrize("ability", Ability)
def test_what_it_says_it_cannot_do_it_refuses(case: Case, ability: Ability) -> None:
    if ability in case.works.abilities:
        pytest.skip("it can")
    order = order_of("price_pack", purpose=CheckoutPurpose.ONE_OFF)
    works: Any = case.works
    deeds: dict[Ability, list[Callable[[], Any]]] = {
        Ability.PORTAL: [lambda: works.portal("cus", return_url="https://x.org", operation_key="a")],
        Ability.REFUND: [lambda: works.refund(payment_id="pi", amount_minor=1, reason="", operation_key="a")],
        Ability.CHANGE_PLAN: [
            lambda: works.change_plan("sub", "price", at_period_end=False, operation_key="a"),
            lambda: works.resume("sub", operation_key="a"),
        ],
        Ability.PAYMENT_LINKS: [lambda: works.payment_link(order)],
        Ability.PAYMENT_METHODS: [
            lambda: works.payment_methods("cus"),
            lambda: works.add_payment_method("cus", return_url="https://x.org", operation_key="a"),
            lambda: works.default_payment_method("cus", "pm", operation_key="a"),
            lambda: works.remove_payment_method("pm", operation_key="a"),
        ],
    }

    for deed in deeds[ability]:
        with pytest.raises(OperationNotSupported, match=works.name):
            deed()


@pytest.mark.parametrize("secret", [SECRET, OLD])
@pytest.mark.parametrize("late", [-300, 0, 300])
def test_an_event_is_read_with_any_secret_within_the_tolerance(case: Case, secret: str, late: int) -> None:
    event = case.works.parse_webhook(case.body, case.sign(case.body, secret, NOON), now=NOON + late * SECOND)

    assert event.provider == case.works.name
    assert event.created_at == NOON
    assert list(case.works.translate(event)) == [ENDED]
    assert list(case.works.enrich(event, [ENDED])) == [ENDED]


@pytest.mark.parametrize("late", [-301, 301])
def test_an_old_event_and_one_ahead_of_time_are_refused(case: Case, late: int) -> None:
    with pytest.raises(BadSignature, match="300 seconds"):
        case.works.parse_webhook(case.body, case.sign(case.body, SECRET, NOON), now=NOON + late * SECOND)


def test_a_forged_or_changed_event_is_refused(case: Case) -> None:
    signed = dict(case.sign(case.body, SECRET, NOON))
    name = next(name for name in signed if name.lower().endswith("signature"))
    forgeries: list[tuple[bytes, Mapping[str, str]]] = [
        (case.body, case.sign(case.body, "another-secret", NOON)),
        (case.body + b" ", signed),
        (case.body, {}),
        (case.body, {**signed, name: ""}),
        (case.body, {**signed, name: "t=,v1="}),
        (case.body, {**signed, name: "v1,"}),
        (case.body, {**signed, name: "é" * 40}),
        (case.body, {**signed, name: signed[name].replace("v1", "v0")}),
    ]

    for body, headers in forgeries:
        with pytest.raises(BadSignature):
            case.works.parse_webhook(body, headers, now=NOON)


def test_the_names_of_headers_may_be_written_in_any_case(case: Case) -> None:
    headers = {name.upper(): value for name, value in case.sign(case.body, SECRET, NOON).items()}

    assert case.works.parse_webhook(case.body, headers, now=NOON)


def test_without_a_secret_the_door_stays_shut(case: Case) -> None:
    with pytest.raises(NotConfigured, match="_SECRET is not set"):
        case.bare.parse_webhook(case.body, case.sign(case.body, "", NOON), now=NOON)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"nonsense",
        b"\xff",
        b'{"id": 5}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"a": "\\ud800"}',
    ],
)
def test_signed_nonsense_is_no_event(case: Case, body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        case.works.parse_webhook(body, case.sign(body, SECRET, NOON), now=NOON)

    assert not isinstance(refused.value, BadSignature)


def test_no_failure_tells_a_secret(case: Case) -> None:
    case.breaks()
    said = []
    for ask in (
        lambda: case.works.checkout(order_of("price_of_nobody")),
        lambda: case.works.parse_webhook(case.body, case.sign(case.body, "wrong", NOON), now=NOON),
    ):
        try:
            ask()
        except (ProviderError, BadSignature) as failure:
            said.append(f"{failure.message} {failure.details}")

    assert said
    assert not any(secret in text for text in said for secret in (SECRET, OLD, "sk_test", "app-key"))

"""Our signatures are those of the specifications: told apart by vectors and by the SDK itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import stripe

from billing.payments.connectors.base import BadSignature
from billing.payments.connectors.signing import sign_standard, sign_stripe, verify_standard, verify_stripe
from tests import NOON

#: The example of the specification of Standard Webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
IDENTITY = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, tz=UTC)
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_standard_webhooks_are_signed_as_their_example() -> None:
    headers = sign_standard(BODY, identity=IDENTITY, secret=SECRET, at=AT)

    assert headers["webhook-signature"] == SIGNATURE
    assert verify_standard(BODY, headers, secrets=["other", SECRET], setting="X", now=AT) == IDENTITY


def test_one_of_several_signatures_is_enough() -> None:
    headers = sign_standard(BODY, identity=IDENTITY, secret=SECRET, at=AT)
    headers["webhook-signature"] = f"v1a,abc v1,wrong {SIGNATURE}"

    assert verify_standard(BODY, headers, secrets=[SECRET], setting="X", now=AT) == IDENTITY


def test_a_message_cannot_take_anothers_id() -> None:
    headers = sign_standard(BODY, identity=IDENTITY, secret=SECRET, at=AT) | {"webhook-id": "msg_other"}

    with pytest.raises(BadSignature):
        verify_standard(BODY, headers, secrets=[SECRET], setting="X", now=AT)


def test_the_sdk_takes_our_signature_for_stripes() -> None:
    header = sign_stripe(BODY, secret="whsec_x", at=NOON)["Stripe-Signature"]

    assert stripe.WebhookSignature.verify_header(BODY, header, "whsec_x")


def test_we_take_stripes_signature() -> None:
    header = stripe.WebhookSignature.generate_signature_header(BODY.decode(), "whsec_x", int(NOON.timestamp()))

    verify_stripe(BODY, {"Stripe-Signature": header}, secrets=["whsec_y", "whsec_x"], now=NOON)

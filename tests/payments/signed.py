"""Signed requests as providers send them, and every way in which one can be wrong, each with its verdict."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from billing.payments.connectors.signing import sign_standard, sign_stripe
from tests import NOON

OLD, NEW = "whsec_b2xkLXNlY3JldC1vZi10aGUtdGVzdHM=", "whsec_bmV3LXNlY3JldC1vZi10aGUtdGVzdHM="
OTHER = "whsec_b3RoZXItc2VjcmV0LW9mLXRoZS10ZXN0cw=="
SETTINGS = {
    "stripe": "STRIPE_WEBHOOK_SECRET",
    "mock": "MOCK_WEBHOOK_SECRET",
    "managed": "MOZAIKS_GATEWAY_WEBHOOK_SECRET",
}
ID = "evt_signed"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A request as it arrives. ``secrets`` are those the installation has."""

    provider: str
    body: bytes
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = (NEW, OLD)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is sent, and the status it is answered with; 202 alone means that it was stored."""

    name: str
    verdict: int
    make: Callable[[str], Sent]
    providers: tuple[str, ...] = field(default=("stripe", "mock"))

    def __str__(self) -> str:
        return self.name


def body_for(provider: str, **more: Any) -> bytes:
    """A harmless event."""
    if provider == "stripe":
        said = {"id": ID, "object": "event", "type": "ping", "created": int(NOON.timestamp()), "data": {"object": {}}}
    else:
        said = {"type": "ping", "timestamp": "2026-02-21T12:00:00.000Z", "data": {"facts": []}}
    return json.dumps(said | more).encode()


def sign(provider: str, body: bytes, *, secret: str = NEW, at: datetime = NOON) -> dict[str, str]:
    if provider == "stripe":
        return sign_stripe(body, secret=secret, at=at)
    return sign_standard(body, identity=ID, secret=secret, at=at)


def good(provider: str, body: bytes | None = None, **how: Any) -> Sent:
    said = body_for(provider) if body is None else body
    return Sent(provider=provider, body=said, headers=sign(provider, said, **how))


def signature_of(provider: str) -> str:
    """The header that carries the signature."""
    return "Stripe-Signature" if provider == "stripe" else "webhook-signature"


def edited(provider: str, edit: Callable[[str], str], *, header: str | None = None) -> Sent:
    """A good request whose signature (or another header) was edited."""
    sent = good(provider)
    name = header or signature_of(provider)
    return Sent(provider=provider, body=sent.body, headers={**sent.headers, name: edit(sent.headers[name])})


def without(provider: str, header: str | None = None) -> Sent:
    sent = good(provider)
    left_out = header or signature_of(provider)
    kept = {name: value for name, value in sent.headers.items() if name != left_out}
    return Sent(provider=provider, body=sent.body, headers=kept)


def altered(provider: str, alter: Callable[[bytes], bytes]) -> Sent:
    sent = good(provider)
    return Sent(provider=provider, body=alter(sent.body), headers=sent.headers)


def seconds(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


def two_signatures(provider: str, first: str, second: str) -> Sent:
    """Both secrets signed it, as while one is rotated at the provider."""
    body = body_for(provider)
    name = signature_of(provider)
    one, other = sign(provider, body, secret=first), sign(provider, body, secret=second)
    both = f"{one[name]},{other[name].split(',')[1]}" if provider == "stripe" else f"{one[name]} {other[name]}"
    return Sent(provider=provider, body=body, headers={**one, name: both})


def two_times(provider: str) -> Sent:
    """A fresh time before the signed one: the first counts for both the age and the signature."""
    return edited(provider, lambda header: f"t={int(seconds(-299).timestamp())},{header}")


def by_hand(provider: str, stamp: str) -> Sent:
    """Signed rightly over a time that is none."""
    body = body_for(provider)
    signature = hmac.new(NEW.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return Sent(provider=provider, body=body, headers={"Stripe-Signature": f"t={stamp},v1={signature}"})


def of_other_scheme(provider: str) -> Sent:
    other = "mock" if provider == "stripe" else "stripe"
    body = body_for(provider)
    return Sent(provider=provider, body=body, headers=sign(other, body))


def with_secrets(sent: Sent, *secrets: str) -> Sent:
    return Sent(provider=sent.provider, body=sent.body, headers=sent.headers, secrets=secrets)


STRIPE, STANDARD = ("stripe",), ("mock", "managed")
DEEP = b'{"a":' * 40 + b"1" + b"}" * 40
CASES = [
    Case(name="signed", verdict=202, make=good, providers=("stripe", "mock", "managed")),
    Case(name="signed by the older of two secrets", verdict=202, make=lambda p: good(p, secret=OLD)),
    Case(name="signed by both secrets", verdict=202, make=lambda p: two_signatures(p, OLD, NEW)),
    Case(name="signed by another and by ours", verdict=202, make=lambda p: two_signatures(p, OTHER, NEW)),
    Case(name="300 seconds old", verdict=202, make=lambda p: good(p, at=seconds(-300))),
    Case(name="300 seconds ahead", verdict=202, make=lambda p: good(p, at=seconds(300))),
    Case(name="unicode in the body", verdict=202, make=lambda p: good(p, body_for(p, note="Grüße, 世界 🎉"))),
    Case(name="spaces between the parts", verdict=202, make=lambda p: edited(p, lambda h: h.replace(",", ", ")),
         providers=STRIPE),
    Case(name="parts in the other order", verdict=202, providers=STRIPE,
         make=lambda p: edited(p, lambda h: ",".join(reversed(h.split(","))))),
    Case(name="a scheme of the future beside ours", verdict=202, providers=STRIPE,
         make=lambda p: edited(p, lambda h: f"{h},v2=abc,v0=def")),
    Case(name="one header in other letters", verdict=202,
         make=lambda p: Sent(provider=p, body=body_for(p), headers={
             name.upper(): value for name, value in sign(p, body_for(p)).items()})),
    Case(name="301 seconds old", verdict=400, make=lambda p: good(p, at=seconds(-301))),
    Case(name="301 seconds ahead", verdict=400, make=lambda p: good(p, at=seconds(301))),
    Case(name="a year old", verdict=400, make=lambda p: good(p, at=NOON - timedelta(days=365))),
    Case(name="no signature", verdict=400, make=without),
    Case(name="an empty signature", verdict=400, make=lambda p: edited(p, lambda h: "")),
    Case(name="no id of the message", verdict=400, make=lambda p: without(p, "webhook-id"), providers=STANDARD),
    Case(name="no time of the message", verdict=400, make=lambda p: without(p, "webhook-timestamp"),
         providers=STANDARD),
    Case(name="another id than was signed", verdict=400, providers=STANDARD,
         make=lambda p: edited(p, lambda h: "evt_other", header="webhook-id")),
    Case(name="another time than was signed", verdict=400, providers=STANDARD,
         make=lambda p: edited(p, lambda h: str(int(h) + 1), header="webhook-timestamp")),
    Case(name="another time than was signed, in the header", verdict=400, providers=STRIPE,
         make=lambda p: edited(p, lambda h: h.replace("t=1", "t=2", 1))),
    Case(name="a second time before the signed one", verdict=400, make=two_times, providers=STRIPE),
    Case(name="a signature without a time", verdict=400, providers=STRIPE,
         make=lambda p: edited(p, lambda h: h.split(",")[1])),
    Case(name="a time without a signature", verdict=400, providers=STRIPE,
         make=lambda p: edited(p, lambda h: h.split(",")[0])),
    Case(name="a time that is a word", verdict=400, make=lambda p: by_hand(p, "now"), providers=STRIPE),
    Case(name="a time in Arabic digits", verdict=400, providers=STRIPE,
         make=lambda p: edited(p, lambda h: h.replace("t=1", "t=١", 1))),
    Case(name="a time before 1970", verdict=400, make=lambda p: by_hand(p, "-5"), providers=STRIPE),
    Case(name="a time of a thousand digits", verdict=400, make=lambda p: by_hand(p, "9" * 1000), providers=STRIPE),
    Case(name="another secret", verdict=400, make=lambda p: good(p, secret=OTHER)),
    Case(name="an empty secret", verdict=400, make=lambda p: good(p, secret="")),
    Case(name="a secret that was taken away", verdict=400, make=lambda p: with_secrets(good(p, secret=OLD), NEW)),
    Case(name="two signatures, none by us", verdict=400, make=lambda p: two_signatures(p, OTHER, OTHER)),
    Case(name="half a signature", verdict=400, make=lambda p: edited(p, lambda h: h[:-10])),
    Case(name="a signature in capitals", verdict=400, providers=STRIPE,
         make=lambda p: edited(p, lambda h: h.upper().replace("T=", "t=").replace("V1=", "v1="))),
    Case(name="a signature under the name of an older scheme", verdict=400,
         make=lambda p: edited(p, lambda h: h.replace("v1", "v0"))),
    Case(name="unicode in the signature", verdict=400, make=lambda p: edited(p, lambda h: f"{h[:-1]}ü")),
    Case(name="separators and nothing else", verdict=400, make=lambda p: edited(p, lambda h: ",=,=,, ,")),
    Case(name="ten thousand wrong signatures", verdict=400, providers=STRIPE,
         make=lambda p: edited(p, lambda h: h.split(",")[0] + ",v1=00" * 10_000)),
    Case(name="one byte of the body changed", verdict=400, make=lambda p: altered(p, lambda b: b.replace(b"p", b"q", 1))),
    Case(name="a space after the body", verdict=400, make=lambda p: altered(p, lambda b: b + b" ")),
    Case(name="the body written anew", verdict=400,
         make=lambda p: altered(p, lambda b: json.dumps(json.loads(b), separators=(",", ":")).encode())),
    Case(name="an empty body", verdict=400, make=lambda p: altered(p, lambda b: b"")),
    Case(name="an empty body, signed", verdict=400, make=lambda p: good(p, b"")),
    Case(name="no JSON, signed", verdict=400, make=lambda p: good(p, b"id=evt_1&type=ping")),
    Case(name="bytes that are no text, signed", verdict=400, make=lambda p: good(p, b"\xff\xfe\x00")),
    Case(name="a list, signed", verdict=400, make=lambda p: good(p, b"[1, 2]")),
    Case(name="a number that is none, signed", verdict=400, make=lambda p: good(p, body_for(p, much=float("nan")))),
    Case(name="half a character, signed", verdict=400, make=lambda p: good(p, body_for(p, note="\ud800"))),
    Case(name="forty levels deep, signed", verdict=400,
         make=lambda p: good(p, body_for(p, deep=json.loads(DEEP)))),
    Case(name="a hundred thousand levels deep, signed", verdict=400, make=lambda p: good(p, b"[" * 100_000)),
    Case(name="an event without a name, signed", verdict=400, make=lambda p: good(p, body_for(p, type=""))),
    Case(name="an event with a name of 121 characters, signed", verdict=400,
         make=lambda p: good(p, body_for(p, type="x" * 121))),
    Case(name="an event without an id, signed", verdict=400, make=lambda p: good(p, body_for(p, id=None)),
         providers=STRIPE),
    Case(name="an event of the year 100000, signed", verdict=400, make=lambda p: good(p, body_for(p, created=4 * 10**12)),
         providers=STRIPE),
    Case(name="an event before the first year, signed", verdict=400, providers=STANDARD,
         make=lambda p: good(p, body_for(p, timestamp="0001-01-01T00:00:00+14:00"))),
    Case(name="signed as another provider signs", verdict=400, make=of_other_scheme),
    Case(name="a mebibyte, signed", verdict=202,
         make=lambda p: good(p, body_for(p, fill="x" * (1024 * 1024 - len(body_for(p, fill="")))))),
    Case(name="a byte more than a mebibyte, signed", verdict=413,
         make=lambda p: good(p, body_for(p, fill="x" * (1024 * 1024 - len(body_for(p, fill="")) + 1)))),
    Case(name="no secret is configured", verdict=503, make=lambda p: with_secrets(good(p)),
         providers=("stripe", "mock", "managed")),
    Case(name="no signature and no secret", verdict=503, make=lambda p: with_secrets(without(p))),
    Case(name="no such provider", verdict=404,
         make=lambda p: Sent(provider="paypal", body=body_for(p), headers=sign(p, body_for(p)))),
]  # fmt: skip

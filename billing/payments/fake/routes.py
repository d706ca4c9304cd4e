"""The HTTP of the fake provider: which door does what, keys answered as the first time, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from billing.payments.fake import catalog, checkouts, customers, invoices, refunds, subscriptions
from billing.payments.fake.faults import FaultKind, next_fault
from billing.payments.fake.forms import read_form
from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused, World, listing
from mozaiks.kit import clock

Door = Callable[[World, str, Data], Data]


class Unanswered(Exception):
    """The caller hears nothing, and cannot know whether it was done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What goes back over the wire."""

    status: int
    body: str


ROUTES: Final[list[tuple[str, str, Door]]] = [
    ("POST", r"/v1/customers", lambda world, _, params: customers.create(world, params)),
    ("GET", r"/v1/customers/([^/]+)", lambda world, it, _: world.get("customer", it)),
    ("POST", r"/v1/customers/([^/]+)", customers.update),
    ("GET", r"/v1/customers/([^/]+)/payment_methods", lambda world, it, _: customers.methods(world, it)),
    ("POST", r"/v1/payment_methods/([^/]+)/detach", lambda world, it, _: customers.detach(world, it)),
    ("GET", r"/v1/prices/([^/]+)", lambda world, it, _: catalog.get_price(world, it)),
    ("GET", r"/v1/products/([^/]+)", lambda world, it, _: world.get("product", it)),
    ("POST", r"/v1/checkout/sessions", lambda world, _, params: checkouts.create(world, params)),
    ("GET", r"/v1/checkout/sessions/([^/]+)", lambda world, it, _: checkouts.retrieve(world, it)),
    ("POST", r"/v1/checkout/sessions/([^/]+)/expire", lambda world, it, _: checkouts.expire(world, it)),
    ("POST", r"/v1/payment_links", lambda world, _, params: checkouts.create_link(world, params)),
    ("POST", r"/v1/billing_portal/sessions", lambda world, _, params: checkouts.create_portal(world, params)),
    ("GET", r"/v1/subscriptions", lambda world, _, params: subscriptions.find(world, params)),
    ("GET", r"/v1/subscriptions/([^/]+)", lambda world, it, _: world.get("subscription", it)),
    ("POST", r"/v1/subscriptions/([^/]+)", subscriptions.update),
    ("DELETE", r"/v1/subscriptions/([^/]+)", subscriptions.cancel),
    ("GET", r"/v1/invoices/([^/]+)", invoices.retrieve),
    ("GET", r"/v1/invoice_payments", lambda world, _, params: invoices.list_payments(world, params)),
    ("GET", r"/v1/payment_intents/([^/]+)", lambda world, it, _: world.get("payment_intent", it)),
    ("POST", r"/v1/refunds", lambda world, _, params: refunds.create(world, params)),
    ("GET", r"/v1/refunds/([^/]+)", lambda world, it, _: world.get("refund", it)),
    ("GET", r"/v1/events", lambda world, _, __: listing([], "/v1/events")),
]


def call(world: World, method: str, url: str, headers: Mapping[str, str], body: str) -> Answer:
    """
    Answer one request of the SDK.

    :raises Unanswered: a fault wants it so.
    """
    parts = urlsplit(url)
    fault = next_fault(world.store, f"{method} {parts.path}")
    if fault is None:
        return _done(world, method, parts.path, headers, body or parts.query)
    kind, seconds = fault
    if kind is FaultKind.DOWN:
        raise Unanswered
    if kind is FaultKind.ERROR:
        return _error(500, "An unknown error occurred", kind="api_error")
    if kind is FaultKind.BUSY:
        return _error(429, "Too many requests in a period of time.", code="rate_limit")
    answer = _done(world, method, parts.path, headers, body or parts.query)
    if kind is FaultKind.LOST:
        raise Unanswered
    clock.pause(seconds)
    return Answer(status=200, body="<html>Bad gateway</html>") if kind is FaultKind.NONSENSE else answer


def _done(world: World, method: str, path: str, headers: Mapping[str, str], form: str) -> Answer:
    """Once for each key: the same answer to the same question, and none to another one."""
    if not headers.get("Authorization", "").startswith("Bearer sk_"):
        return _error(401, "Invalid API Key provided: sk_****", kind="invalid_request_error")
    key = headers.get("Idempotency-Key", "") if method != "GET" else ""
    asked = hashlib.sha256(f"{method} {path}\n{form}".encode()).hexdigest()
    try:
        with world.store.writing():
            if key and (before := _before(world, key, asked)):
                return before
            answer = Answer(status=200, body=json.dumps(_route(world, method, path, read_form(form))))
            _remember(world, key, asked, answer)
            return answer
    except Refused as refused:
        answer = Answer(status=refused.status, body=json.dumps(refused.body))
        if refused.status == 402:
            _remember(world, key, asked, answer)
        return answer


def _route(world: World, method: str, path: str, params: Data) -> Data:
    for wanted, pattern, door in ROUTES:
        found = re.fullmatch(pattern, path)
        if method == wanted and found:
            return door(world, found[1] if found.groups() else "", params)
    raise Refused(404, f"Unrecognized request URL ({method}: {path}).")


def _before(world: World, key: str, asked: str) -> Answer | None:
    """:raises Refused: the key came with other content before."""
    rows = world.store.rows("SELECT asked, status, body FROM answers WHERE key = ?", key)
    if not rows:
        return None
    first, status, body = rows[0]
    if first != asked:
        raise Refused(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            kind="idempotency_error",
        )
    return Answer(status=status, body=body)


def _remember(world: World, key: str, asked: str, answer: Answer) -> None:
    if key:
        statement = "INSERT OR IGNORE INTO answers (key, asked, status, body) VALUES (?, ?, ?, ?)"
        world.store.rows(statement, key, asked, answer.status, answer.body)


def _error(status: int, message: str, *, kind: str = "invalid_request_error", **more: str) -> Answer:
    return Answer(status=status, body=json.dumps(Refused(status, message, kind=kind, **more).body))

"""
Our own events: facts as JSON, for connectors whose other side speaks our words (mock, managed).

``{"type", "timestamp", "data": {"facts": [{"fact": "payment_confirmed", …}]}}``, keys in camelCase as the fields of ``facts``,
instants ISO 8601. The id of the message is the signed header's, as Standard Webhooks say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import datetime
from enum import StrEnum
from types import UnionType
from typing import Any, Final, cast, get_args, get_type_hints

from billing.payments.connectors.bodies import LONGEST_ID, LONGEST_NAME, read_object, text_of
from billing.payments.connectors.facts import (
    CheckoutEnded,
    DisputeReported,
    Fact,
    PaymentConfirmed,
    PaymentFailed,
    ProviderEvent,
    RefundReported,
    SubscriptionReported,
    Whose,
)
from mozaiks.kit.errors import Invalid
from mozaiks.kit.times import parse_utc, utc_z

KINDS: Final[dict[str, type[Fact]]] = {
    "payment_confirmed": PaymentConfirmed,
    "subscription_reported": SubscriptionReported,
    "checkout_ended": CheckoutEnded,
    "payment_failed": PaymentFailed,
    "refund_reported": RefundReported,
    "dispute_reported": DisputeReported,
}
NAMES: Final = {kind: name for name, kind in KINDS.items()}
LARGEST: Final = 2**63 - 1


def write_facts(facts: Sequence[Fact], *, at: datetime, name: str = "billing.facts") -> dict[str, Any]:
    """The body that says ``facts``."""
    written = [{"fact": NAMES[type(fact)], **_written(fact)} for fact in facts]
    return {"type": name, "timestamp": utc_z(at), "data": {"facts": written}}


def read_event(body: bytes, *, provider: str, event_id: str) -> ProviderEvent:
    """
    A verified body as an event of ``provider``.

    :raises Invalid: it is none, or one of its facts is none of ours: nothing of such an event is taken.
    """
    payload = read_object(body)
    if not event_id or len(event_id) > LONGEST_ID:
        raise Invalid(f"The event has no id of at most {LONGEST_ID} characters.")
    try:
        created_at = parse_utc(text_of(payload, "timestamp", longest=64))
    except ValueError as error:
        raise Invalid("The event's timestamp is no instant.") from error
    event = ProviderEvent(
        provider=provider,
        event_id=event_id,
        name=text_of(payload, "type", longest=LONGEST_NAME),
        created_at=created_at,
        payload=payload,
    )
    read_facts(event)
    return event


def read_facts(event: ProviderEvent) -> list[Fact]:
    """What an event of ours says. :raises Invalid: naming the fact and the field that make no sense."""
    data = event.payload.get("data")
    found = data.get("facts") if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise Invalid("The event has no list data.facts.")
    return [_fact(each, f"data.facts[{index}]") for index, each in enumerate(found)]


def _fact(data: Any, path: str) -> Fact:
    kind = KINDS.get(str(data.get("fact"))) if isinstance(data, dict) else None
    if kind is None:
        raise Invalid(f"{path}.fact is none of {', '.join(KINDS)}.")
    given = {key: value for key, value in data.items() if key != "fact"}
    return cast("Fact", _read(kind, given, path))


def _read(kind: type[Any], data: Mapping[str, Any], path: str) -> Any:
    """One dataclass of ``facts`` from JSON."""
    hints = get_type_hints(kind)
    known = {_camel(field.name): field for field in fields(kind)}
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise Invalid(f"{path}.{unknown[0]} is not known.")
    values = {}
    for key, field in known.items():
        if key in data:
            values[field.name] = _value(hints[field.name], data[key], f"{path}.{key}")
        elif field.default is MISSING and field.default_factory is MISSING:
            if not _may_be_none(hints[field.name]):
                raise Invalid(f"{path}.{key} is missing.")
            values[field.name] = None
    return kind(**values)


def _value(hint: Any, value: Any, path: str) -> Any:
    if value is None and _may_be_none(hint):
        return None
    kind: Any = next((each for each in get_args(hint) if each is not type(None)), None) if _is_union(hint) else hint
    try:
        return _one(kind, value, path)
    except (ValueError, TypeError) as error:
        raise Invalid(f"{path} makes no sense: {value!r:.80}.") from error


def _one(kind: Any, value: Any, path: str) -> Any:
    if kind is Whose:
        return _read(Whose, value, path) if isinstance(value, dict) else _refuse()
    if kind is datetime:
        return parse_utc(value) if isinstance(value, str) else _refuse()
    if issubclass(kind, StrEnum):
        return kind(value)
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, kind):
        _refuse()
    if kind is int and not -LARGEST <= value <= LARGEST:
        _refuse()
    return value


def _refuse() -> Any:
    raise ValueError("of another kind")


def _is_union(hint: Any) -> bool:
    return isinstance(hint, UnionType)


def _may_be_none(hint: Any) -> bool:
    return _is_union(hint) and type(None) in get_args(hint)


def _written(value: Any) -> dict[str, Any]:
    """The fields of a fact that say something."""
    found = {field.name: getattr(value, field.name) for field in fields(value)}
    return {_camel(name): _json(each) for name, each in found.items() if each is not None}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_z(value)
    return _written(value) if isinstance(value, Whose) else value


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)

"""
Confirmed payments: one row each, whatever number of events speaks of it, and what was bought with it granted in the same breath.

A payment is found by any id the provider has for it; an event that knows an id more completes the row. What cannot be tied to
a payment yet waits, and makes no second row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS

from billing.engine import keys
from billing.entitlements import deeds
from billing.entitlements.announcements import ChangeSource, announce
from billing.entitlements.grants import Recorded, grant_entitlements_for_purchase
from billing.entitlements.manual import ByHand, check_by, note
from billing.models import BillingEvent, Plan, Product, Purchase
from billing.models.purchases import PurchaseKind
from billing.payments import sold, taking_back
from billing.payments.connectors.facts import PaymentConfirmed
from mozaiks.kit.cursors import execute, fetch
from mozaiks.kit.db import db_time, requires_transaction
from mozaiks.kit.errors import Conflict

log = structlog.get_logger(__name__)

#: What an operator has to look at: neither a product nor a plan is known to cost what was paid.
UNKNOWN_PRODUCT = "unknown_product"
PRODUCT_ASSIGNED = "purchase.product_assigned"

#: The ids a payment is known by: ours, the fact's, and the word for its key; the first that is there names the purchase.
_IDS = (
    ("provider_invoice_id", "invoice_id", "invoice"),
    ("provider_payment_id", "payment_id", "payment"),
    ("provider_checkout_session_id", "session_id", "session"),
)
#: One look into the unique index of each id; an OR over all of them might read, and lock, more.
_LOOKS = {
    "provider_invoice_id": "SELECT id FROM billing_purchases WHERE provider = %s AND provider_invoice_id = %s",
    "provider_payment_id": "SELECT id FROM billing_purchases WHERE provider = %s AND provider_payment_id = %s",
    "provider_checkout_session_id": (
        "SELECT id FROM billing_purchases WHERE provider = %s AND provider_checkout_session_id = %s"
    ),
}
_COLUMNS = [column for column in Purchase._meta.local_concrete_fields if not column.primary_key]
_INSERT = "INSERT INTO billing_purchases ({columns}) VALUES ({marks})".format(  # noqa: S608 - names of our own columns
    columns=", ".join(str(column.column) for column in _COLUMNS), marks=", ".join(["%s"] * len(_COLUMNS))
)


class NotYetTied(Conflict):
    """An event cannot be tied to a payment, or to a customer, as far as is known by now. Later events may tell."""

    default_code = "WEBHOOK_NOT_YET_TIED"


@dataclass(frozen=True, kw_only=True, slots=True)
class Confirmed:
    """The purchase a payment is; ``fresh`` where it was not known before, ``changed`` where the event told something new."""

    purchase: Purchase
    fresh: bool
    changed: bool
    recorded: Recorded


@requires_transaction
def confirm(
    fact: PaymentConfirmed, *, provider: str, entity_id: int | None, event: BillingEvent | None, now: datetime
) -> Confirmed:
    """
    Record a confirmed payment, or complete what is known of it, and grant what was bought. The same again changes nothing.

    :raises NotYetTied: there is no such purchase and the event does not know enough to make one, or it ties ids of two.
    :raises PlanChangeDue: see ``scheduled.perform``.
    """
    purchase = find(provider, payment_id=fact.payment_id, invoice_id=fact.invoice_id, session_id=fact.session_id)
    fresh = purchase is None
    if purchase is None:
        purchase = _new(fact, provider=provider, entity_id=entity_id, event=event, now=now)
    told = _complete(purchase, fact, entity_id=entity_id, event=event)
    known = _is_known(purchase)
    bought = None if known else _learn_what_for(purchase, fact)
    if not (fresh or told) and _is_known(purchase) == known:
        return Confirmed(purchase=purchase, fresh=False, changed=False, recorded=Recorded())
    recorded = _save(purchase, bought, fresh=fresh, now=now)
    return Confirmed(purchase=purchase, fresh=fresh, changed=True, recorded=recorded)


@requires_transaction
def find(
    provider: str, *, payment_id: str | None = None, invoice_id: str | None = None, session_id: str | None = None
) -> Purchase | None:
    """
    The purchase any of these ids belongs to, locked; None where there is none yet.

    :raises NotYetTied: they belong to two: only an operator can say which is right.
    """
    told = zip((name for name, _, _ in _IDS), (invoice_id, payment_id, session_id), strict=True)
    looks = [(_LOOKS[name], value) for name, value in told if value]
    if not looks:
        return None
    statement = " UNION ".join(look for look, _ in looks)
    found = [pk for (pk,) in fetch(statement, [param for _, value in looks for param in (provider, value)])]
    if len(found) > 1:
        ids = ", ".join(str(pk) for pk in sorted(found))
        raise NotYetTied(f"The event ties together what are two purchases so far: {ids}.")
    return Purchase.objects.select_for_update().get(pk=found[0]) if found else None


def assign_product(
    purchase: Purchase, product: Product, *, by: ByHand, now: datetime, operation_key: str
) -> deeds.Deed:
    """
    Say which product a flagged purchase was for: it grants what the product grants now, from the time it was paid on.

    What was refunded or is disputed meanwhile is brought to the new grants. The same key again changes nothing.

    :raises Conflict: the purchase has a product or a plan already. :raises Invalid: a reason or a name is missing.
    :raises IdempotencyConflict: the key came with other content.
    """
    check_by(by)

    def work() -> dict[str, Any]:
        locked = Purchase.objects.select_for_update().get(pk=purchase.pk)
        if locked.product_id is not None or locked.plan_id is not None:
            raise Conflict("It is known already what this purchase was for.")
        bought = sold.by_id(product.pk)
        _is_for(locked, bought)
        recorded = _save(locked, bought, fresh=False, now=now)
        payload = {"purchase": locked.pk, "product": product.code, "grants": list(recorded.inserted)}
        note(locked.billable_entity, PRODUCT_ASSIGNED, by=by, now=now, payload={**payload, "key": operation_key})
        return payload

    content = {"purchase": purchase.pk, "product": product.pk}
    return deeds.once(
        purchase.billable_entity, PRODUCT_ASSIGNED, operation_key=operation_key, content=content, work=work, now=now
    )


def _new(
    fact: PaymentConfirmed, *, provider: str, entity_id: int | None, event: BillingEvent | None, now: datetime
) -> Purchase:
    if fact.amount_minor is None:
        raise NotYetTied("The event names a payment that is not known yet, and does not say what was paid.")
    if entity_id is None:
        raise NotYetTied("The event does not say whose payment it is, and nobody knows its customer yet.")
    if not any(getattr(fact, told) for _, told, _ in _IDS):
        raise NotYetTied("The event names neither a payment, an invoice nor a checkout.")
    return Purchase(
        billable_entity_id=entity_id,
        provider=provider,
        purchase_kind=PurchaseKind.ONE_OFF,
        amount_minor=fact.amount_minor,
        currency=fact.currency.upper(),
        purchased_at=fact.paid_at,
        billing_event=event,
        created_at=now,
        updated_at=now,
    )


def _complete(purchase: Purchase, fact: PaymentConfirmed, *, entity_id: int | None, event: BillingEvent | None) -> bool:
    """Take over what the fact knows and the purchase does not; returns whether there was anything."""
    if entity_id not in (None, purchase.billable_entity_id):
        raise NotYetTied(f"Purchase {purchase.pk} is of another customer than the event says.")
    told = {name: getattr(fact, of_fact) for name, of_fact, _ in _IDS}
    told |= {
        "provider_price_id": fact.price_id,
        "provider_customer_id": fact.whose.customer_id,
        "provider_subscription_id": fact.whose.subscription_id,
        "period_start_at": fact.period_start_at,
        "period_end_at": fact.period_end_at,
        "operation_key": fact.operation_key,
        "display_name": fact.display_name[:191],
    }
    new = {name: value for name, value in told.items() if value and not getattr(purchase, name)}
    for name, value in new.items():
        setattr(purchase, name, value)
    if purchase.billing_event_id is None and event is not None:
        purchase.billing_event = event
    return bool(new)


def _is_known(purchase: Purchase) -> bool:
    """Whether it is known what was paid for."""
    return purchase.product_id is not None or purchase.plan_id is not None


def _learn_what_for(purchase: Purchase, fact: PaymentConfirmed) -> sold.Sold | None:
    """The product by its code, else by the provider's price; else the plan that has this price."""
    bought = _product_of(fact, purchase.provider)
    if bought is not None:
        _is_for(purchase, bought)
    elif fact.price_id:
        plans = Plan.objects.filter(checkout_provider=purchase.provider, checkout_provider_price_id=fact.price_id)
        purchase.plan = plans.order_by("-is_active", "pk").first()
        purchase.display_name = purchase.plan.name if purchase.plan is not None else purchase.display_name
    if _is_known(purchase):
        purchase.quantity = max(1, fact.quantity)
    return bought


def _product_of(fact: PaymentConfirmed, provider: str) -> sold.Sold | None:
    if fact.product_code:
        named = sold.by_code(fact.product_code)
        if named is not None:
            return named
        log.warning("purchase_of_unknown_product", product=fact.product_code, provider=provider)
    return sold.by_price(provider, fact.price_id) if fact.price_id else None


def _is_for(purchase: Purchase, bought: sold.Sold | None) -> None:
    if bought is not None:
        purchase.product_id, purchase.display_name = bought.product_id, bought.name
        if bought.tops_up:
            purchase.purchase_kind = PurchaseKind.TOPUP


def _save(purchase: Purchase, bought: sold.Sold | None, *, fresh: bool, now: datetime) -> Recorded:
    """Write the purchase, and grant what it is for as soon as that is known; adjustments of before are brought along."""
    granting = purchase.projected_at is None and (purchase.product_id is not None or _pays_a_period(purchase))
    if granting:
        purchase.projected_at = now
    if purchase.provider_subscription_id or purchase.plan_id is not None:
        purchase.purchase_kind = PurchaseKind.SUBSCRIPTION_INVOICE
    if not _is_known(purchase):
        purchase.flag = UNKNOWN_PRODUCT
    elif purchase.flag == UNKNOWN_PRODUCT:
        purchase.flag = ""
    purchase.dedupe_key = _dedupe_key(purchase)
    purchase.updated_at = now
    purchase.save(force_insert=fresh)
    announce(purchase.billable_entity_id, (), ChangeSource.PURCHASE_GRANT, now=now)  # whatever it grants
    if not granting:
        return Recorded()
    recorded = Recorded()
    if purchase.product_id is not None:
        gives = bought.gives if bought is not None else None
        recorded = grant_entitlements_for_purchase(purchase, gives=gives, fresh=fresh, now=now)
    if not fresh:
        taking_back.bring_along(purchase, now=now)
    return recorded


def _insert(purchase: Purchase) -> None:
    """Write a new purchase by a constant statement: of all a payment costs us, the ORM's insert was a quarter."""
    values = (getattr(purchase, column.attname) for column in _COLUMNS)
    purchase.pk = execute(_INSERT, [_stored(value) for value in values])
    purchase._state.adding, purchase._state.db = False, DEFAULT_DB_ALIAS


def _stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return db_time(value)
    if isinstance(value, StrEnum):
        return value.value
    return json.dumps(value) if isinstance(value, dict) else value


def _dedupe_key(purchase: Purchase) -> str:
    """The invoice names a purchase, without one the payment, without that the checkout."""
    word, told = next((word, getattr(purchase, name)) for name, _, word in _IDS if getattr(purchase, name))
    return f"{word}:{keys.word(purchase.provider)}:{keys.short(told)}"


def _pays_a_period(purchase: Purchase) -> bool:
    """Whether it is an invoice of a plan's subscription that says which period it is for."""
    known = purchase.provider_subscription_id and purchase.period_start_at and purchase.period_end_at
    return purchase.plan_id is not None and bool(known)

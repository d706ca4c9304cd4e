"""Refunds and disputes of the fake provider."""

from __future__ import annotations

from billing.payments.fake.forms import number
from billing.payments.fake.store import Data
from billing.payments.fake.world import Refused, World, with_metadata


def create(world: World, params: Data) -> Data:
    """
    Give back what was asked for, else all that is left.

    :raises Refused: nothing was paid, or less than that is left.
    """
    charge = _charge(world, params)
    left = charge["amount"] - charge["amount_refunded"]
    amount = number(params.get("amount"), left)
    if left == 0:
        raise Refused(400, "Charge has already been refunded.", code="charge_already_refunded")
    if charge["disputed"]:
        raise Refused(400, "This charge has been charged back.", code="charge_disputed")
    if not 0 < amount <= left:
        raise Refused(
            400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
        )
    fields = {
        "amount": amount,
        "charge": charge["id"],
        "payment_intent": charge["payment_intent"],
        "currency": charge["currency"],
        "reason": params.get("reason"),
        "status": "succeeded",
    }
    refund = with_metadata(world.make("re", "refund", fields), params.get("metadata"))
    world.store.put(refund)
    refunded = charge["amount_refunded"] + amount
    charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
    world.store.put(charge)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge)
    return refund


def _charge(world: World, params: Data) -> Data:
    if charge_id := params.get("charge"):
        return world.get("charge", charge_id, param="charge")
    payment = world.get("payment_intent", params.get("payment_intent", ""), param="payment_intent")
    if payment["latest_charge"] is None:
        raise Refused(400, "This PaymentIntent does not have a successful charge to refund.")
    return world.get("charge", payment["latest_charge"])


def open_dispute(world: World, payment_id: str, *, amount_minor: int | None = None, reason: str = "fraudulent") -> Data:
    """The customer's bank takes money back until somebody has decided."""
    charge = _charge(world, {"payment_intent": payment_id})
    fields = {
        "amount": amount_minor or charge["amount"] - charge["amount_refunded"],
        "charge": charge["id"],
        "payment_intent": payment_id,
        "currency": charge["currency"],
        "reason": reason,
        "status": "needs_response",
        "is_charge_refundable": False,
    }
    dispute = world.make("du", "dispute", fields)
    world.store.put({**charge, "disputed": True})
    world.emit("charge.dispute.created", dispute)
    return dispute


def close_dispute(world: World, dispute_id: str, *, won: bool) -> Data:
    """It was decided: for us, or for the customer."""
    dispute = world.get("dispute", dispute_id)
    if dispute["status"] in {"won", "lost"}:
        raise Refused(400, "This dispute is already closed.")
    dispute = world.store.put({**dispute, "status": "won" if won else "lost"})
    if won:
        charge = world.get("charge", dispute["charge"])
        world.store.put({**charge, "disputed": False})
    world.emit("charge.dispute.closed", dispute)
    return dispute

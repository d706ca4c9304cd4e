"""One valid row of every table that has rules, as plain values: tests change one thing of it and see who notices."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

from billing import models as billing
from mozaiks.workspaces.models import ApiToken, Membership
from tests import NOON
from tests.factories import (
    BillableEntityFactory,
    DefinitionFactory,
    PlanFactory,
    ProductFactory,
    UserFactory,
    WorkspaceFactory,
)

LATER = NOON + timedelta(days=30)
_number = count(1)

#: Facts and projections have no foreign key in the database: any number will do.
_SUBJECT = {"subject_id": 1}
_COUNTED = {"subject_id": 1, "definition_id": 1}
_STAMPS = {"created_at": NOON, "updated_at": NOON}


def row_of(model: type[Any]) -> dict[str, Any]:
    """Values of a valid row that is not in the database yet. Its keys differ from those of the call before."""
    values = dict(ROWS[model]) if model in ROWS else _with_parents(model)
    fields = {field.name for field in model._meta.local_fields}
    for name in {"dedupe_key", "code", "key", "digest"} & fields:
        values.setdefault(name, f"{model.__name__}-{next(_number)}")
    if "fingerprint" in fields:
        values.setdefault("fingerprint", "0" * 64)
    return values


def insert(model: type[Any], **changed: Any) -> Any:
    """A row in the database that is valid but for what was changed."""
    return model.objects.create(**{**row_of(model), **changed})


ROWS: dict[type[Any], dict[str, Any]] = {
    billing.Definition: {
        "name": "Limit",
        "entitlement_type": "metered_quota",
        "unit": "unit",
        "window_interval": "month",
        "window_anchor": "calendar_utc",
        **_STAMPS,
    },
    billing.Grant: {
        **_COUNTED,
        "amount": 10,
        "kind": "topup",
        "replenish": "once",
        "effective_at": NOON,
        "source_type": "manual_console",
        "created_at": NOON,
    },
    billing.GrantEnding: {
        **_SUBJECT,
        "grant_id": 1,
        "ended_at": NOON,
        "reason": "replaced",
        "source_type": "manual_console",
        "created_at": NOON,
    },
    billing.GrantAdjustment: {
        **_COUNTED,
        "grant_id": 1,
        "kind": "take",
        "amount": 5,
        "reason": "refunded",
        "source_type": "manual_console",
        "occurred_at": NOON,
        "created_at": NOON,
    },
    billing.Consumption: {
        **_COUNTED,
        "amount": 3,
        "occurred_at": NOON,
        "window_start_at": NOON,
        "reason_code": "gadget.press",
        "created_at": NOON,
    },
    billing.Allocation: {
        **_COUNTED,
        "kind": "share",
        "consumption_id": 1,
        "window_start_at": NOON,
        "grant_id": 1,
        "amount": 3,
        "occurred_at": NOON,
        "created_at": NOON,
    },
    billing.Balance: {
        **_COUNTED,
        "window_start_at": NOON,
        "window_end_at": LATER,
        "last_event_at": NOON,
        "last_recomputed_at": NOON,
        **_STAMPS,
    },
    billing.Hold: {**_COUNTED, "window_start_at": NOON, "amount": 5, "expires_at": LATER, **_STAMPS},
    billing.HoldEvent: {
        **_SUBJECT,
        "hold_id": 1,
        "kind": "opened",
        "expires_at": LATER,
        "occurred_at": NOON,
        "created_at": NOON,
    },
    billing.Operation: {**_SUBJECT, "capability": "gadgets.press", "created_at": NOON},
    billing.ResourceSnapshot: {
        **_SUBJECT,
        "resource_code": "places",
        "resource_count": 3,
        "snapshot_at": NOON,
        "source": "event_driven",
    },
    billing.Plan: {"name": "Plan", **_STAMPS},
    billing.Product: {"name": "Product", **_STAMPS},
    billing.CatalogRevision: {"kind": "plan", "code": "pro", "number": 1, "action": "created", "created_at": NOON},
    billing.WorkerHeartbeat: {"name": "host:1", "started_at": NOON, "last_tick_at": NOON},
    billing.BillingEvent: {
        "event_type": "webhook",
        "event_name": "invoice.paid",
        "received_at": NOON,
        "occurred_at": NOON,
    },
}


def _with_parents(model: type[Any]) -> dict[str, Any]:
    """Rows of the tables that keep their foreign keys in the database."""
    entity = BillableEntityFactory
    makers: dict[type[Any], Any] = {
        billing.BillableEntity: lambda: {"entity_type": "external", "entity_ref": f"app:{next(_number)}", **_STAMPS},
        billing.Rollout: lambda: {"plan": PlanFactory(), "revision": 1, **_STAMPS},
        billing.PlanTemplate: lambda: {"plan": PlanFactory(), "definition": DefinitionFactory(), "amount": 10},
        billing.ProductTemplate: lambda: {
            "product": ProductFactory(),
            "definition": DefinitionFactory(),
            "amount": 10,
            "grant_kind": "one_off_topup",
        },
        billing.PlanAssignment: lambda: {
            "billable_entity": entity(),
            "plan": PlanFactory(),
            "source": "internal",
            "period_start_at": NOON,
            "status": "current",
            "anchor_at": NOON,
            **_STAMPS,
        },
        billing.Purchase: lambda: {
            "billable_entity": entity(),
            "provider": "mock",
            "purchase_kind": "one_off",
            "amount_minor": 500,
            "currency": "EUR",
            "purchased_at": NOON,
            **_STAMPS,
        },
        billing.PurchaseAdjustment: lambda: {
            "purchase": insert(billing.Purchase),
            "action": "refund",
            "status": "recorded",
            "amount_minor": -100,
            "currency": "EUR",
            **_STAMPS,
        },
        billing.BillingCustomer: lambda: {
            "billable_entity": entity(),
            "provider": "mock",
            "provider_customer_id": f"cus_{next(_number)}",
            **_STAMPS,
        },
        billing.ProviderSubscription: lambda: {
            "billable_entity": entity(),
            "provider": "mock",
            "provider_subscription_id": f"sub_{next(_number)}",
            **_STAMPS,
        },
        billing.PaymentMethod: lambda: {
            "billable_entity": entity(),
            "provider": "mock",
            "provider_payment_method_id": f"pm_{next(_number)}",
            **_STAMPS,
        },
        billing.CheckoutSession: lambda: {
            "billable_entity": entity(),
            "provider": "mock",
            "purpose": "one_off",
            "operation_key": f"checkout-{next(_number)}",
            **_STAMPS,
        },
        billing.RequestIdempotency: lambda: {
            "billable_entity": entity(),
            "door": "checkout",
            "locked_until": LATER,
            "created_at": NOON,
        },
        Membership: lambda: {
            "workspace": WorkspaceFactory(),
            "user": UserFactory(),
            "role": "member",
            "created_at": NOON,
        },
        ApiToken: lambda: {"user": UserFactory(), "name": "ci", "prefix": "mzk_", "created_at": NOON},
    }
    made: dict[str, Any] = makers[model]()
    return made

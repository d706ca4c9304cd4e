"""
The tables, cut by noun. QuerySets are the repositories; integrity is a named database constraint.

Facts (grants, endings, adjustments, consumptions, allocations, hold events) are append-only; balances and open lots
are projections of them.
"""

from billing.models.assignments import AssignmentProviderDetail, PlanAssignment
from billing.models.balances import Balance, OpenLot
from billing.models.catalog import Plan, PlanTemplate, Product, ProductTemplate
from billing.models.checkouts import CheckoutSession, RequestIdempotency
from billing.models.consumptions import Allocation, Consumption
from billing.models.customers import BillingCustomer, PaymentMethod, ProviderSubscription
from billing.models.definitions import Definition
from billing.models.entities import BillableEntity
from billing.models.events import BillingEvent
from billing.models.grants import Grant, GrantAdjustment, GrantEnding
from billing.models.holds import Hold, HoldEvent
from billing.models.operations import Decision, Operation, ResourceSnapshot
from billing.models.purchases import Purchase, PurchaseAdjustment
from billing.models.revisions import CatalogRevision, Rollout
from billing.models.usage import UsageDay, UsageMark, UsageTotal
from billing.models.workers import WorkerHeartbeat

__all__ = [
    "Allocation",
    "AssignmentProviderDetail",
    "Balance",
    "BillableEntity",
    "BillingCustomer",
    "BillingEvent",
    "CatalogRevision",
    "CheckoutSession",
    "Consumption",
    "Decision",
    "Definition",
    "Grant",
    "GrantAdjustment",
    "GrantEnding",
    "Hold",
    "HoldEvent",
    "OpenLot",
    "Operation",
    "PaymentMethod",
    "Plan",
    "PlanAssignment",
    "PlanTemplate",
    "Product",
    "ProductTemplate",
    "ProviderSubscription",
    "Purchase",
    "PurchaseAdjustment",
    "RequestIdempotency",
    "ResourceSnapshot",
    "Rollout",
    "UsageDay",
    "UsageMark",
    "UsageTotal",
    "WorkerHeartbeat",
]

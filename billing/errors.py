"""The published error codes of billing, each on the kind of failure it is. Shapes: ``docs/contracts.md``."""

from __future__ import annotations

from mozaiks.kit.errors import Conflict, Denied, Invalid, LimitReached, NotFound, PaymentRequired


class LimitExceeded(LimitReached):
    """
    A quota, credits or a state do not allow it. ``details`` carry the numbers and the ways to unlock, ``version`` is that of
    the balance that did not allow it.
    """

    default_code = "BILLING_LIMIT_EXCEEDED"
    version: int | None = None


class LimitExceededPayable(LimitExceeded):
    """The same where paying is the way on (platform mode)."""

    kind = PaymentRequired.kind


class StateNotGranted(LimitExceeded):
    """A state that was not granted."""

    kind = Denied.kind


class CapacityLocked(Conflict):
    """A capacity is full, or over its limit. ``version`` is that of its balance."""

    default_code = "BILLING_CAPACITY_LOCKED"
    version: int | None = None


class LimitNotConfigured(Conflict):
    """The limit is unknown, inactive or dormant."""

    default_code = "BILLING_LIMIT_NOT_CONFIGURED"


class WorkspaceExpired(PaymentRequired):
    """The workspace's access has run out."""

    default_code = "WORKSPACE_EXPIRED"


class IdempotencyConflict(Conflict):
    """The same key came with other content."""

    default_code = "IDEMPOTENCY_CONFLICT"


class IdempotencyKeyRequired(Invalid):
    """This door needs a key."""

    default_code = "IDEMPOTENCY_KEY_REQUIRED"


class HoldClosed(Conflict):
    """The hold was captured in full or released before."""

    default_code = "BILLING_HOLD_CLOSED"


class PurchaseNotFound(NotFound):
    """There is no such purchase."""

    default_code = "PURCHASE_NOT_FOUND"


class PurchaseRefundNotAllowed(Conflict):
    """The purchase cannot be refunded now, or not so much of it; ``details`` say how much could be, in minor units."""

    default_code = "PURCHASE_REFUND_NOT_ALLOWED"


class PurchaseVoidNotAllowed(Conflict):
    """The purchase cannot be voided: something was done about its money already."""

    default_code = "PURCHASE_VOID_NOT_ALLOWED"


class PurchaseAdjustmentDuplicate(Conflict):
    """The key was used before, for another adjustment."""

    default_code = "PURCHASE_ADJUSTMENT_DUPLICATE"


class PlanAssignmentNotFound(NotFound):
    """There is no such plan assignment."""

    default_code = "PLAN_ASSIGNMENT_NOT_FOUND"


class SubscriptionNotFound(NotFound):
    """No provider has told of such a subscription."""

    default_code = "SUBSCRIPTION_NOT_FOUND"


class UndeclaredCapability(LookupError):
    """The program uses a capability nobody declared: a mistake in code, not in input."""


class RequestInProgress(Conflict):
    """The first request with this key is still under way, at a door that calls a provider."""

    default_code = "request_in_progress"


class RequestConflict(Conflict):
    """The same key came with other content, at a door that calls a provider."""

    default_code = "idempotency_conflict"


class CheckoutInProgress(Conflict):
    """Another checkout of the entity is just being made."""

    default_code = "checkout_in_progress"


class CheckoutOpen(Conflict):
    """Another checkout of the entity waits to be paid; ``details`` say for what, where and until when."""

    default_code = "checkout_session_open"


class CheckoutCompletionPending(Conflict):
    """A checkout is paid, and what confirms it is still on its way."""

    default_code = "checkout_completion_pending"


class SubscriptionExists(Conflict):
    """The entity has a subscription: another plan is a change of it."""

    default_code = "subscription_exists_use_portal"


class PortalSubscriptionRequired(Conflict):
    """The provider does not know the entity yet: it has bought nothing."""

    default_code = "portal_subscription_required"


class CheckoutPlanNotFound(NotFound):
    """There is no such plan, or it can be chosen no more."""

    default_code = "checkout_plan_not_found"


class CheckoutProductNotFound(NotFound):
    """There is no such product, or it is sold no more."""

    default_code = "checkout_product_not_found"


class PaymentMethodNotFound(NotFound):
    """There is no such payment method, or the caller may not know of it."""

    default_code = "PAYMENT_METHOD_NOT_FOUND"


class PaymentMethodNotOwned(Conflict):
    """The payment method belongs to another entity, which the caller may see too."""

    default_code = "PAYMENT_METHOD_NOT_OWNED_BY_ENTITY"


class BillingDependencyConflict(Conflict):
    """Something else still needs it."""

    default_code = "BILLING_DEPENDENCY_CONFLICT"

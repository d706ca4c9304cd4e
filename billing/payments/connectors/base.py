"""
The protocol every payment provider is spoken to by.

Calls that change something carry an idempotency key of ours and have timeouts; none is made inside a transaction.
``translate`` is pure: an event that was stored long ago says the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from billing.models.checkouts import CheckoutPurpose
from billing.payments.connectors.facts import CheckoutOutcome, Fact, ProviderEvent, RefundStatus
from mozaiks.kit.errors import Conflict, Invalid, NotSupported, Unavailable, Upstream


class ProviderError(Upstream):
    """The provider refused, or answered nonsense: nothing was done there."""

    default_code = "checkout_provider_error"


class OutcomeUnknown(ProviderError):
    """The provider did not answer in time: it may or may not have been done. Calling again with the same key tells."""


class OperationNotSupported(NotSupported):
    """The connector cannot do this."""

    default_code = "PROVIDER_OPERATION_NOT_SUPPORTED"


class NotConfigured(Unavailable):
    """The door's secret is not set: it stays shut."""

    default_code = "PROVIDER_NOT_CONFIGURED"


class BadSignature(Invalid):
    """The body was not signed by any of our secrets, or too long ago, or ahead of time."""

    default_code = "WEBHOOK_SIGNATURE_INVALID"


class ConfigurationInvalid(Conflict):
    """What is to be sold cannot be: the catalog names no price of this provider."""

    default_code = "checkout_configuration_invalid"


class Ability(StrEnum):
    """What a connector may be able to do beside checkout, status, cancel and webhooks."""

    PORTAL = "portal"
    REFUND = "refund"
    CHANGE_PLAN = "change_plan"
    PAYMENT_LINKS = "payment_links"
    PAYMENT_METHODS = "payment_methods"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckoutOrder:
    """What a customer is sent to a provider's page for. ``price_id`` is the provider's; absolute URLs."""

    entity_id: int
    purpose: CheckoutPurpose
    price_id: str
    success_url: str
    cancel_url: str
    operation_key: str
    quantity: int = 1
    plan_code: str = ""
    product_code: str = ""
    customer_id: str | None = None
    customer_email: str = ""
    trial_days: int = 0
    expires_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckoutOpened:
    """The provider's page, and until when it is open."""

    session_id: str
    url: str
    expires_at: datetime | None = None
    customer_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckoutSeen:
    """A checkout as the provider tells it: ``outcome`` None is still open; ``paid`` is its payment."""

    session_id: str
    outcome: CheckoutOutcome | None
    paid: bool = False
    url: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionView:
    """``active`` is never taken for granted: what the provider does not say is False."""

    active: bool
    status: str
    plan: str | None = None
    current_period_end_at: datetime | None = None
    cancel_at_period_end: bool = False
    unavailable_reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionRef:
    """Whose subscription is asked for."""

    entity_id: int
    subscription_id: str | None = None
    customer_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundMade:
    """A refund the provider has accepted."""

    refund_id: str
    status: RefundStatus
    amount_minor: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MethodSeen:
    """A payment method as the provider tells it."""

    method_id: str
    method_type: str
    brand: str = ""
    last4: str = ""
    exp_month: int | None = None
    exp_year: int | None = None
    is_default: bool = False


class PaymentConnector(Protocol):
    """
    One provider. Everything raises ``ProviderError`` where the provider refuses, ``OutcomeUnknown`` where it does not answer,
    and ``OperationNotSupported`` where ``abilities`` lack it.
    """

    name: str
    abilities: frozenset[Ability]

    def checkout(self, order: CheckoutOrder) -> CheckoutOpened: ...

    def checkout_seen(self, session_id: str) -> CheckoutSeen: ...

    def expire_checkout(self, session_id: str) -> None:
        """Close the provider's page; one that is over already is left as it is."""

    def subscription_status(self, ref: SubscriptionRef) -> SubscriptionView: ...

    def cancel(self, subscription_id: str, *, at_period_end: bool, operation_key: str) -> None: ...

    def resume(self, subscription_id: str, *, operation_key: str) -> None:
        """Take back a cancellation, or a cheaper price, that was booked for the period's end."""

    def change_plan(self, subscription_id: str, price_id: str, *, at_period_end: bool, operation_key: str) -> None:
        """Book another price: at once, paid in proportion; or from the next period on."""

    def portal(self, customer_id: str, *, return_url: str, operation_key: str) -> str: ...

    def payment_link(self, order: CheckoutOrder) -> CheckoutOpened: ...

    def payment_methods(self, customer_id: str) -> Sequence[MethodSeen]: ...

    def add_payment_method(self, customer_id: str, *, return_url: str, operation_key: str) -> str:
        """The provider's page on which a customer adds one."""

    def default_payment_method(self, customer_id: str, method_id: str, *, operation_key: str) -> None: ...

    def remove_payment_method(self, method_id: str, *, operation_key: str) -> None: ...

    def refund(self, *, payment_id: str, amount_minor: int, reason: str, operation_key: str) -> RefundMade: ...

    def parse_webhook(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> ProviderEvent:
        """
        Verify and read an event: every secret is tried, in constant time, 300 seconds of tolerance both ways.

        :raises NotConfigured: there is no secret. :raises BadSignature: none fits. :raises Invalid: the signed body is no event.
        """

    def translate(self, event: ProviderEvent) -> Sequence[Fact]:
        """What the event says, in our words; nothing for events we do not listen to. Pure."""

    def enrich(self, event: ProviderEvent, facts: Sequence[Fact]) -> Sequence[Fact]:
        """Ask the provider for ids an event did not carry. Called outside a transaction, and only where something is missing."""

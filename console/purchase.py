"""
What the page of a purchase shows: what was paid and to whom it went, what it granted, and what was taken back of it since.

Read in a number of statements that does not grow with what was done to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.engine.types import AdjustmentKind
from billing.entitlements.resolvers import definition_by_id
from billing.models import AssignmentProviderDetail, GrantAdjustment, GrantEnding, Purchase, PurchaseAdjustment
from billing.models.purchases import PurchaseAction, PurchaseActionStatus, PurchaseStatus
from billing.payments.taking_back import grants_of, went_back
from console.words import FLAGS, money

#: How many of each kind the page shows; nobody has been seen with more.
MOST = 100
#: What a dispute's status means.
DISPUTES = {
    PurchaseActionStatus.RECORDED: "open",
    PurchaseActionStatus.SUCCEEDED: "lost",
    PurchaseActionStatus.NOOP: "won",
    PurchaseActionStatus.FAILED: "failed",
}
TONES = {PurchaseStatus.CONFIRMED: "good", PurchaseStatus.DISPUTED: "bad"}


@dataclass(frozen=True, kw_only=True, slots=True)
class GrantLine:
    """A grant of the purchase, in units of its limitation; ``taken`` of its amount were taken back."""

    grant: Any
    taken: int
    frozen: bool
    story: tuple[GrantAdjustment, ...]

    @property
    def left(self) -> int | None:
        """What it gives now, used or not; None is unlimited. Frozen or ended it gives nothing."""
        if self.frozen or self.grant.ended_at is not None:
            return 0
        return None if self.grant.amount is None else self.grant.amount - self.taken


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """Something that was tried on the purchase, and how it ended, in a word with a tone."""

    row: PurchaseAdjustment

    @property
    def word(self) -> str:
        if self.row.action == PurchaseAction.DISPUTE:
            return DISPUTES[PurchaseActionStatus(self.row.status)]
        return str(self.row.get_status_display())

    @property
    def tone(self) -> str:
        good = self.row.action != PurchaseAction.DISPUTE
        tones = {PurchaseActionStatus.SUCCEEDED: "good" if good else "bad", PurchaseActionStatus.FAILED: "bad"}
        return tones.get(PurchaseActionStatus(self.row.status), "plain")


@dataclass(frozen=True, kw_only=True, slots=True)
class PurchasePage:
    """Everything on the page. Money in minor units of the purchase's currency."""

    purchase: Purchase
    grants: list[GrantLine]
    tried: list[Tried]
    subscription: AssignmentProviderDetail | None
    given_back_minor: int

    @property
    def tone(self) -> str:
        return TONES.get(PurchaseStatus(self.purchase.status), "warning")

    @property
    def flag(self) -> str:
        """What somebody has to look at, in words; empty where nothing is."""
        return FLAGS.get(self.purchase.flag, self.purchase.flag.replace("_", " "))

    @property
    def given_back(self) -> str:
        return money(self.given_back_minor, self.purchase.currency) if self.given_back_minor else ""

    @property
    def kept(self) -> str:
        """What of the payment is still ours."""
        return money(self.purchase.amount_minor - self.given_back_minor, self.purchase.currency)

    @property
    def is_disputed(self) -> bool:
        return PurchaseStatus(self.purchase.status) is PurchaseStatus.DISPUTED

    @property
    def is_whole(self) -> bool:
        return self.purchase.status == PurchaseStatus.CONFIRMED and not self.given_back_minor

    @property
    def ids(self) -> list[tuple[str, str]]:
        """What the provider calls it, and what belongs to it."""
        row = self.purchase
        named = (
            ("Payment", row.provider_payment_id),
            ("Invoice", row.provider_invoice_id),
            ("Checkout session", row.provider_checkout_session_id),
            ("Subscription", row.provider_subscription_id),
            ("Customer", row.provider_customer_id),
            ("Price", row.provider_price_id),
            ("Operation key", row.operation_key),
        )
        return [(name, value) for name, value in named if value]


def purchase_page(purchase: Purchase) -> PurchasePage:
    """Read the page of ``purchase``, whose product, plan, entity and event were read with it."""
    adjustments = list(purchase.adjustments.order_by("-pk")[:MOST])
    return PurchasePage(
        purchase=purchase,
        grants=_grants(purchase),
        tried=[Tried(row=row) for row in adjustments],
        subscription=_subscription(purchase),
        given_back_minor=went_back(adjustments),
    )


def _grants(purchase: Purchase) -> list[GrantLine]:
    """What it granted, in the order it was granted, with what was done to each since."""
    grants: list[Any] = grants_of(purchase)[:MOST]
    stories: dict[int, list[GrantAdjustment]] = defaultdict(list)
    ids = [grant.pk for grant in grants]
    for each in GrantAdjustment.objects.filter(grant_id__in=ids).order_by("pk"):
        stories[each.grant_id].append(each)
    ended = dict(GrantEnding.objects.filter(grant_id__in=ids).values_list("grant_id", "ended_at"))
    for grant in grants:
        grant.limitation, grant.ended_at = definition_by_id(grant.definition_id), ended.get(grant.pk)
    return [_line(grant, stories[grant.pk]) for grant in grants]


def _line(grant: Any, story: Sequence[GrantAdjustment]) -> GrantLine:
    kinds = [each.kind for each in story]
    return GrantLine(
        grant=grant,
        taken=sum(each.amount for each in story if each.kind == AdjustmentKind.TAKE),
        frozen=kinds.count(AdjustmentKind.FREEZE) > kinds.count(AdjustmentKind.RELEASE),
        story=tuple(story),
    )


def _subscription(purchase: Purchase) -> AssignmentProviderDetail | None:
    """The latest assignment that came of the subscription whose invoice this is."""
    if not purchase.provider_subscription_id:
        return None
    rows = AssignmentProviderDetail.objects.filter(
        provider=purchase.provider, provider_subscription_id=purchase.provider_subscription_id
    )
    return rows.select_related("assignment__plan").order_by("-pk").first()

"""Entitlements: the ledger and what is projected from it. Everything here is looked at; units are granted at the customer."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from billing.engine.types import LIFETIME_START
from billing.models import (
    Allocation,
    Balance,
    Consumption,
    Decision,
    Grant,
    GrantAdjustment,
    GrantEnding,
    Hold,
    HoldEvent,
    OpenLot,
    Operation,
    ResourceSnapshot,
)
from console.admin import deeds
from console.admin.base import Ledger, button, link, link_to, source_link, units
from console.admin.explaining import explain_page
from console.admin.exporting import Exported
from console.admin.operations import page
from console.admin.ranges import Days
from mozaiks.kit.times import spoken


class Explained:
    """A row whose page has a button that tells why it is as it is; whoever may look at it may ask."""

    actions_detail: tuple[str, ...] = ("explain",)

    @button(text="Explain", path="explain", permission="view", icon="help")
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return explain_page(self, request, object_id)


class Fact(Ledger):
    """A row about a customer and a definition."""

    list_prefetch_related: ClassVar[tuple[str, ...]] = ("definition",)

    @admin.display(description="Limitation")
    def limitation(self, row: Any) -> str:
        return link(row.definition)

    @admin.display(description="Amount")
    def units(self, row: Any) -> str:
        return units(row.amount)

    @admin.display(description="Source")
    def source(self, row: Any) -> str:
        return source_link(row.source_type, row.source_id)

    @admin.display(description="Grant")
    def of_grant(self, row: Any) -> str:
        """By its id alone: a row may outlive nothing, so no grant has to be read to point to it."""
        return "-" if row.grant_id is None else link_to("billing_grant", row.grant_id, f"grant {row.grant_id}")


@admin.register(Grant)
class GrantAdmin(deeds.Permitted, Exported, Fact):
    """Units that were given; the button ends a grant before its time."""

    key_fields = ("dedupe_key",)
    list_display = ("id", "customer", "limitation", "units", "kind", "effective_at", "expires_at", "ended", "source")
    list_filter = ("kind", "source_type", "definition", ("effective_at", Days), ("expires_at", Days))
    csv_columns = (
        "id",
        "subject_id",
        "definition",
        "amount",
        "kind",
        "replenish",
        "enforcement_override",
        "effective_at",
        "expires_at",
        "source_type",
        "source_id",
        "template_id",
        "operation_key",
        "provider",
        "provider_event_id",
        "dedupe_key",
        "created_at",
    )
    list_prefetch_related = ("definition", "endings")
    actions_detail = ("end",)

    @admin.display(description="Ended")
    def ended(self, grant: Grant) -> str:
        endings = [f"{spoken(ending.ended_at)}, {ending.get_reason_display()}" for ending in grant.endings.all()]
        return endings[0] if endings else "-"

    @button(text="End grant", path="end", permission="grant_entitlements", icon="event_busy")
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(deeds.EndGrant, self, request, object_id)


@admin.register(GrantEnding)
class GrantEndingAdmin(Fact):
    """Grants that ended before their time."""

    key_fields = ("dedupe_key",)
    list_prefetch_related = ()
    list_display = ("id", "customer", "of_grant", "ended_at", "reason", "source")
    list_filter = ("reason", "source_type")


@admin.register(GrantAdjustment)
class GrantAdjustmentAdmin(Fact):
    """Units taken back, and grants frozen and released."""

    key_fields = ("dedupe_key",)
    list_display = ("id", "customer", "limitation", "of_grant", "kind", "units", "reason", "occurred_at", "source")
    list_filter = ("kind", "reason", "definition")


@admin.register(Consumption)
class ConsumptionAdmin(deeds.Permitted, Explained, Exported, Fact):
    """Units that were used or given back."""

    actions_detail = ("explain", "take_back")

    key_fields = ("dedupe_key",)
    list_display = (
        "id",
        "customer",
        "limitation",
        "units",
        "overage_amount",
        "reason_code",
        "occurred_at",
        "of_grant",
        "advisory",
    )
    list_filter = ("advisory", "definition", ("occurred_at", Days))
    csv_columns = (
        "id",
        "subject_id",
        "definition",
        "amount",
        "overage_amount",
        "grant_id",
        "reverses_id",
        "advisory",
        "occurred_at",
        "window_start_at",
        "reason_code",
        "operation_key",
        "usage_event_key",
        "provider_event_id",
        "request_id",
        "dedupe_key",
        "created_at",
    )

    @button(text="Take back", path="take-back", permission="correct_balances", icon="undo")
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(deeds.ReverseUse, self, request, object_id)


@admin.register(Allocation)
class AllocationAdmin(Exported, Fact):
    """Which grant paid how much."""

    list_display = ("id", "customer", "limitation", "kind", "of_grant", "units", "of_consumption", "occurred_at")
    list_filter = ("kind", "definition", ("window_start_at", Days))
    csv_columns = (
        "id",
        "kind",
        "consumption_id",
        "subject_id",
        "definition",
        "window_start_at",
        "grant_id",
        "amount",
        "occurred_at",
        "created_at",
    )

    @admin.display(description="Consumption")
    def of_consumption(self, row: Allocation) -> str:
        key = row.consumption_id
        return "-" if key is None else link_to("billing_consumption", key, f"consumption {key}")


@admin.register(Balance)
class BalanceAdmin(Explained, Exported, Fact):
    """Balances as they were written last. The page of the customer brings them forward to now."""

    list_display = (
        "id",
        "customer",
        "limitation",
        "window",
        "granted",
        "consumed_amount",
        "held_amount",
        "effective",
        "over_limit",
        "lock_state",
        "next_change_at",
        "version",
    )
    indexed_days = ("next_change_at",)
    list_filter = ("over_limit", ("closed_at", admin.EmptyFieldListFilter), "definition", ("next_change_at", Days))
    csv_columns = (
        "id",
        "subject_id",
        "definition",
        "window_start_at",
        "window_end_at",
        "granted_amount",
        "consumed_amount",
        "held_amount",
        "effective_amount",
        "hard_limit_amount",
        "is_unlimited",
        "overage_amount",
        "over_limit",
        "lock_state",
        "next_change_at",
        "closed_at",
        "last_event_at",
        "version",
    )

    @admin.display(description="Window since")
    def window(self, row: Balance) -> str:
        start = row.window_start_at
        return "lifetime" if start == LIFETIME_START else spoken(start)

    @admin.display(description="Granted")
    def granted(self, row: Balance) -> str:
        return units(row.granted_amount)

    @admin.display(description="Effective")
    def effective(self, row: Balance) -> str:
        return units(row.effective_amount)


@admin.register(OpenLot)
class OpenLotAdmin(Fact):
    """Grants as they can be used in the running window, in the order in which they pay."""

    list_display = ("of_grant", "customer", "limitation", "gives", "left", "pool", "burn_class", "expires_sort")
    list_filter = ("pool", "definition")

    @admin.display(description="Granted")
    def gives(self, lot: OpenLot) -> str:
        return units(lot.granted)

    @admin.display(description="Remaining")
    def left(self, lot: OpenLot) -> str:
        """The rest of the lot that pays next is kept in its balance."""
        if lot.remaining is not None:
            return units(lot.remaining)
        return "unlimited" if lot.granted is None else "pays next: see the balance"


@admin.register(Hold)
class HoldAdmin(Fact):
    """Units set aside."""

    key_fields = ("dedupe_key",)
    list_display = ("id", "customer", "limitation", "units", "captured_amount", "status", "expires_at", "created_at")
    list_filter = ("status", "definition")


@admin.register(HoldEvent)
class HoldEventAdmin(Fact):
    """What happened to holds."""

    key_fields = recent_keys = ("operation_key",)
    list_prefetch_related = ()
    list_display = ("id", "customer", "of_hold", "kind", "units", "expires_at", "occurred_at")
    list_filter = ("kind",)

    @admin.display(description="Hold")
    def of_hold(self, row: HoldEvent) -> str:
        return link_to("billing_hold", row.hold_id, f"hold {row.hold_id}")


@admin.register(Operation)
class OperationAdmin(Ledger):
    """First answers to keyed requests, given again to repeats."""

    key_fields = ("key",)
    list_display = ("id", "customer", "key", "capability", "status_code", "created_at")


@admin.register(Decision)
class DecisionAdmin(Explained, Exported, Fact):
    """Refusals, and what would have been refused."""

    key_fields = recent_keys = ("request_id",)
    list_display = (
        "id",
        "occurred_at",
        "customer",
        "limitation",
        "capability",
        "code",
        "reason",
        "requested",
        "used",
        "limit",
        "advisory",
    )
    indexed_days = ("occurred_at",)
    list_filter = ("advisory", "definition", ("occurred_at", Days))
    csv_columns = (
        "id",
        "subject_id",
        "definition",
        "capability",
        "code",
        "reason",
        "requested",
        "limit",
        "used",
        "advisory",
        "request_id",
        "occurred_at",
    )


@admin.register(ResourceSnapshot)
class ResourceSnapshotAdmin(Ledger):
    """Counts of resources that are kept by snapshot."""

    key_fields = recent_keys = ("resource_code",)
    list_display = ("id", "customer", "resource_code", "resource_count", "snapshot_at", "source")
    list_filter = ("source",)

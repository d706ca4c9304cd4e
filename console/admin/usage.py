"""Usage by the day: a projection of uses and refusals, looked at."""

from __future__ import annotations

from django.contrib import admin

from billing.models import UsageDay, UsageMark, UsageTotal
from console.admin.base import ReadOnly, Table, link, units
from console.admin.entitlements import Fact


@admin.register(UsageDay)
class UsageDayAdmin(Fact):
    """What customers used on a day, and how often they were refused."""

    list_display = ("id", "day", "customer", "limitation", "units_used", "refused", "advisory")
    list_filter = ("definition",)

    @admin.display(description="Used")
    def units_used(self, row: UsageDay) -> str:
        return units(row.used)


@admin.register(UsageTotal)
class UsageTotalAdmin(ReadOnly, Table):
    """The same of all customers together."""

    list_display = ("id", "day", "limitation", "code", "units_used", "refused", "advisory")
    list_filter = ("definition",)
    list_prefetch_related = ("definition",)

    @admin.display(description="Limitation")
    def limitation(self, row: UsageTotal) -> str:
        return link(row.definition)

    @admin.display(description="Used")
    def units_used(self, row: UsageTotal) -> str:
        return units(row.used)


@admin.register(UsageMark)
class UsageMarkAdmin(ReadOnly, Table):
    """How far uses and refusals are counted."""

    list_display = (
        "consumption_id",
        "decision_id",
        "seen_consumption_id",
        "seen_decision_id",
        "seen_at",
        "clearing",
        "updated_at",
    )

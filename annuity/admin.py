"""The history of calculations in the console: to look at, never to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from annuity.models import AnnuityCalculation

if TYPE_CHECKING:
    CalculationAdminBase = admin.ModelAdmin[AnnuityCalculation]
else:
    CalculationAdminBase = ModelAdmin


@admin.register(AnnuityCalculation)
class CalculationAdmin(CalculationAdminBase):
    """Read-only: a calculation was paid for, and stays what it was."""

    list_display = ("created_at", "workspace", "mode", "value", "created_by")
    list_select_related = ("workspace", "created_by")
    list_filter = ("created_at",)
    search_fields = ("id__exact", "workspace__slug__exact")
    ordering = ("-created_at", "-id")
    show_full_result_count = False
    readonly_fields = ("id", "workspace", "created_by", "inputs", "result", "created_at")

    @admin.display
    def mode(self, calculation: AnnuityCalculation) -> str:
        return str(calculation.inputs["mode"])

    @admin.display
    def value(self, calculation: AnnuityCalculation) -> str:
        return str(calculation.result["value"])

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

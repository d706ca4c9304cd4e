"""Customers: billable entities with what an operator asks about them, and the plans they are and were on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from billing.models import AssignmentProviderDetail, BillableEntity, PlanAssignment
from console.admin import deeds, plan_deeds
from console.admin.base import Ledger, Lookup, button, customer_name, link
from console.admin.explaining import explain_page
from console.admin.finding import customers_found
from console.admin.operations import buttons, page
from console.customer import CustomerPage, customer_page
from mozaiks.kit import clock


@admin.register(BillableEntity)
class BillableEntityAdmin(deeds.Permitted, Lookup):
    """Whose limits they are: what holds now, what happened last, and what an operator can do about it."""

    list_display = ("id", "called", "entity_type", "status", "owner_user", "created_at")
    list_display_links = ("id", "called")
    list_filter = ("entity_type", "status")
    search_help_text = (
        "Id, workspace, user, e-mail, reference; id of a purchase; an id of the provider; an operation key"
    )
    actions_detail = (
        "grant_units",
        "correct",
        "set_plan",
        "cancel_plan_change",
        "cancel_plan",
        "resume_plan",
        "change_subscription",
        "simulate_plan",
        "recompute",
        "explain",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return BillableEntity.objects.select_related("workspace", "owner_user")

    def matching(self, word: str) -> Q:
        return customers_found(word)

    @admin.display(description="Customer")
    def called(self, entity: BillableEntity) -> str:
        return customer_name(entity)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a customer. Nothing is written here: what can be done has pages of its own."""
        entity = self.get_object(request, object_id)
        if not self.has_view_permission(request, entity) or request.method != "GET":
            raise PermissionDenied
        if entity is None:
            raise Http404
        shown = customer_page(entity, now=clock.now())
        context = {
            **self.admin_site.each_context(request),
            "title": "Customer",
            "subtitle": customer_name(entity),
            "opts": self.opts,
            "page": shown,
            "deeds": buttons(self, request, object_id, without=_left_out(shown)),
            "may": {
                "end": request.user.has_perm(deeds.GRANT),
                "take_back": request.user.has_perm(deeds.CORRECT),
                "cancel": request.user.has_perm(deeds.SET_PLAN),
            },
        }
        return TemplateResponse(request, "console/customer.html", context)

    @button(text="Grant units", path="grant-units", permission="grant_entitlements", icon="add_card")
    def grant_units(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(deeds.GrantUnits, self, request, object_id)

    @button(text="Correct", path="correct", permission="correct_balances", icon="exposure")
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(deeds.Correct, self, request, object_id)

    @button(text="Set plan", path="set-plan", permission="set_plan", icon="assignment_ind")
    def set_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(deeds.SetPlan, self, request, object_id)

    @button(text="Cancel plan change", path="cancel-plan-change", permission="set_plan", icon="event_busy")
    def cancel_plan_change(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(deeds.CancelPlanChange, self, request, object_id)

    @button(text="Cancel plan", path="cancel-plan", permission="set_plan", icon="cancel")
    def cancel_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(plan_deeds.CancelPlan, self, request, object_id)

    @button(text="Resume plan", path="resume-plan", permission="set_plan", icon="play_circle")
    def resume_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(plan_deeds.ResumePlan, self, request, object_id)

    @button(text="Change subscription", path="change-subscription", permission="set_plan", icon="sync_alt")
    def change_subscription(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(plan_deeds.ChangeSubscription, self, request, object_id)

    @button(text="Simulate plan", path="simulate-plan", permission="view", icon="science")
    def simulate_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(deeds.SimulatePlan, self, request, object_id)

    @button(text="Recompute", path="recompute", permission="correct_balances", icon="calculate")
    def recompute(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return page(deeds.Recompute, self, request, object_id)

    @button(text="Explain", path="explain", permission="view", icon="help")
    def explain(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return explain_page(self, request, object_id)


def _left_out(shown: CustomerPage) -> set[str]:
    """Buttons that need something to be chosen first, or that would only be refused."""
    standing, current = shown.standing, shown.current
    left_out = {"Explain"}
    if not standing.is_asked_for:
        left_out.add("Cancel plan change")
    if not standing.is_of_provider:
        left_out.add("Change subscription")
    if standing.ends_with_period or current is None or current.assignment.plan.is_default:
        left_out.add("Cancel plan")
    if not standing.ends_with_period:
        left_out.add("Resume plan")
    return left_out


@admin.register(PlanAssignment)
class PlanAssignmentAdmin(Ledger):
    """Who is, was and will be on which plan. Another plan is assigned on the page of the customer."""

    customer_path = "billable_entity"
    list_prefetch_related = ("plan",)
    search_help_text = "Customer id, or workspace"
    list_display = (
        "id",
        "customer",
        "of_plan",
        "status",
        "subscription_status",
        "source",
        "period_start_at",
        "period_end_at",
    )
    list_filter = ("status", "subscription_status", "source", "plan")

    @admin.display(description="Plan")
    def of_plan(self, row: PlanAssignment) -> str:
        return link(row.plan)


@admin.register(AssignmentProviderDetail)
class AssignmentProviderDetailAdmin(Ledger):
    """What payment providers call assignments."""

    customer_path = "assignment__billable_entity"
    key_fields = ("provider_subscription_id",)
    search_help_text = "Customer id, workspace, or the provider's subscription id"
    list_display = (
        "assignment",
        "customer",
        "provider",
        "provider_subscription_id",
        "provider_status",
        "current_period_end",
        "cancel_at_period_end",
    )
    list_prefetch_related = ("assignment",)

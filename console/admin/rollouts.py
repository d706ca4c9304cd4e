"""
Applying a plan to its current subscribers: look at everybody, say why, change everybody.

The page may be left and found again. A request works for a moment and answers how far it came; the page asks for more until all
is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.catalog import revisions
from billing.entitlements.manual import ByHand
from billing.models import BillableEntity, Plan, Rollout
from billing.models.revisions import RolloutStatus
from billing.subscriptions import rollouts
from billing.subscriptions.reach import Effect, Shift, current_subscribers
from console.admin.base import Lookup, customer_name, is_id, link, units
from mozaiks.kit import clock
from mozaiks.kit.errors import Failure

#: How long one request works, and how many subscribers one page lists.
SECONDS = 1.5
SUBSCRIBERS_PER_PAGE = 25
MOVING = (RolloutStatus.LOOKING, RolloutStatus.APPLYING)


class ReasonForm(forms.Form):
    """Why the subscribers are changed."""

    reason = forms.CharField(
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="Kept in the timeline of every customer that is changed, with your name.",
    )


def begin_page(plan_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """What applying a plan means and whom it may concern; posting begins to look, and changes nobody."""
    plan = plan_admin.get_object(request, object_id)
    if plan is None:
        raise Http404
    if not plan_admin.has_view_or_change_permission(request, plan):
        raise PermissionDenied
    if request.method == "POST":
        return _begin(request, plan)
    context = {
        **plan_admin.admin_site.each_context(request),
        "title": "Apply to current subscribers",
        "subtitle": str(plan),
        "opts": plan_admin.opts,
        "plan": plan,
        "subscribers": current_subscribers(plan).count(),
        "earlier": [{"row": row, "link": link(row, f"Revision {row.revision}")} for row in _latest(plan)],
        "open": Rollout.objects.open().filter(plan=plan).first(),
        "revision": revisions.number_of(plan),
        "back": reverse("admin:billing_plan_change", args=[plan.pk]),
    }
    return TemplateResponse(request, "console/rollout_begin.html", context)


def _begin(request: HttpRequest, plan: Plan) -> HttpResponse:
    try:
        rollout = rollouts.begin(plan, actor=request.user.get_username(), now=clock.now())
    except Failure as refused:
        messages.error(request, refused.message)
        running = Rollout.objects.open().filter(plan=plan).first()
        return HttpResponseRedirect(_address(running) if running else request.path)
    work(rollout)
    return HttpResponseRedirect(_address(rollout))


def _latest(plan: Plan) -> Iterable[Rollout]:
    return Rollout.objects.filter(plan=plan).order_by("-pk")[:5]


def _address(rollout: Rollout) -> str:
    return reverse("admin:billing_rollout_change", args=[rollout.pk])


def work(rollout: Rollout, *, seconds: float = SECONDS) -> Rollout:
    """Move a rollout on for a while; returns it as it is then."""
    until = clock.monotonic() + seconds
    while rollout.status in MOVING:
        before = (rollout.status, rollout.last_entity_id)
        rollout = rollouts.advance(rollout, now=clock.now(), most=SUBSCRIBERS_PER_PAGE)
        if clock.monotonic() > until or before == (rollout.status, rollout.last_entity_id):
            break
    return rollout


@admin.register(Rollout)
class RolloutAdmin(Lookup):
    """Every time a plan was, or is being, applied to its current subscribers."""

    list_display = ("id", "of_plan", "revision", "status", "seen", "changed", "gained", "lost", "over_limit", "actor")
    list_filter = ("status",)
    list_prefetch_related = ("plan",)
    search_help_text = "A whole code of a plan, or a name of a user"

    def matching(self, word: str) -> Q:
        return Q(plan__code=word) | Q(actor=word)

    @admin.display(description="Plan")
    def of_plan(self, rollout: Rollout) -> str:
        return link(rollout.plan)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How far it came, whom it concerns, and what can be done about it."""
        rollout = self.get_object(request, object_id)
        if rollout is None:
            raise Http404
        may_act = request.user.has_perm("billing.roll_out_plan")
        if not (may_act or self.has_view_permission(request, rollout)):
            raise PermissionDenied
        form = ReasonForm(request.POST if request.POST.get("do") == "confirm" else None)
        if request.method == "POST":
            if not may_act:
                raise PermissionDenied
            if self._done(request, rollout, form):
                return HttpResponseRedirect(_address(rollout))
        return self._page(request, rollout, form if may_act else None)

    def _done(self, request: HttpRequest, rollout: Rollout, form: ReasonForm) -> bool:
        """Do what was asked for; False where the form has to be shown again."""
        acts: dict[str, Callable[[], bool]] = {
            "go_on": lambda: bool(work(rollout)),
            "drop": lambda: bool(rollouts.drop(rollout, now=clock.now())),
            "confirm": lambda: form.is_valid() and self._confirmed(request, rollout, form.cleaned_data["reason"]),
        }
        act = acts.get(request.POST.get("do", ""))
        if act is None:
            raise PermissionDenied
        try:
            return act()
        except Failure as refused:
            messages.error(request, refused.message)
            return True

    def _confirmed(self, request: HttpRequest, rollout: Rollout, reason: str) -> bool:
        by = ByHand(actor=request.user.get_username(), reason=reason)
        confirmed = rollouts.confirm(rollout, by=by, now=clock.now())
        self.log_change(request, confirmed.plan, f"Applied to current subscribers: {reason}")
        work(confirmed)
        return True

    def _page(self, request: HttpRequest, rollout: Rollout, form: ReasonForm | None) -> HttpResponse:
        after = request.GET.get("after", "")
        shown: dict[str, Any] = {"lines": [], "next": None}
        if rollout.status == RolloutStatus.READY:
            shown = listed(rollout, after=int(after) if is_id(after) else 0)
        context = {
            **self.admin_site.each_context(request),
            "title": "Apply to current subscribers",
            "subtitle": f"{rollout.plan}, revision {rollout.revision}",
            "opts": self.opts,
            "rollout": rollout,
            "plan_link": link(rollout.plan),
            "moving": rollout.status in MOVING,
            "outdated": rollout.status != RolloutStatus.DONE and rollouts.is_outdated(rollout),
            "percent": 100 if not rollout.subscribers else min(100, 100 * rollout.seen // rollout.subscribers),
            "form": form,
            "back": reverse("admin:billing_plan_change", args=[rollout.plan_id]),
            "again": reverse("admin:billing_plan_change", args=[rollout.plan_id]).replace("/change/", "/roll-out/"),
            "beyond": after,
            **shown,
        }
        return TemplateResponse(request, "console/rollout.html", context)


def listed(rollout: Rollout, *, after: int) -> dict[str, Any]:
    """One page of those who would see a change: who, and what moves."""
    effects, following = rollouts.effects(rollout, after=after, most=SUBSCRIBERS_PER_PAGE, now=clock.now())
    entities = BillableEntity.objects.select_related("workspace", "owner_user").in_bulk(
        [effect.entity_id for effect in effects]
    )
    return {"lines": [_line(effect, entities[effect.entity_id]) for effect in effects], "next": following}


def _line(effect: Effect, entity: BillableEntity) -> dict[str, Any]:
    return {
        "customer": link(entity, customer_name(entity)),
        "shifts": [_said(shift) for shift in effect.shifts],
        "gains": effect.gains,
        "loses": effect.loses,
        "over_limit": effect.over_limit,
    }


def _said(shift: Shift) -> str:
    return f"{shift.code}: {units(shift.before)} → {units(shift.after)}, {units(shift.used)} used"

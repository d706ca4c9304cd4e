"""``/w/{slug}/billing``: plan, limits, usage, purchases and the ways to more, whole or in parts."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.models import BillableEntity
from billing.pages.reading import BillingPage
from billing.payments.checkout import MOST_PIECES
from billing.payments.timeline import read_timeline
from mozaiks.kit.clock import now
from mozaiks.kit.pages import new_key, page, part_of
from mozaiks.workspaces import access, pages
from mozaiks.workspaces.models import Workspace
from mozaiks.workspaces.roles import BILLING_MANAGE

TEMPLATE = "billing/workspace.html"
TIMELINE_LENGTH = 50
PARTS = {name: f"billing/parts/{name}.html" for name in ("plan", "limits", "usage", "purchases", "offers")}


@page
@require_safe
def billing_page(request: HttpRequest, slug: str) -> HttpResponse:
    """The page for any member; buying and changing needs the permission to manage billing. It stays open when access ran out."""
    at = now()
    workspace = access.workspace_for(request.user, slug)
    entity = entity_of(workspace, now=at)
    may_manage = BILLING_MANAGE in access.permissions_of(request.user, workspace)
    shown = {"page": BillingPage(entity, now=at, may_manage=may_manage), "workspace": workspace, "key": new_key()}
    shown["most_pieces"] = MOST_PIECES
    part = part_of(request, PARTS)
    if part is not None:
        return render(request, part, shown)
    return render(request, TEMPLATE, {**shown, **pages.shell(workspace)})


@page
@require_safe
def timeline_page(request: HttpRequest, slug: str) -> HttpResponse:
    """What happened to plan, purchases and limits, the latest first, for any member."""
    workspace = access.workspace_for(request.user, slug)
    cursor = request.GET.get("before") or None
    found = read_timeline(entity_of(workspace, now=now()), size=TIMELINE_LENGTH, cursor=cursor)
    return render(
        request, "billing/timeline.html", {"timeline": found, "workspace": workspace, **pages.shell(workspace)}
    )


def entity_of(workspace: Workspace, *, now: datetime) -> BillableEntity:
    """Whose plan and limits they are; made at the first look where a workspace came into being by another door."""
    found = BillableEntity.objects.for_workspace(workspace.pk).first()
    entity = found or BillableEntity.objects.ensure_for_workspace(workspace.pk, owner_user_id=None, now=now)
    entity.workspace = workspace
    return entity

"""
The deeds of the workspace page: choosing a plan, keeping the present one, buying an add-on. The same functions as the API's.

They are plain forms. Who has to pay is sent to the provider's page; what was bought is there once the payment is confirmed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import BillableEntity
from billing.pages.workspace import entity_of
from billing.payments import checkout
from billing.payments.checkout import Wanted
from billing.payments.connectors import choosing
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Failure
from mozaiks.kit.pages import command_of_form, page
from mozaiks.workspaces import access
from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import BILLING_MANAGE


@page
@require_POST
def buy(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the customer to pay for ``product``, or say why that is not possible now."""
    at = now()
    workspace, entity = _managed(request, slug, now=at)
    try:
        product = checkout.product_for_sale(request.POST.get("product", ""))
        return _checkout(request, workspace, entity, Wanted(product=product, **_ways(request, slug)), now=at)
    except Failure as refused:
        return _refused(request, slug, refused)


@page
@require_POST
def choose(request: HttpRequest, slug: str) -> HttpResponse:
    """Go to ``plan``: at once, at the end of the period, or by paying for it first."""
    at = now()
    workspace, entity = _managed(request, slug, now=at)
    try:
        plan = checkout.plan_for_sale(request.POST.get("plan", ""))
        return _checkout(request, workspace, entity, Wanted(plan=plan, **_ways(request, slug)), now=at)
    except Failure as refused:
        return _refused(request, slug, refused)


def _managed(request: HttpRequest, slug: str, *, now: datetime) -> tuple[Workspace, BillableEntity]:
    workspace = access.workspace_for(request.user, slug)
    access.require(request.user, workspace, BILLING_MANAGE)
    return workspace, entity_of(workspace, now=now)


def _ways(request: HttpRequest, slug: str) -> dict[str, Any]:
    """Whom the provider's page is for, and where it leads back to."""
    home = reverse("workspace-billing", args=[slug])
    user = request.user
    return {
        "base_url": str(settings.PUBLIC_BASE_URL).rstrip("/") or request.build_absolute_uri("/").rstrip("/"),
        "success_path": home,
        "cancel_path": home,
        "email": user.email if isinstance(user, User) else "",
        "requested_by": request.user.get_username(),
    }


def _checkout(
    request: HttpRequest, workspace: Workspace, entity: BillableEntity, wanted: Wanted, *, now: datetime
) -> HttpResponse:
    """
    The way to the provider's page.

    On another site it is a page with a link that is followed by itself: after a form was sent, our own content security
    policy lets no browser be redirected there.
    """
    bought = wanted.plan or wanted.product
    command = command_of_form(request, told={"code": bought.code if bought else "", "entity": entity.pk})
    key = command.operation_key or f"page:{command.request_id}"
    opened = checkout.open_checkout(entity, wanted, connector=choosing.connector(), operation_key=key, now=now)
    address = urlsplit(opened.checkout_url)
    if address.scheme not in ("http", "https") or not address.netloc:
        messages.info(request, "Nothing is sold here: an operator of this installation grants what you need.")
        return redirect("workspace-billing", workspace.slug)
    if address.netloc == request.get_host():
        return HttpResponseRedirect(opened.checkout_url)
    return render(
        request, "billing/leaving.html", {"workspace": workspace, "url": opened.checkout_url, "host": address.netloc}
    )


def _refused(request: HttpRequest, slug: str, refused: Failure) -> HttpResponse:
    """Back to the page, with the sentence; where a checkout is open already, with the way to it."""
    messages.error(request, refused.message)
    return redirect("workspace-billing", slug)

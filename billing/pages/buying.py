"""
The deeds of the workspace page: another plan, no other plan after all, an add-on. The same functions as the API's.

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
from django.views.decorators.http import require_http_methods, require_POST

from billing.models import BillableEntity
from billing.pages.reading import Change, deciding
from billing.pages.workspace import entity_of
from billing.payments import checkout, plan_changes
from billing.payments.checkout import MOST_PIECES, Wanted
from billing.payments.connectors import choosing
from billing.payments.connectors.base import PaymentConnector
from billing.payments.idempotency import Answer
from billing.payments.keyed import perform_once
from billing.payments.plan_changes import Asked
from billing.subscriptions.changes import Mode
from billing.subscriptions.looking import Subscription
from billing.subscriptions.scheduling import cancel_scheduled
from mozaiks.kit.clock import now
from mozaiks.kit.commands import Command
from mozaiks.kit.errors import Failure, Invalid
from mozaiks.kit.pages import command_of_form, new_key, page
from mozaiks.kit.times import spoken
from mozaiks.workspaces import access, pages
from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import BILLING_MANAGE


@page
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest, slug: str) -> HttpResponse:
    """What going to ``plan`` would come to; and, when that is confirmed, going there: at once, later, or by paying first."""
    at = now()
    workspace, entity = _managed(request, slug, now=at)
    try:
        code = (request.POST if request.method == "POST" else request.GET).get("plan", "")
        if request.method == "POST":
            return _change_plan(request, workspace, entity, code, now=at)
        change = deciding(plan_changes.preview(entity, plan_changes.plan_to_change_to(code), now=at))
        return _confirmed_first(request, workspace, change)
    except Failure as refused:
        return _refused(request, slug, refused)


@page
@require_POST
def stay(request: HttpRequest, slug: str) -> HttpResponse:
    """Take back the change, or the end, that is booked for later."""
    at = now()
    _, entity = _managed(request, slug, now=at)

    def ask(operation_key: str) -> bool:
        booked = plan_changes.booked_with_provider(entity, now=at)
        if booked is not None:
            _keeper_of(booked).resume(booked.subscription_id, operation_key=operation_key)
        return booked is not None

    def keep(resumed: bool) -> Answer:
        canceled = resumed or cancel_scheduled(entity, now=at)
        return Answer(status_code=200, body={"canceled": canceled})

    try:
        answer = perform_once(entity, "plan-change.cancel", _command(request, {}), ask=ask, keep=keep, now=at)
    except Failure as refused:
        return _refused(request, slug, refused)
    messages.success(request, "The plan stays." if answer.body["canceled"] else "No change was booked.")
    return redirect("workspace-billing", slug)


@page
@require_POST
def buy(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the customer to pay for ``product``, or say why that is not possible now."""
    at = now()
    workspace, entity = _managed(request, slug, now=at)
    try:
        product = checkout.product_for_sale(request.POST.get("product", ""))
        quantity = _quantity(request.POST.get("quantity", "1"))
        said = {"product": product.code, "quantity": quantity, "entity": entity.pk}
        opened = checkout.open_checkout(
            entity,
            Wanted(product=product, quantity=quantity, **_ways(request, slug)),
            connector=choosing.connector(),
            operation_key=f"page:{_command(request, said).operation_key}",
            now=at,
        )
    except Failure as refused:
        return _refused(request, slug, refused)
    return _to_pay(request, workspace, opened.checkout_url)


def _quantity(text: str) -> int:
    """:raises Invalid: not a whole number of 1 to the most that one checkout may be for."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_PIECES)) and 1 <= int(text) <= MOST_PIECES:
        return int(text)
    rule = f"The quantity must be a whole number from 1 to {MOST_PIECES}."
    raise Invalid(rule, field_errors={"quantity": [rule]})


def _managed(request: HttpRequest, slug: str, *, now: datetime) -> tuple[Workspace, BillableEntity]:
    workspace = access.workspace_for(request.user, slug)
    access.require(request.user, workspace, BILLING_MANAGE)
    return workspace, entity_of(workspace, now=now)


def _confirmed_first(request: HttpRequest, workspace: Workspace, change: Change) -> HttpResponse:
    context = {"workspace": workspace, "change": change, "key": new_key(), **pages.shell(workspace)}
    return render(request, "billing/change.html", context)


def _change_plan(
    request: HttpRequest, workspace: Workspace, entity: BillableEntity, code: str, *, now: datetime
) -> HttpResponse:
    def ask(operation_key: str) -> Asked:
        plan = plan_changes.plan_to_change_to(code)
        decision = plan_changes.decide(entity, plan, now=now)
        wanted = Wanted(plan=plan, **_ways(request, workspace.slug))
        keeper = _keeper_of(decision.subscription)
        return plan_changes.ask_provider(
            entity, decision, wanted, connector=keeper, operation_key=operation_key, now=now
        )

    def keep(asked: Asked) -> Answer:
        done = plan_changes.carry_out(entity, asked, now=now)
        at = done.decision.effective_at
        told = {"url": done.checkout_url, "mode": done.decision.mode, "at": spoken(at) if at else ""}
        return Answer(status_code=200, body={**told, "plan": done.decision.plan.name})

    answer = perform_once(entity, "plan-change", _command(request, {"plan": code}), ask=ask, keep=keep, now=now)
    if answer.body["url"] is not None:
        return _to_pay(request, workspace, answer.body["url"])
    messages.success(request, _told(answer.body))
    return redirect("workspace-billing", workspace.slug)


def _told(done: dict[str, Any]) -> str:
    match done["mode"]:
        case Mode.SCHEDULED:
            return f"The plan changes to {done['plan']} at {done['at']}."
        case Mode.UNCHANGED:
            return f"The plan is {done['plan']}, as before."
        case _:
            return f"The plan is {done['plan']} as soon as it is confirmed."


def _command(request: HttpRequest, told: dict[str, Any]) -> Command:
    """The command of a form; one without a key of its own is known by its request."""
    command = command_of_form(request, told=told)
    if command.operation_key is not None:
        return command
    return Command(
        operation_key=f"page-{command.request_id}"[:191], fingerprint=command.fingerprint, request_id=command.request_id
    )


def _keeper_of(subscription: Subscription | None) -> PaymentConnector:
    """Who keeps a subscription, else who takes payments."""
    return choosing.connector() if subscription is None else choosing.connector_named(subscription.provider)


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


def _to_pay(request: HttpRequest, workspace: Workspace, url: str) -> HttpResponse:
    """
    The way to the provider's page.

    To another site it is a page with a link that is followed by itself: after a form was sent, our own content security
    policy lets no browser be redirected there.
    """
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.netloc:
        messages.info(request, "Nothing is sold here: an operator of this installation grants what you need.")
        return redirect("workspace-billing", workspace.slug)
    if address.netloc == request.get_host():
        return HttpResponseRedirect(url)
    return render(request, "billing/leaving.html", {"workspace": workspace, "url": url, "host": address.netloc})


def _refused(request: HttpRequest, slug: str, refused: Failure) -> HttpResponse:
    """Back to the page, with the sentence."""
    messages.error(request, refused.message)
    return redirect("workspace-billing", slug)

"""Pages that say why: from a limit, a balance, a use or a refusal to the grants, templates, purchases and events behind it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from billing.entitlements.told import Telling, tell_balance, tell_limit, tell_refusal, tell_use
from billing.models import Balance, BillableEntity, Consumption, Decision
from console.admin.base import customer_name
from console.words import plain
from mozaiks.kit import clock
from mozaiks.kit.errors import Failure


def explain_page(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Why a row of this table is as it is; of a customer, why a limit (``?code=``) is."""
    row = model_admin.get_object(request, object_id)
    if row is None:
        raise Http404
    if not model_admin.has_view_permission(request, row):
        raise PermissionDenied
    entity: BillableEntity = row if isinstance(row, BillableEntity) else row.subject
    try:
        telling = _tell(row, request.GET.get("code", ""))
    except Failure as refused:
        raise Http404(refused.message) from refused
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Explain",
        "subtitle": telling.title,
        "opts": model_admin.opts,
        "entity": entity,
        "customer": customer_name(entity),
        "telling": telling,
        "text": text_of(telling, customer_name(entity)),
    }
    return TemplateResponse(request, "console/explain.html", context)


def text_of(telling: Telling, customer: str) -> str:
    """The telling as text, to be pasted into an answer."""
    lines = [f"{customer}: {telling.title}", "", *telling.sentences]
    for origin in telling.origins:
        lines += ["", origin.title, *(f"- {sentence}" for sentence in origin.sentences)]
    return plain("\n".join(lines))


def _tell(row: Any, code: str) -> Telling:
    now = clock.now()
    if isinstance(row, Balance):
        return tell_balance(row, now=now)
    if isinstance(row, Consumption):
        return tell_use(row)
    if isinstance(row, Decision):
        return tell_refusal(row, now=now)
    return tell_limit(row, code, now=now)[1]

"""``/w/{slug}/annuity``: a calculator beside what is left of the month, with a form that needs no script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annuity import services
from annuity.api import CalculationQuestion
from annuity.decimals import fixed
from annuity.formula import Terms, check
from annuity.limits import CALCULATIONS_MONTHLY
from billing import limits
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Failure, Invalid
from mozaiks.kit.pages import command_of_form, new_key, page, part_of, shown
from mozaiks.workspaces import access, pages, roles
from mozaiks.workspaces.models import Workspace

TEMPLATE = "annuity/page.html"
PARTS = {"limit": "annuity/parts/limit.html", "history": "annuity/parts/history.html"}
LATEST = 10
#: The numbers of the form: how the API calls them, what people call them, and what stands there at first.
NUMBERS = (
    ("payment", "Payment", "100"),
    ("annualRate", "Interest, % a year", "5"),
    ("annualGrowthRate", "Growth, % a year", "0"),
    ("years", "Years", "10"),
    ("paymentsPerYear", "Payments a year", "12"),
)
NAMES = {name: label for name, label, _ in NUMBERS} | {"mode": "Value", "timing": "Paid", "isPerpetual": "Never ends"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A number of the form, as it was typed, and what is wrong with it."""

    name: str
    label: str
    value: str
    error: str


@page
@require_http_methods(["GET", "HEAD", "POST"])
def annuity_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the page, or calculate; a refusal is the page with the sentence of the limit, everything typed kept."""
    at = now()
    workspace = access.enter(request.user, slug, roles.ANNUITY_READ, now=at)
    if request.method != "POST":
        return _shown(request, workspace, at)
    try:
        access.enter(request.user, slug, roles.ANNUITY_USE, now=at)
        value = _calculate(request, workspace, at)
    except Failure as refused:
        return _shown(request, workspace, at, refused=refused)
    messages.success(request, f"The value is {value}.")
    return redirect("workspace-annuity", slug)


def _calculate(request: HttpRequest, workspace: Workspace, at: datetime) -> str:
    terms = _terms(request)
    execution = services.calculate(
        terms,
        workspace_id=workspace.pk,
        user_id=request.user.pk,
        now=at,
        command=command_of_form(request, told={"terms": repr(terms)}),
        present=lambda calculation: {"value": calculation.result["value"]},
    )
    return _short(str(execution.answer["value"]))


def _terms(request: HttpRequest) -> Terms:
    """:raises Invalid: with the rules that are broken, by the names of the fields."""
    typed: dict[str, Any] = {name: text for name in NAMES if (text := request.POST.get(name, "").strip())}
    typed["isPerpetual"] = "isPerpetual" in typed
    question = CalculationQuestion(data=typed)
    if not question.is_valid():
        errors = {name: [str(each) for each in found] for name, found in question.errors.items()}
        raise Invalid("This cannot be calculated.", field_errors=errors)
    terms = question.terms()
    check(terms)
    return terms


def _shown(request: HttpRequest, workspace: Workspace, at: datetime, *, refused: Failure | None = None) -> HttpResponse:
    history = services.history(workspace.pk, page=1, page_size=LATEST)
    context = {
        "workspace": workspace,
        "words": limits.in_words(limits.entity_for_workspace(workspace.pk), CALCULATIONS_MONTHLY, now=at),
        "history": [(each, _short(each.result["value"])) for each in history.entries],
        "total": history.total,
    }
    part = part_of(request, PARTS)
    if part is not None and request.method != "POST":
        return render(request, part, context)
    errors = refused.field_errors if refused is not None else {}
    context |= {
        "may_use": roles.ANNUITY_USE in access.permissions_of(request.user, workspace),
        "fields": [
            Field(name=name, label=label, value=request.POST.get(name, first), error=" ".join(errors.get(name, ())))
            for name, label, first in NUMBERS
        ],
        "typed": request.POST,
        "refusal": _sentence(refused, errors),
        "key": new_key(),
    }
    return shown(request, TEMPLATE, {**context, **pages.shell(workspace)}, refused=refused)


def _sentence(refused: Failure | None, errors: dict[str, list[str]]) -> str:
    """What is wrong, in the words of the form."""
    if refused is None:
        return ""
    named = [f"{NAMES.get(name, name)}: {' '.join(said)}" for name, said in errors.items()]
    return " ".join(named) or refused.message


def _short(value: str) -> str:
    """A value as people read it: thousands apart, rounded to two places."""
    return f"{Decimal(fixed(Decimal(value), 2)):,}"

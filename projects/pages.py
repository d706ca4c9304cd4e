"""``/w/{slug}/projects``: the projects of a workspace beside their limit, with forms that need no script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from billing import limits
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Failure, Invalid
from mozaiks.kit.pages import command_of_form, new_key, page, part_of, shown
from mozaiks.workspaces import access, pages, roles
from mozaiks.workspaces.models import Workspace
from projects import services
from projects.api import NewProjectBody
from projects.limits import PROJECTS_MAX
from projects.models import Status

TEMPLATE = "projects/page.html"
PARTS = {"limit": "projects/parts/limit.html", "list": "projects/parts/list.html"}
PAGE_SIZE = 25
HIGHEST_PAGE = 1_000_000

Deed = Callable[[HttpRequest, Workspace, datetime], Any]


@page
@require_http_methods(["GET", "HEAD", "POST"])
def projects_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the page, or do what its forms ask for; a refusal is the page with the sentence of the limit."""
    at = now()
    workspace = access.enter(request.user, slug, roles.PROJECTS_READ, now=at)
    if request.method != "POST":
        return _shown(request, workspace, at)
    try:
        access.enter(request.user, slug, roles.PROJECTS_WRITE, now=at)
        DEEDS.get(request.POST.get("deed", ""), _unknown)(request, workspace, at)
    except Failure as refused:
        return _shown(request, workspace, at, refused=refused)
    return redirect(request.get_full_path())


def _shown(request: HttpRequest, workspace: Workspace, at: datetime, *, refused: Failure | None = None) -> HttpResponse:
    context = {
        "workspace": workspace,
        "words": limits.in_words(limits.entity_for_workspace(workspace.pk), PROJECTS_MAX, now=at),
        "listed": services.listed(workspace.pk, page=_number_of_page(request), page_size=PAGE_SIZE),
        "may_write": roles.PROJECTS_WRITE in access.permissions_of(request.user, workspace),
        "key": new_key(),
        "name": request.POST.get("name", ""),
        "refusal": refused.message if refused is not None else "",
    }
    part = part_of(request, PARTS)
    if part is not None and request.method != "POST":
        return render(request, part, context)
    return shown(request, TEMPLATE, {**context, **pages.shell(workspace)}, refused=refused)


def _number_of_page(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= HIGHEST_PAGE else 1


def _create(request: HttpRequest, workspace: Workspace, at: datetime) -> None:
    body = NewProjectBody(data={"name": request.POST.get("name", "")})
    if not body.is_valid():
        raise Invalid(f"Name: {' '.join(body.errors['name'])}")
    command = command_of_form(request, told={"name": body.validated_data["name"]})
    new = services.NewProject(**body.validated_data)
    services.create(workspace.pk, new, now=at, command=command, present=lambda project: project.pk)


def _to(status: Status) -> Deed:
    def change(request: HttpRequest, workspace: Workspace, at: datetime) -> None:
        services.change(workspace.pk, _project_of(request), {"status": status}, now=at)

    return change


def _project_of(request: HttpRequest) -> int:
    """The id a form names; 0, which no project has, for anything else."""
    text = request.POST.get("project", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _unknown(request: HttpRequest, workspace: Workspace, at: datetime) -> None:
    raise Invalid("This page knows no such deed.")


#: What the forms of the page ask for. Setting a status that is there already changes nothing.
DEEDS: dict[str, Deed] = {"create": _create, "archive": _to(Status.ARCHIVED), "unarchive": _to(Status.ACTIVE)}

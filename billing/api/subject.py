"""
Whose limits a request is about: picks the billable entity, and hides those the caller may not know of.

First match wins: header ``x-billable-entity-id``, route or query ``billableEntityId``; else the workspace of header
``x-workspace-slug``, route or query ``workspaceSlug``; else the caller's own entity.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Q
from rest_framework.request import Request

from billing.api.internal_key import InternalCaller
from billing.models import BillableEntity
from billing.models.entities import EntityType
from mozaiks.kit.errors import Invalid, NotFound
from mozaiks.workspaces import access
from mozaiks.workspaces.models import User, Workspace
from mozaiks.workspaces.roles import BILLING_MANAGE

ENTITY_HEADER: Final = "x-billable-entity-id"
ENTITY_QUERY: Final = "billableEntityId"
WORKSPACE_HEADER: Final = "x-workspace-slug"
WORKSPACE_QUERY: Final = "workspaceSlug"

HIGHEST_ID: Final = 2**63 - 1
ID_RULE: Final = "Must be the id of a billable entity: a whole number of 1 or more."


def read_subject(request: Request, *, now: datetime) -> BillableEntity:
    """
    The entity whose limits the caller may see. Somebody's own is made at the first question.

    :raises Invalid: a selector is malformed or empty, or a service named nobody.
    :raises NotFound: in the same words whether there is none or it is somebody else's.
    """
    name, entity_id = _selector(request, ENTITY_HEADER, ENTITY_QUERY)
    if entity_id is not None:
        return _entity(request.user, _as_id(entity_id, name))
    name, slug = _selector(request, WORKSPACE_HEADER, WORKSPACE_QUERY)
    if slug is not None:
        if not slug:
            raise _malformed(name, "Must be the slug of a workspace.")
        return _of_workspace(request.user, slug, now=now)
    return _own(request.user, now=now)


def write_subject(request: Request, *, now: datetime) -> BillableEntity:
    """
    The entity whose limits the caller may change.

    :raises Denied: it is a workspace's, and their role there does not manage its billing. Others as in ``read_subject``.
    """
    entity = read_subject(request, now=now)
    if entity.workspace is not None and not isinstance(request.user, InternalCaller):
        access.require(request.user, entity.workspace, BILLING_MANAGE)
    return entity


def may_read(request: Request, entity_id: int) -> bool:
    """Whether the caller may know of this entity."""
    try:
        _entity(request.user, entity_id)
    except NotFound:
        return False
    return True


def _selector(request: Request, header: str, parameter: str) -> tuple[str, str | None]:
    """What was sent, and under which name: a header comes before the route, the route before the query."""
    if header in request.headers:
        return header, request.headers[header].strip()
    route = request.parser_context["kwargs"]
    if parameter in route:
        return parameter, str(route[parameter])
    given = request.query_params.get(parameter)
    return parameter, None if given is None else given.strip()


def _as_id(text: str, name: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(HIGHEST_ID)) and 1 <= int(text) <= HIGHEST_ID:
        return int(text)
    raise _malformed(name, ID_RULE)


def _malformed(name: str, rule: str) -> Invalid:
    return Invalid(f"{name}: {rule}", field_errors={name: [rule]})


def _entity(caller: object, entity_id: int) -> BillableEntity:
    """The entity of that id, if the caller may see it. One statement, whoever asks."""
    wanted = BillableEntity.objects.select_related("workspace").filter(pk=entity_id)
    if isinstance(caller, User):
        wanted = wanted.filter(
            Q(entity_type=EntityType.WORKSPACE, workspace__memberships__user=caller)
            | Q(entity_type=EntityType.USER, owner_user=caller)
        )
    elif not isinstance(caller, InternalCaller):
        wanted = wanted.none()
    found = wanted.first()
    if found is None:
        raise NotFound("There is no such billable entity.")
    return found


def _of_workspace(caller: object, slug: str, *, now: datetime) -> BillableEntity:
    if isinstance(caller, InternalCaller):
        workspace = Workspace.objects.filter(slug=slug).first()
        if workspace is None:
            raise NotFound("There is no such workspace.")
    else:
        workspace = access.workspace_for(caller, slug)
    entity = BillableEntity.objects.for_workspace(workspace.pk).first()
    if entity is None:
        entity = BillableEntity.objects.ensure_for_workspace(workspace.pk, owner_user_id=None, now=now)
    entity.workspace = workspace
    return entity


def _own(caller: object, *, now: datetime) -> BillableEntity:
    if not isinstance(caller, User):
        rule = "Name the billable entity or the workspace: a service has no limits of its own."
        raise _malformed(ENTITY_HEADER, rule)
    found = BillableEntity.objects.for_user(caller.pk).first()
    return found or BillableEntity.objects.ensure_for_user(caller.pk, now=now)

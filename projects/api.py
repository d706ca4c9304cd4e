"""The doors of projects: list, create, read, change, replace, delete."""

# ruff: noqa: N815 - fields of serializers are named as they are on the wire

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import limits
from mozaiks.kit.clock import now
from mozaiks.kit.errors import Invalid
from mozaiks.kit.times import utc_z
from mozaiks.workspaces import access, roles
from mozaiks.workspaces.models import Workspace
from projects import services
from projects.models import NAME_LENGTH, NOTES_LENGTH, OWNER_LENGTH, Project, Status

STATUSES = [status.value for status in Status]

WORKSPACE_HEADER = OpenApiParameter(
    "x-workspace-slug", OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description="Whose projects."
)
KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="1 to 191 visible ASCII characters: a repeat gets the first answer back and changes nothing.",
)
FAILURES = {
    400: OpenApiResponse(OpenApiTypes.OBJECT, "The request breaks a rule; `fieldErrors` names fields and rules."),
    401: OpenApiResponse(OpenApiTypes.OBJECT, "Nobody is signed in."),
    402: OpenApiResponse(
        OpenApiTypes.OBJECT, "The access of the workspace has run out, and the settings lock it then."
    ),
    403: OpenApiResponse(OpenApiTypes.OBJECT, "The role in the workspace does not allow this."),
    404: OpenApiResponse(OpenApiTypes.OBJECT, "There is no such workspace or project."),
}
WRITE_FAILURES = FAILURES | {
    402: OpenApiResponse(OpenApiTypes.OBJECT, "The access of the workspace has run out."),
    409: OpenApiResponse(OpenApiTypes.OBJECT, "No room (`details.used`, `details.cap`), or the key was used before."),
    415: OpenApiResponse(OpenApiTypes.OBJECT, "The body is not JSON."),
}


@extend_schema_field(OpenApiTypes.DATETIME)
class InstantField(serializers.Field[datetime, Any, str, Any]):
    """An instant, read-only: ``2026-02-21T12:34:56.000Z``."""

    def to_representation(self, value: datetime) -> str:
        return utc_z(value)


class TextField(serializers.CharField):
    """Text and nothing that merely could be written as text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class StatusField(serializers.ChoiceField):
    """One of the statuses, as the word the models know."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=STATUSES, **options)

    def to_internal_value(self, data: Any) -> Status:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return Status(super().to_internal_value(data))


class NewProjectBody(serializers.Serializer[Any]):
    """What a project begins with."""

    name = TextField(max_length=NAME_LENGTH)
    status = StatusField(default=Status.DRAFT)
    owner = TextField(max_length=OWNER_LENGTH, allow_blank=True, default="")
    notes = TextField(max_length=NOTES_LENGTH, allow_blank=True, default="")


class ProjectReplacement(NewProjectBody):
    """A project as it shall be. Without a status it keeps its own: nothing comes back from the archive by omission."""

    status = StatusField(required=False)


class ProjectChanges(serializers.Serializer[Any]):
    """What shall be different."""

    name = TextField(max_length=NAME_LENGTH, required=False)
    status = StatusField(required=False)
    owner = TextField(max_length=OWNER_LENGTH, allow_blank=True, required=False)
    notes = TextField(max_length=NOTES_LENGTH, allow_blank=True, required=False)


class ProjectAnswer(serializers.Serializer[Project]):
    """A project."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    owner = serializers.CharField()
    notes = serializers.CharField()
    createdAt = InstantField(source="created_at", read_only=True)
    updatedAt = InstantField(source="updated_at", read_only=True)


class ProjectPage(serializers.Serializer[services.Page]):
    """One page of projects, newest first."""

    entries = ProjectAnswer(many=True)
    page = serializers.IntegerField()
    pageSize = serializers.IntegerField(source="page_size")
    total = serializers.IntegerField()
    totalPages = serializers.IntegerField(source="total_pages")


class PageQuery(serializers.Serializer[Any]):
    """Which page is asked for, and of which status."""

    page = serializers.IntegerField(min_value=1, max_value=1_000_000, default=1)
    pageSize = serializers.IntegerField(source="page_size", min_value=1, max_value=100, default=25)
    status = StatusField(required=False)


class ProjectsView(APIView):
    """The projects of a workspace."""

    @extend_schema(
        operation_id="list_projects",
        tags=["projects"],
        summary="Projects of the workspace, newest first",
        parameters=[WORKSPACE_HEADER, PageQuery],
        responses={200: ProjectPage, **FAILURES},
    )
    def get(self, request: Request) -> Response:
        workspace = workspace_of(request, roles.PROJECTS_READ)
        page = services.listed(workspace.pk, **valid(PageQuery(data=request.query_params)))
        return Response(ProjectPage(page).data)

    @extend_schema(
        operation_id="create_project",
        tags=["projects"],
        summary="Create a project",
        description="Needs room under `projects.max`, unless the project is created archived.",
        parameters=[WORKSPACE_HEADER, KEY_HEADER],
        request=NewProjectBody,
        responses={201: ProjectAnswer, **WRITE_FAILURES},
    )
    def post(self, request: Request) -> Response:
        workspace = workspace_of(request, roles.PROJECTS_WRITE)
        command = limits.command_of(request)
        new = services.NewProject(**valid(NewProjectBody(data=request.data)))
        return answer(services.create(workspace.pk, new, now=now(), command=command, present=present))


class ProjectView(APIView):
    """One project."""

    @extend_schema(
        operation_id="read_project",
        tags=["projects"],
        summary="One project",
        parameters=[WORKSPACE_HEADER],
        responses={200: ProjectAnswer, **FAILURES},
    )
    def get(self, request: Request, project_id: int) -> Response:
        workspace = workspace_of(request, roles.PROJECTS_READ)
        return Response(present(Project.objects.in_workspace(workspace.pk).one(project_id)))

    @extend_schema(
        operation_id="change_project",
        tags=["projects"],
        summary="Change what is named",
        description="Bringing a project back from the archive needs room; archiving it never does.",
        parameters=[WORKSPACE_HEADER, KEY_HEADER],
        request=ProjectChanges,
        responses={200: ProjectAnswer, **WRITE_FAILURES},
    )
    def patch(self, request: Request, project_id: int) -> Response:
        return self._change(request, project_id, ProjectChanges)

    @extend_schema(
        operation_id="replace_project",
        tags=["projects"],
        summary="Replace a project",
        description="Fields that are left out are emptied, except the status, which stays.",
        parameters=[WORKSPACE_HEADER, KEY_HEADER],
        request=ProjectReplacement,
        responses={200: ProjectAnswer, **WRITE_FAILURES},
    )
    def put(self, request: Request, project_id: int) -> Response:
        return self._change(request, project_id, ProjectReplacement)

    def _change(self, request: Request, project_id: int, body: type[serializers.Serializer[Any]]) -> Response:
        workspace = workspace_of(request, roles.PROJECTS_WRITE)
        command = limits.command_of(request)
        changes = cast(services.Changes, valid(body(data=request.data)))
        return answer(services.change(workspace.pk, project_id, changes, now=now(), command=command, present=present))

    @extend_schema(
        operation_id="delete_project",
        tags=["projects"],
        summary="Delete a project for good",
        parameters=[WORKSPACE_HEADER, KEY_HEADER],
        responses={204: None, **WRITE_FAILURES},
    )
    def delete(self, request: Request, project_id: int) -> Response:
        workspace = workspace_of(request, roles.PROJECTS_WRITE)
        command = limits.command_of(request)
        return answer(services.delete(workspace.pk, project_id, now=now(), command=command))


def workspace_of(request: Request, permission: str) -> Workspace:
    """
    The workspace of the ``x-workspace-slug`` header, in which the caller has ``permission``.

    :raises Invalid: without the header.
    :raises NotFound: for a workspace the caller may not know of.
    :raises Denied: when their role does not allow it. :raises Failure: when the gate of the workspace is shut.
    """
    slug = request.headers.get("x-workspace-slug", "")
    if not slug:
        sentence = "Send the slug of the workspace in this header."
        raise Invalid(f"x-workspace-slug: {sentence}", field_errors={"x-workspace-slug": [sentence]})
    return access.enter(request.user, slug, permission, now=now())


def valid(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    """What was sent, checked. :raises ValidationError: with every field that breaks a rule."""
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def present(project: Project) -> dict[str, Any]:
    """A project as it is answered, and stored under the request's key."""
    return dict(ProjectAnswer(project).data)


def answer(execution: limits.Execution[Any]) -> Response:
    """What was done, or what the first request under the same key was told."""
    response = Response(execution.answer, status=execution.status_code)
    limits.mark_replay(response, replayed=execution.replayed)
    return response

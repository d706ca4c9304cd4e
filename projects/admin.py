"""Projects in the console: the same services as the API, so that the same limits hold."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin

from mozaiks.kit.clock import now
from mozaiks.kit.errors import Failure
from projects import services
from projects.models import Project, Status

if TYPE_CHECKING:
    ProjectAdminBase = admin.ModelAdmin[Project]
    ProjectFormBase = forms.ModelForm[Project]
else:
    ProjectAdminBase = ModelAdmin
    ProjectFormBase = forms.ModelForm


class ProjectForm(ProjectFormBase):
    """
    The fields of a project, and what the limits said to them.

    A refusal is known only after the write was tried. The form is then shown once more with it, everything typed kept.
    """

    refusal: Failure | None = None

    class Meta:
        model = Project
        fields = ("workspace", "name", "status", "owner", "notes")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refusal is not None:
            self.add_error(None, self.refusal.message)
        return cleaned


@admin.register(Project)
class ProjectAdmin(ProjectAdminBase):
    """Saves, deletes and bulk deletes by the services; a project stays in its workspace."""

    form = ProjectForm
    list_display = ("name", "workspace", "status", "owner", "updated_at")
    list_select_related = ("workspace",)
    list_filter = ("status",)
    search_fields = ("name", "owner", "workspace__slug")
    raw_id_fields = ("workspace",)
    readonly_fields = ("created_at", "updated_at")
    ordering = ("-id",)
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> tuple[str, ...]:
        return ("created_at", "updated_at") if obj is None else ("workspace", "created_at", "updated_at")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.refusal = getattr(request, "project_refusal", None)  # type: ignore[attr-defined]
        return form

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Save; when the limits refuse, everything is rolled back and the form says why."""
        view: Callable[..., HttpResponse] = super().changeform_view
        try:
            return view(request, *args, **kwargs)
        except Failure as refusal:
            request.project_refusal = refusal  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        fields: dict[str, Any] = {name: getattr(obj, name) for name in ("name", "owner", "notes")}
        fields["status"] = Status(obj.status)
        if change:
            services.change(obj.workspace_id, obj.pk, cast(services.Changes, fields), now=now())
            return
        created = services.create(obj.workspace_id, services.NewProject(**fields), now=now()).result
        if created is not None:
            obj.pk, obj.created_at, obj.updated_at = created.pk, created.created_at, created.updated_at

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        services.delete(obj.workspace_id, obj.pk, now=now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        """One transaction for each workspace: none of them touches two."""
        chosen = queryset.order_by("workspace_id", "pk").values_list("workspace_id", "pk")
        for workspace_id, pairs in groupby(chosen, key=lambda pair: pair[0]):
            services.delete_all(workspace_id, [pk for _, pk in pairs], now=now())

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return self._told(request, super().delete_view, request, object_id, extra_context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return self._told(request, super().changelist_view, request, extra_context)

    def _told(self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any) -> HttpResponse:
        """Show ``view``; what refuses inside it becomes a message instead of an error page."""
        try:
            return view(*args)
        except Failure as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

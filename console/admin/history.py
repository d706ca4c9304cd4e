"""The history of a plan, product or definition: every revision with who, when and why; and the way back to an earlier one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.catalog import exchange, revisions
from billing.catalog.exchange import Change, Difference
from billing.catalog.problems import CatalogInvalid
from billing.catalog.revisions import Author
from billing.models import CatalogRevision
from billing.models.revisions import RevisionAction
from console.admin.base import Lookup
from console.admin.json_text import written
from mozaiks.kit import clock

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = object

#: How many revisions the page shows; all of them are in the table of revisions.
LATEST = 100


class RestoreForm(forms.Form):
    """Going back is a change like any other: it has a reason."""

    reason = forms.CharField(max_length=2000, widget=UnfoldAdminTextareaWidget({"rows": 2}), label="Reason")


class HistoryPages(Base):
    """Adds the pages of history to the admin of something that is published."""

    def get_urls(self) -> list[Any]:
        name = f"billing_{self.opts.model_name}_revision"
        view = self.admin_site.admin_view(self.revision_view)
        return [path("<path:object_id>/history/<int:number>/", view, name=name), *super().get_urls()]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        row = self._row(request, object_id)
        kept = CatalogRevision.objects.of(revisions.kind_of(row), row.code).order_by("-number")[: LATEST + 1]
        return self._page(request, row, "console/history.html", {"lines": _lines(list(kept)), "latest": LATEST})

    def revision_view(self, request: HttpRequest, object_id: str, number: int) -> HttpResponse:
        """What going back to a revision would change; and, with a reason, going back."""
        row = self._row(request, object_id)
        revision = CatalogRevision.objects.of(revisions.kind_of(row), row.code).filter(number=number).first()
        if revision is None:
            raise Http404
        may_restore = self.has_change_permission(request, row)
        if request.method == "POST" and not may_restore:
            raise PermissionDenied
        form = RestoreForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid() and self._restored(request, row, revision, form):
            return HttpResponseRedirect(reverse(f"admin:billing_{self.opts.model_name}_history", args=[row.pk]))
        changes, refused = _what_would_change(revision)
        context = {
            "revision": revision,
            "changes": changes,
            "refused": refused,
            "content": written(revision.content),
            "form": form if may_restore and changes and not refused else None,
        }
        return self._page(request, row, "console/revision.html", context)

    def _restored(self, request: HttpRequest, row: Any, revision: CatalogRevision, form: forms.Form) -> bool:
        by = Author(actor=request.user.get_username(), reason=form.cleaned_data["reason"])
        try:
            changed = exchange.apply(_document(revision), now=clock.now(), by=by)
        except CatalogInvalid as invalid:
            form.add_error(None, invalid.message)
            return False
        self.log_change(request, row, f"Went back to revision {revision.number}: {by.reason}")
        said = f"{row} says again what it said in revision {revision.number}."
        messages.success(request, said if changed else f"{row} says that already.")
        return True

    def _row(self, request: HttpRequest, object_id: str) -> Any:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        return row

    def _page(self, request: HttpRequest, row: Any, template: str, context: dict[str, Any]) -> HttpResponse:
        base = f"admin:billing_{self.opts.model_name}"
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "title": "History",
                "subtitle": str(row),
                "opts": self.opts,
                "row": row,
                "back": reverse(f"{base}_change", args=[row.pk]),
                "history": reverse(f"{base}_history", args=[row.pk]),
                **context,
            },
        )


def _what_would_change(revision: CatalogRevision) -> tuple[list[Change], str]:
    try:
        return exchange.plan(_document(revision), now=clock.now()), ""
    except CatalogInvalid as invalid:
        return [], str(invalid)


def _document(revision: CatalogRevision) -> dict[str, Any]:
    """The revision as a document of one row."""
    return {"format": exchange.FORMAT, f"{revision.kind}s": [revision.content]}


def _lines(kept: list[CatalogRevision]) -> list[dict[str, Any]]:
    """Each revision with what it changed; of the first one nothing is told, since nothing was before."""
    before = [*kept[1:], None][: len(kept)]
    lines = [
        {
            "revision": revision,
            "differences": _differences(previous, revision),
            "is_latest": position == 0,
        }
        for position, (revision, previous) in enumerate(zip(kept, before, strict=True))
    ]
    return lines[:LATEST]


def _differences(previous: CatalogRevision | None, revision: CatalogRevision) -> Iterable[Difference]:
    if previous is None or revision.action == RevisionAction.DELETED:
        return ()
    return exchange.differences(previous.content, revision.content)


@admin.register(CatalogRevision)
class CatalogRevisionAdmin(Lookup):
    """Every revision of everything in the catalog; also of what is gone."""

    list_display = ("id", "kind", "code", "number", "action", "by", "reason", "created_at")
    list_filter = ("kind", "action")
    search_help_text = "A whole code, or a name of a user"
    fields = ("kind", "code", "number", "action", "by", "reason", "created_at", "said")
    readonly_fields = ("by", "said")

    def matching(self, word: str) -> Q:
        return Q(code=word) | Q(actor=word)

    @admin.display(description="By")
    def by(self, revision: CatalogRevision) -> str:
        return revision.actor or "a program"

    @admin.display(description="What it said")
    def said(self, revision: CatalogRevision) -> str:
        return format_html('<pre class="console-pre">{}</pre>', written(revision.content))

"""A button that hands a ledger out as CSV, with the filters and the search it is looked at with."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from billing.models import Definition
from console.admin.base import Ledger
from console.export import Reader, cell, csv_response
from mozaiks.kit import clock

#: What belongs to the page that is looked at, and not to the rows.
OF_THE_PAGE = ("p", "all", "o")


class Exported(Ledger):
    """
    A table that is handed out as CSV to those who may look at it.

    ``csv_columns`` are its fields. A definition is written as its code.
    """

    csv_columns: ClassVar[tuple[str, ...]]
    change_list_template = "console/ledger.html"
    list_filter_submit = True

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export)
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", view, name=name), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        asked = request.GET.copy()
        for name in OF_THE_PAGE:
            asked.pop(name, None)
        address = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_export")
        context = {"export_address": f"{address}?{asked.urlencode()}" if asked else address, **(extra_context or {})}
        return super().changelist_view(request, context)

    def export(self, request: HttpRequest) -> HttpResponse:
        """The rows that the list would show on all its pages."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            back = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            return HttpResponseRedirect(f"{back}?e=1")
        filename = f"{self.opts.model_name}s-{clock.now():%Y%m%dT%H%M%SZ}.csv"
        return csv_response(request, rows, self.csv_columns, filename=filename, readers=_readers())  # type: ignore[return-value]


def _readers() -> dict[str, Reader]:
    """Definitions are few: their codes are read once, and nothing is joined to a long ledger."""
    codes = dict(Definition.objects.values_list("pk", "code"))
    return {"definition": lambda key: cell(codes.get(key, key))}

"""Filtering a table by days: from the beginning of one to the end of another, in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.widgets import INPUT_CLASSES


class DaysForm(forms.Form):
    """Two days, as the browser's own calendar gives them."""

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for end, words in (("from", "From, the day included (UTC)"), ("to", "To, the day included (UTC)")):
            attributes = {"type": "date", "class": " ".join(INPUT_CLASSES)}
            self.fields[f"{name}_{end}"] = forms.DateField(
                label=words, required=False, widget=forms.DateInput(attrs=attributes)
            )


class Days(RangeDateFilter):  # type: ignore[misc]
    """Rows of some days; both are included."""

    form_class = DaysForm
    template = "console/days.html"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since, until = self._day("from"), self._day("to")
        if since is not None:
            queryset = queryset.filter(**{f"{self.field_path}__gte": _midnight(since)})
        if until is not None:
            queryset = queryset.filter(**{f"{self.field_path}__lt": _midnight(until) + timedelta(days=1)})
        return queryset

    def _day(self, end: str) -> date | None:
        said = self.used_parameters.get(f"{self.field_path}_{end}")
        if not said:
            return None
        try:
            day = date.fromisoformat(said)
        except ValueError as error:
            raise IncorrectLookupParameters(f"{said} is no day: write it as 2026-02-21") from error
        if day.year in (date.min.year, date.max.year):
            raise IncorrectLookupParameters(f"{said} is too far away")
        return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)

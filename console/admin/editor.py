"""
The editor of what a plan or product grants: a text area that a JSON editor takes the place of where scripts run, a gallery of
entries to begin with, and a table of the templates that the text becomes.

The table is computed here, by the catalog's own rules, when the page is shown and again while somebody types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django import forms
from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.catalog.authoring import parse_plan_entries, parse_product_entries
from billing.catalog.definitions import known_definitions
from billing.catalog.entries import DefinitionInfo, PlanEntry, ProductEntry
from billing.catalog.gallery import plan_example, product_example
from billing.catalog.problems import CatalogInvalid
from billing.catalog.schema import plan_entries_schema, product_entries_schema
from billing.catalog.templates import plan_entries, product_entries
from billing.engine.types import EntitlementType
from billing.models import Definition, Plan, Product
from billing.models.catalog import DurationPolicy, EffectivePolicy, PlanGrantKind, ProductGrantKind
from console.admin.base import units
from console.admin.json_text import read_json, written

Kind = Literal["plan", "product"]
Entry = PlanEntry | ProductEntry

#: The editor itself comes with its package; nothing is asked of another host.
LIBRARY = "django_svelte_jsoneditor/js/svelte_jsoneditor.js"

GRANTS = {
    PlanGrantKind.PLAN_BASE: "base",
    PlanGrantKind.PLAN_BONUS: "bonus, used first",
    ProductGrantKind.ONE_OFF_TOPUP: "top-up, once",
    ProductGrantKind.TIMEBOXED_ADDON: "add-on for a time",
}
BEGINS = {
    EffectivePolicy.ON_ASSIGNMENT_CURRENT: "when the plan begins",
    EffectivePolicy.ON_PERIOD_PAID: "when the period is paid",
}
LASTS = {
    DurationPolicy.WHILE_CURRENT: "while the plan is current",
    DurationPolicy.PERIOD_WINDOW: "until the period ends",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One template in words, and what saving would do to it: new, changed (and from what), removed, or nothing."""

    code: str
    name: str
    amount: str
    unit: str
    grants: str
    begins: str
    lasts: str
    change: str
    was: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a text becomes: lines, or what is wrong with it by path."""

    lines: Sequence[Line] = ()
    errors: Sequence[tuple[str, str]] = ()
    empty: bool = False

    def as_html(self) -> str:
        return render_to_string("console/entitlements_preview.html", {"preview": self})


class EntitlementsEditor(UnfoldAdminTextareaWidget):  # type: ignore[misc]
    """The text area with everything around it. ``kind`` and ``row`` say whose entitlements they are."""

    template_name = "console/entitlements_editor.html"
    kind: Kind = "plan"
    row: Plan | Product | None = None

    class Media:
        js = (forms.Script("console/editor.js", type="module"),)
        css = {"all": ("console/editor.css",)}

    def __init__(self) -> None:
        super().__init__(attrs={"rows": 16, "spellcheck": "false", "autocomplete": "off", "class": "console-json"})

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        definitions = list(Definition.objects.active().order_by("code"))
        schema = plan_entries_schema if self.kind == "plan" else product_entries_schema
        context["editor"] = {
            "gallery": gallery(self.kind, definitions),
            "preview": preview(self.kind, value or "", self.row),
            "config": {
                "library": static(LIBRARY),
                "previewUrl": reverse(f"admin:billing_{self.kind}_entitlements"),
                "row": None if self.row is None else self.row.pk,
                "schema": {
                    key: said for key, said in schema([row.code for row in definitions]).items() if key[0] != "$"
                },
            },
        }
        return context


def gallery(kind: Kind, definitions: Iterable[Definition]) -> list[dict[str, str]]:
    """A valid entry for each of ``definitions``, as text to insert or to copy."""
    example = plan_example if kind == "plan" else product_example
    return [
        {
            "code": row.code,
            "name": row.name,
            "type": row.get_entitlement_type_display(),
            "entry": written(example(row.code, EntitlementType(row.entitlement_type))),
        }
        for row in definitions
    ]


def answer(kind: Kind, request: HttpRequest) -> JsonResponse:
    """The table for what somebody is typing, and its errors for the editor to mark."""
    table: type[Plan] | type[Product] = Plan if kind == "plan" else Product
    key = request.POST.get("row", "")
    row = table._default_manager.filter(pk=int(key)).first() if key.isdecimal() and len(key) < 19 else None
    found = preview(kind, request.POST.get("text", ""), row)
    return JsonResponse(
        {"html": found.as_html(), "errors": [{"path": at, "message": said} for at, said in found.errors]}
    )


def preview(kind: Kind, text: str, row: Plan | Product | None) -> Preview:
    """What ``text`` would become for ``row`` (None: a new one). Nothing is written."""
    if not text.strip():
        return Preview(empty=True)
    known = known_definitions()
    parse = parse_plan_entries if kind == "plan" else parse_product_entries
    try:
        entries: Sequence[Entry] = parse(read_json(text), known)
    except forms.ValidationError as refused:
        return Preview(errors=[("", sentence) for sentence in refused.messages])
    except CatalogInvalid as refused:
        return Preview(errors=[(error.path, error.message) for error in refused.errors])
    return Preview(lines=_lines(entries, _stored(row), known))


def _stored(row: Plan | Product | None) -> Sequence[Entry]:
    if row is None or row.pk is None:
        return ()
    return plan_entries(row) if isinstance(row, Plan) else product_entries(row)


def _lines(entries: Sequence[Entry], stored: Sequence[Entry], known: Mapping[str, DefinitionInfo]) -> list[Line]:
    rows = Definition.objects.in_bulk({entry.definition_id for entry in (*entries, *stored)})
    before = {(entry.code, entry.grant_kind): entry for entry in stored}
    lines = []
    for entry in sorted(entries, key=lambda entry: (entry.code, entry.grant_kind)):
        old = before.pop((entry.code, entry.grant_kind), None)
        change = "new" if old is None else "unchanged" if old == entry else "changed"
        lines.append(_line(entry, rows[entry.definition_id], change=change, old=old))
    lines += [_line(entry, rows[entry.definition_id], change="removed", old=None) for entry in before.values()]
    return lines


def _line(entry: Entry, definition: Definition, *, change: str, old: Entry | None) -> Line:
    was = _amount(old.amount, definition) if old is not None and old.amount != entry.amount else ""
    return Line(
        code=entry.code,
        name=definition.name,
        amount=_amount(entry.amount, definition),
        unit="" if entry.amount is None or _is_state(definition) else definition.unit,
        grants=GRANTS[entry.grant_kind],
        begins=BEGINS[entry.effective_policy] if isinstance(entry, PlanEntry) else "when it is bought",
        lasts=_lasts(entry),
        change=change,
        was=was,
    )


def _amount(amount: int | None, definition: Definition) -> str:
    if _is_state(definition):
        return "granted"
    per = f" per {definition.window_interval}" if definition.window_interval else ""
    return units(amount) + ("" if amount is None else per)


def _is_state(definition: Definition) -> bool:
    return EntitlementType(definition.entitlement_type) is EntitlementType.STATE


def _lasts(entry: Entry) -> str:
    if entry.duration_days is not None:
        return f"{entry.duration_days} days"
    return LASTS[entry.duration_policy] if isinstance(entry, PlanEntry) else "until it is used up"

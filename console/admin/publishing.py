"""
Forms for what the catalog publishes: the rules are the catalog's, the form only carries text there and errors back.

Checking a form rehearses the publication in a savepoint that is rolled back, so that every broken rule stands in the form,
with everything that was typed, before anything is written. Saving publishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.db import models, transaction
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.catalog.definitions import publish_definition
from billing.catalog.publishing import OMITTED, Only, publish_plan, publish_product
from billing.catalog.revisions import REASON, Author
from billing.catalog.templates import plan_entries, product_entries
from billing.models import Definition, Plan, Product
from console.admin.base import Told
from console.admin.editor import EntitlementsEditor, Kind
from console.admin.history import HistoryPages
from console.admin.json_text import read_json, written
from console.admin.wording import DEFINITION_HELP, PLAN_HELP, PLAN_LABELS, PRODUCT_HELP, PRODUCT_LABELS
from mozaiks.kit import clock
from mozaiks.kit.errors import Failure

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm

ENTITLEMENTS = "entitlements"
SEEN = "seen_updated_at"


class JsonText(UnfoldAdminTextareaWidget):  # type: ignore[misc]
    """A text area for JSON: letters of one width, no spelling, and room."""

    def __init__(self, rows: int = 3) -> None:
        style = "font-family: ui-monospace, monospace"
        super().__init__(attrs={"rows": rows, "spellcheck": "false", "autocomplete": "off", "style": style})


class PublishedForm(ModelForm):
    """A row that only the catalog may write. ``publish`` is what a subclass adds."""

    actor: ClassVar[str] = ""

    seen_updated_at = forms.CharField(required=False, widget=forms.HiddenInput)
    reason = forms.CharField(
        required=False,
        max_length=2000,
        label="Reason for this change",
        widget=UnfoldAdminTextareaWidget({"rows": 2}),
        help_text="Kept in the history with your name. Required where something that was there changes.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[SEEN].initial = self._updated_at()
        for field in self.fields.values():
            if isinstance(field, forms.JSONField):
                field.widget = JsonText()
        if "description" in self.fields:
            self.fields["description"].widget.attrs["rows"] = 3

    def publish(self) -> models.Model:
        """Write what the form says, in the caller's transaction. :raises Failure: naming the fields and the rules."""
        raise NotImplementedError

    def given(self) -> dict[str, Any]:
        """The fields of the row, as the catalog takes them. The code of a row that exists never changes."""
        said = {name: self.cleaned_data[name] for name in self._columns() if name in self.cleaned_data}
        for name, value in said.items():
            if value is None and isinstance(self.fields[name], forms.JSONField):
                said[name] = self._meta.model._meta.get_field(name).get_default()
        return said if self.instance.pk is None else {**said, "code": self.instance.code}

    def author(self) -> Author:
        """Who saves this, and why."""
        return Author(actor=self.actor, reason=self.cleaned_data.get(REASON, ""))

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        seen = self.cleaned_data.get(SEEN)
        if seen and seen != self._updated_at():
            self.add_error(None, "Somebody changed this meanwhile. Open it again, and take over what you typed.")
        self._rehearse()
        return cleaned

    def validate_unique(self) -> None:
        """The catalog says it, and more clearly."""

    def validate_constraints(self) -> None:
        """The catalog says it; a new default plan takes the place of the old one, which a constraint cannot know."""

    def _rehearse(self) -> None:
        try:
            with transaction.atomic():
                self.publish()
                transaction.set_rollback(True)
        except Failure as refused:
            self._tell(refused)

    def _tell(self, refused: Failure) -> None:
        """Errors under their fields; those of an entry with its path. A field that has errors already keeps only those."""
        broken = set(self.errors)
        for path, sentences in (refused.field_errors or {"": [refused.message]}).items():
            name = path.split(".")[0].split("[")[0]
            field = name if name in self.fields else None
            if field in broken:
                continue
            prefix = "" if path == field or not path else f"{path}: "
            for sentence in sentences:
                self.add_error(field, f"{prefix}{sentence}")

    def _columns(self) -> list[str]:
        return [field.name for field in self._meta.model._meta.fields if field.name in self.fields]

    def _updated_at(self) -> str:
        return "" if self.instance.pk is None else self.instance.updated_at.isoformat()


class GrantingForm(PublishedForm):
    """A plan or product with what it grants, as JSON."""

    kind: ClassVar[Kind]

    entitlements = forms.CharField(required=False, strip=False, widget=EntitlementsEditor)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.written = written(self.entries()) if self.says_what_it_grants() else ""
        self.fields[ENTITLEMENTS].initial = self.written
        editor = self.fields[ENTITLEMENTS].widget
        editor.kind, editor.row = self.kind, self.instance if self.instance.pk else None

    def entries(self) -> list[dict[str, Any]]:
        """What the row grants now, as an author would write it."""
        raise NotImplementedError

    def says_what_it_grants(self) -> bool:
        """Whether it ever said: an empty list is an answer, no answer is none."""
        return self.instance.pk is not None

    def clean_entitlements(self) -> Any:
        """The JSON as read; ``OMITTED`` where nothing was typed or changed."""
        text = self.cleaned_data[ENTITLEMENTS].replace("\r\n", "\n").strip()
        if text == self.written:
            return OMITTED
        if not text:
            raise forms.ValidationError("Write [] where it shall grant nothing any more.")
        return read_json(text)

    @property
    def only(self) -> Only:
        """A new row never changes one that has its code already."""
        return "create" if self.instance.pk is None else "update"

    def granted(self) -> Any:
        return self.cleaned_data.get(ENTITLEMENTS, OMITTED)


class PlanForm(GrantingForm):
    """A plan, published by the catalog."""

    kind = "plan"

    class Meta:
        model = Plan
        exclude = ("grants_nothing", "created_at", "updated_at")
        labels = PLAN_LABELS
        help_texts = PLAN_HELP

    def says_what_it_grants(self) -> bool:
        return self.instance.pk is not None and (self.instance.grants_nothing or bool(self.entries()))

    def entries(self) -> list[dict[str, Any]]:
        return [entry.as_json() for entry in plan_entries(self.instance)]

    def publish(self) -> Plan:
        return publish_plan(self.given(), self.granted(), now=clock.now(), only=self.only, by=self.author())


class ProductForm(GrantingForm):
    """A product, published by the catalog."""

    kind = "product"

    class Meta:
        model = Product
        exclude = ("created_at", "updated_at")
        labels = PRODUCT_LABELS
        help_texts = PRODUCT_HELP

    def entries(self) -> list[dict[str, Any]]:
        return [entry.as_json() for entry in product_entries(self.instance)]

    def publish(self) -> Product:
        return publish_product(self.given(), self.granted(), now=clock.now(), only=self.only, by=self.author())


class DefinitionForm(PublishedForm):
    """An entitlement definition, published by the catalog."""

    class Meta:
        model = Definition
        exclude = ("created_at", "updated_at")
        labels = {"metadata_json": "Metadata"}
        help_texts = DEFINITION_HELP

    def clean_code(self) -> str:
        """Publishing a code that exists would change that definition: here it is a mistake."""
        code: str = self.cleaned_data["code"]
        if self.instance.pk is None and Definition.objects.filter(code=code).exists():
            raise forms.ValidationError("is taken")
        return code

    def publish(self) -> Definition:
        return publish_definition(self.given(), now=clock.now(), by=self.author())


class PublishedAdmin(HistoryPages, Told):
    """A row that is published and never deleted: it is deactivated, so that what was granted by it keeps its source."""

    readonly_fields: ClassVar[tuple[str, ...]] = ("created_at", "updated_at")
    show_full_result_count = False
    ordering = ("code",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if obj is None else ("code", *self.readonly_fields)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.actor = request.user.get_username()
        return form

    def may_write(self, request: HttpRequest, obj: Any) -> bool:
        """Whether the page is a form for this user, rather than something to look at."""
        return self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        published = form.publish()
        obj.pk = published.pk
        obj.refresh_from_db()

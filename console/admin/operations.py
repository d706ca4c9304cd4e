"""
What is done by hand to a row: one page each, which asks why, shows what would change, does it once, and says what came of it.

The pages open no transaction: what they call owns it. Each is reached by a button on the page of the row it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.generic import FormView
from unfold.widgets import UnfoldAdminTextareaWidget

from billing.entitlements.manual import ByHand
from billing.errors import IdempotencyConflict
from billing.models import BillableEntity
from console.admin.base import customer_name
from console.preview import Preview, preview
from mozaiks.kit import clock
from mozaiks.kit.errors import Failure

if TYPE_CHECKING:
    FormPage = FormView[forms.Form]
else:
    FormPage = FormView

#: The buttons of the second page: do it, or go back to the form with what was typed.
CONFIRMED = "_confirmed"
EDIT = "_edit"
CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def new_key() -> str:
    """The key of one showing of a form: a second click is the same operation."""
    return f"console-{uuid4()}"


class Reasoned(forms.Form):
    """Whatever is done by hand is done for a reason, which the customer's timeline keeps, and once per showing of the form."""

    reason = forms.CharField(
        max_length=2000,
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        help_text="Why. Kept in the customer's timeline, with your name.",
    )
    operation_key = forms.CharField(max_length=191, initial=new_key, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "operation_key" in self.errors:
            self.add_error(None, "This page has lost its key: open it again.")
        return cleaned


class OperationPage(FormPage):
    """One operation on one row. ``act`` does it and says, in a sentence, what came of it."""

    template_name = "console/operation.html"
    title: ClassVar[str]
    submit: ClassVar[str] = ""
    model_admin: Any = None
    row: Any

    def act(self, said: dict[str, Any]) -> str:
        """:raises Failure: it cannot be done; the form says why and keeps what was typed."""
        raise NotImplementedError

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.row = self.model_admin.get_object(request, kwargs["object_id"])

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.row is None:
            raise Http404
        if not self.model_admin.has_view_permission(request, self.row):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]

    def form_valid(self, form: forms.Form) -> HttpResponse:
        try:
            done = self.act(form.cleaned_data)
        except IdempotencyConflict:
            return self._used_before(form)
        except Failure as refused:
            tell(form, refused)
            return self.form_invalid(form)
        self.model_admin.log_change(self.request, self.row, f"{self.title}: {done}")
        messages.success(self.request, done)
        return HttpResponseRedirect(self._address())

    def _used_before(self, form: forms.Form) -> HttpResponse:
        form.add_error(None, "This form was used before for something else. Open it again, and look at what was done.")
        return self.form_invalid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **self.model_admin.admin_site.each_context(self.request),
            title=self.title,
            subtitle=self.called(),
            opts=self.model_admin.opts,
            back=self._address(),
            submit=self.submit or self.title,
            **kwargs,
        )

    def called(self) -> str:
        """What the page calls the row it is about."""
        return customer_name(self.row) if isinstance(self.row, BillableEntity) else str(self.row)

    @property
    def actor(self) -> str:
        return self.request.user.get_username()

    def by(self, said: dict[str, Any]) -> ByHand:
        """Who does it, and why."""
        return ByHand(actor=self.actor, reason=said["reason"])

    def _address(self) -> str:
        options = self.model_admin.opts
        return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[self.row.pk])


class DeedPage(OperationPage):
    """
    A deed on a customer's limits: asked for in a form, shown as before and after, confirmed, and done once.

    What is shown comes from doing it and rolling it back. ``do`` is that change, and ``done`` says what came of it.
    """

    permission: ClassVar[str]
    preview_template: ClassVar[str] = "console/confirm.html"
    back_to: ClassVar[str] = "the customer"
    submit: ClassVar[str] = "Show what it would change"
    confirmed: ClassVar[bool] = True

    def do(self, said: dict[str, Any], *, now: datetime) -> Any:
        """:raises Failure: it cannot be done."""
        raise NotImplementedError

    def done(self, answer: Any) -> str:
        """What came of it, in a sentence."""
        raise NotImplementedError

    def announced(self, said: dict[str, Any], answer: Any) -> str:
        """What would be done, in a sentence, before it is confirmed."""
        raise NotImplementedError

    def compared_at(self, said: dict[str, Any]) -> Callable[[Any], datetime] | None:
        """As of when the limits are compared, from the answer; None is now."""
        return None

    @property
    def entity(self) -> BillableEntity:
        """Whose limits it is about."""
        return self.row if isinstance(self.row, BillableEntity) else self.row.subject

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.has_perm(self.permission):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def act(self, said: dict[str, Any]) -> str:
        return self.done(self.do(said, now=clock.now()))

    def form_valid(self, form: forms.Form) -> HttpResponse:
        if EDIT in self.request.POST:
            return self.render_to_response(self.get_context_data(form=form))
        if self.confirmed and CONFIRMED in self.request.POST:
            return super().form_valid(form)
        try:
            shown = self._preview(form.cleaned_data)
        except IdempotencyConflict:
            return self._used_before(form)
        except Failure as refused:
            tell(form, refused)
            return self.form_invalid(form)
        context = self.get_context_data(
            form=form,
            preview=shown,
            announced=self.announced(form.cleaned_data, shown.result),
            confirmed=self.confirmed,
            back_to=self.back_to,
        )
        return TemplateResponse(self.request, self.preview_template, context)

    def _preview(self, said: dict[str, Any]) -> Preview[Any]:
        now = clock.now()
        return preview(self.entity, lambda: self.do(said, now=now), now=now, at=self.compared_at(said))

    def _address(self) -> str:
        """Back to the customer, where what was done is to be seen; for those who may not look there, to the row."""
        if self.request.user.has_perm("billing.view_billableentity"):
            return reverse("admin:billing_billableentity_change", args=[self.entity.pk])
        return super()._address()


def tell(form: forms.Form, refused: Failure) -> None:
    """Put a refusal into the form: under the fields it names, else above them."""
    for path, sentences in (refused.field_errors or {"": [refused.message]}).items():
        name = CAPITAL.sub("_", path).lower().removesuffix("_minor")  # of money people write whole units
        for sentence in sentences:
            if name in form.fields and not form.fields[name].widget.is_hidden:
                form.add_error(name, sentence)
            else:
                form.add_error(None, f"{path}: {sentence}" if path else sentence)


def page(operation: type[OperationPage], model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Show ``operation`` on a row, or do it."""
    return operation.as_view(model_admin=model_admin)(request, object_id=object_id)  # type: ignore[return-value]


def buttons(model_admin: Any, request: HttpRequest, object_id: str, *, without: Collection[str] = ()) -> list[Any]:
    """The operations a user may do on a row, as the theme makes them of ``actions_detail``."""
    allowed = model_admin.get_actions_detail(request, object_id)
    found = model_admin._get_actions_navigation(model_admin.actions_detail, allowed, object_id)
    return [each for each in found if each["title"] not in without]

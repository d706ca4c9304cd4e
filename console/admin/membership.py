"""Who belongs to a workspace, changed on its page by the rules of ``mozaiks.workspaces.members``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms.models import BaseInlineFormSet

from console.admin.base import TabularInline
from mozaiks.kit import clock
from mozaiks.kit.errors import Failure
from mozaiks.workspaces import members
from mozaiks.workspaces.models import Membership
from mozaiks.workspaces.roles import Role

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Membership]
    FormSet = BaseInlineFormSet[Any, Any, Any]
else:
    ModelForm = forms.ModelForm
    FormSet = BaseInlineFormSet


class MembershipForm(ModelForm):
    """A member and their role. Who it is cannot change: another member is another row."""

    class Meta:
        model = Membership
        fields = ("user", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None and "user" in self.fields:
            self.fields["user"].disabled = True


class MembershipFormSet(FormSet):
    """All changes of one save, rehearsed while they are checked: a workspace keeps an owner."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        try:
            with transaction.atomic():
                self.apply(now=clock.now())
                transaction.set_rollback(True)
        except Failure as refused:
            raise ValidationError(refused.message) from refused

    def apply(self, *, now: datetime) -> None:
        """New members and new owners first, so that an owner can hand over and leave in one save."""
        for form in self._new():
            said = form.cleaned_data
            members.add_member(self.instance, said["user"], role=Role(said["role"]), now=now)
        for form in sorted(self._changed(), key=lambda form: form.cleaned_data["role"] != Role.OWNER):
            members.change_role(self.instance, form.instance.user, role=Role(form.cleaned_data["role"]))
        for form in self.deleted_forms:
            if form.instance.pk is not None:
                members.remove_member(self.instance, form.instance.user)

    def save(self, commit: bool = True) -> list[Any]:
        """The members are written by :meth:`apply`; Django is told what it has to log."""
        self.new_objects = [form.instance for form in self._new()]
        self.changed_objects = [(form.instance, form.changed_data) for form in self._changed()]
        self.deleted_objects = [form.instance for form in self.deleted_forms if form.instance.pk is not None]
        self.apply(now=clock.now())
        return []

    def _new(self) -> Iterator[Any]:
        return (form for form in self.extra_forms if form.has_changed() and form not in self.deleted_forms)

    def _changed(self) -> Iterator[Any]:
        return (form for form in self.initial_forms if form.has_changed() and form not in self.deleted_forms)


class MembershipInline(TabularInline):
    """The members on the page of their workspace."""

    model = Membership
    form = MembershipForm
    formset = MembershipFormSet
    fields = ("user", "role", "created_at")
    readonly_fields = ("created_at",)
    autocomplete_fields = ("user",)
    ordering = ("pk",)
    extra = 0
    hide_title = True

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).select_related("user")

"""What operators are asked before a deed: which limitation, how much, which plan, and always why."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminBigIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from billing.engine.types import MAX_AMOUNT, GrantKind
from billing.models import Definition, Plan
from console.admin.operations import Reasoned

BY_HAND = (GrantKind.MANUAL_ADJUSTMENT, GrantKind.PROMO, GrantKind.CORRECTION)
NOW, AT_PERIOD_END = "now", "period_end"
WHEN = ((NOW, "now"), (AT_PERIOD_END, "at the end of the current period"))


def _limitations() -> forms.ModelChoiceField[Definition]:
    return forms.ModelChoiceField(
        Definition.objects.active().order_by("code"), widget=UnfoldAdminSelectWidget, empty_label="Select value"
    )


class GrantForm(Reasoned):
    """Units for a customer. Unlimited has to be said: an empty amount is a mistake."""

    field_order = ("limitation", "amount", "unlimited", "kind", "expires_at", "reason")

    limitation = _limitations()
    amount = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_AMOUNT,
        widget=UnfoldAdminBigIntegerFieldWidget,
        help_text="In units of the limitation. A state is granted with 1.",
    )
    unlimited = forms.BooleanField(required=False, widget=UnfoldBooleanWidget)
    kind = forms.ChoiceField(
        choices=[(kind.value, kind.value.replace("_", " ")) for kind in BY_HAND], widget=UnfoldAdminSelectWidget
    )
    expires_at = forms.DateTimeField(
        required=False,
        label="Expires at (UTC)",
        widget=UnfoldAdminTextInputWidget({"type": "datetime-local", "step": "60"}),
        help_text="Empty: never.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "amount" not in self.errors and (cleaned.get("amount") is None) != bool(cleaned.get("unlimited")):
            self.add_error("amount", "Give an amount, or say unlimited; one of the two.")
        return cleaned


class CorrectionForm(Reasoned):
    """Units more or less, once."""

    field_order = ("limitation", "amount", "reason")

    limitation = _limitations()
    amount = forms.IntegerField(
        min_value=-MAX_AMOUNT,
        max_value=MAX_AMOUNT,
        widget=UnfoldAdminTextInputWidget({"inputmode": "text", "placeholder": "50, or -50"}),
        help_text="More than 0 gives units once, for good; less takes units, at most what is left.",
    )


class ReversalForm(Reasoned):
    """A use taken back."""

    field_order = ("amount", "reason")

    amount = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_AMOUNT,
        widget=UnfoldAdminBigIntegerFieldWidget,
        help_text="Empty: all that is left of the use.",
    )


class SimulationForm(forms.Form):
    """Another plan, to see what it would change."""

    plan = forms.ModelChoiceField(
        Plan.objects.active().order_by("code"), widget=UnfoldAdminSelectWidget, empty_label="Select value"
    )
    when = forms.ChoiceField(choices=WHEN, initial=NOW, widget=UnfoldAdminSelectWidget)


class PlanForm(SimulationForm, Reasoned):
    """Another plan for a customer."""

    field_order = ("plan", "when", "reason")

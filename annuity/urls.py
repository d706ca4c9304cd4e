"""Where annuity answers, below ``/api/``."""

from django.urls import path

from annuity.api import CalculatorView, HistoryView

app_name = "annuity"

urlpatterns = [
    path("annuityCalculator", CalculatorView.as_view(), name="calculator"),
    path("workspace/annuity/history", HistoryView.as_view(), name="history"),
]

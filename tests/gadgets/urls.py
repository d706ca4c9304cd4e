"""Where gadgets answer, below ``/api/``."""

from django.urls import path

from tests.gadgets.api import UseView

app_name = "gadgets"

urlpatterns = [path("gadgets/<str:verb>", UseView.as_view(), name="use")]

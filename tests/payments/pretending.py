"""All doors, and the pages of the fake provider beside them, as the demo has them."""

from django.urls import include, path

from mozaiks.urls import handler400, handler404, handler500
from mozaiks.urls import urlpatterns as of_the_house

__all__ = ["handler400", "handler404", "handler500", "urlpatterns"]

urlpatterns = [path("pretend/", include("billing.pages.provider.urls")), *of_the_house]

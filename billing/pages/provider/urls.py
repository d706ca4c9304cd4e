"""Where the fake provider's pages are; ``mozaiks.urls`` mounts them only where it plays."""

from django.urls import path

from billing.pages.provider.clerk import desk
from billing.pages.provider.customer import checkout, link, portal

urlpatterns = [
    path("", desk, name="pretend-desk"),
    path("checkout/<str:session_id>", checkout, name="pretend-checkout"),
    path("link/<str:link_id>", link, name="pretend-link"),
    path("portal/<str:portal_id>", portal, name="pretend-portal"),
]

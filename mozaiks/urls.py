"""All doors: the console, the API, the pages, health and metrics. Guests bring theirs by ``api_urls`` and ``page_urls``."""

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from mozaiks.kit.api import no_such_door
from mozaiks.kit.doors import metrics
from mozaiks.kit.health import health
from mozaiks.workspaces.guessing import guarded
from mozaiks.workspaces.pages import Home, SignIn

handler400 = "mozaiks.kit.api.bad_request"
handler404 = "mozaiks.kit.api.not_found"
handler500 = "mozaiks.kit.api.server_error"

#: Whether pages may say that this is a demo or a developer's desk.
DESK = {"debug": settings.DEBUG}


def guest_urls() -> list[URLPattern | URLResolver]:
    """The urls of every app that names a module of them in ``api_urls``."""
    return [path("api/", include(app.api_urls)) for app in apps.get_app_configs() if hasattr(app, "api_urls")]


def guest_pages() -> list[URLPattern | URLResolver]:
    """The pages of every app that names a module of them in ``page_urls``, in each workspace."""
    found = [app for app in apps.get_app_configs() if hasattr(app, "page_urls")]
    return [path("w/<slug:slug>/", include(app.page_urls)) for app in found]


def pretend_urls() -> list[URLPattern | URLResolver]:
    """The pages of the provider that takes no money, where it plays."""
    return [path("pretend/", include("billing.pages.provider.urls"))] if settings.BILLING_FAKE_PROVIDER else []


urlpatterns: list[URLPattern | URLResolver] = [
    path("", Home.as_view(extra_context=DESK), name="home"),
    path("login/", guarded(SignIn.as_view(extra_context=DESK)), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    *guest_pages(),
    *pretend_urls(),
    path("admin/login/", guarded(admin.site.login)),
    path("admin/", admin.site.urls),
    path("health", health, name="health"),
    path("metrics", metrics, name="metrics"),
    path("api/schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/", include("billing.api.urls")),
    # The same doors under a name that older clients know.
    path("api/v1/", include(("billing.api.urls", "billing"), namespace="billing-v1")),
    *guest_urls(),
    path("api/<path:anything>", no_such_door),
]

"""The pages of people: signing in, the start, and what every page of a workspace shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.views import LoginView
from django.urls import reverse
from django.views.generic import TemplateView

from mozaiks.workspaces.models import Membership, User, Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A page of a workspace, by the name people know it by."""

    name: str
    url: str


class SignIn(LoginView):
    """Whoever comes without a page in mind goes where they may be: staff to the console, others to the start."""

    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        user = self.request.user
        return reverse(settings.LOGIN_REDIRECT_URL if isinstance(user, User) and user.is_staff else "home")


class Home(TemplateView):
    """The start: to a member their workspaces, to others the doors there are."""

    template_name = "home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "memberships": memberships_of(self.request.user)}


def memberships_of(user: object) -> Sequence[Membership]:
    """Where ``user`` is a member, with the pages there are, by name of the workspace. One statement."""
    if not isinstance(user, User):
        return []
    found = list(Membership.objects.filter(user=user).select_related("workspace").order_by("workspace__name", "pk"))
    for membership in found:
        membership.places = places_in(membership.workspace)  # type: ignore[attr-defined]
    return found


def places_in(workspace: Workspace) -> list[Place]:
    """The pages of a workspace: those that apps name in ``workspace_pages``, the name of the url to what people call it."""
    return [
        Place(name=name, url=reverse(url, args=[workspace.slug]))
        for app in apps.get_app_configs()
        for url, name in getattr(app, "workspace_pages", {}).items()
    ]


def shell(workspace: Workspace) -> dict[str, Any]:
    """What ``workspace.html`` shows around every page of a workspace."""
    return {"workspace": workspace, "places": places_in(workspace)}

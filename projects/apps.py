"""Wires the guest into the house: what it limits, and where its urls are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from mozaiks.workspaces.models import Workspace


class ProjectsConfig(AppConfig):
    """Projects, counted by the workspace."""

    name = "projects"
    verbose_name = "Projects"
    default_auto_field = "django.db.models.BigAutoField"
    api_urls = "projects.urls"
    page_urls = "projects.page_urls"
    workspace_pages = {"workspace-projects": "Projects"}

    def ready(self) -> None:
        from projects.limits import declare_limits
        from projects.news import declare_topic

        declare_limits()
        declare_topic()

    def load_demo(self, workspace: Workspace, *, since: datetime, now: datetime) -> None:
        """Use what is limited as it would have been used from ``since`` to ``now``."""
        from projects import demo

        demo.work(workspace, since=since, now=now)

"""The page of projects, below ``/w/{slug}/``."""

from django.urls import path

from projects.pages import projects_page

urlpatterns = [path("projects", projects_page, name="workspace-projects")]

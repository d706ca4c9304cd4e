"""Where projects answer, below ``/api/``."""

from django.urls import path

from projects.api import ProjectsView, ProjectView

app_name = "projects"

urlpatterns = [
    path("workspace/projects", ProjectsView.as_view(), name="projects"),
    path("workspace/projects/<int:project_id>", ProjectView.as_view(), name="project"),
]

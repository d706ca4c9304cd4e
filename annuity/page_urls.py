"""The page of annuity, below ``/w/{slug}/``."""

from django.urls import path

from annuity.pages import annuity_page

urlpatterns = [path("annuity", annuity_page, name="workspace-annuity")]

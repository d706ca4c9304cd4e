"""Wires the guest into the house, as a real one would be."""

from django.apps import AppConfig


class GadgetsConfig(AppConfig):
    """Buttons to press and places to take."""

    name = "tests.gadgets"
    label = "gadgets"
    default_auto_field = "django.db.models.BigAutoField"
    api_urls = "tests.gadgets.urls"

    def ready(self) -> None:
        from tests.gadgets.limits import declare_limits

        declare_limits()

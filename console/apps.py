"""Wires the console into Django."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The operators' console."""

    name = "console"
    verbose_name = "Console"

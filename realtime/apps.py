"""Wires realtime into Django."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Topics and sockets."""

    name = "realtime"
    verbose_name = "Realtime"

"""Wires realtime into Django."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Topics and sockets."""

    name = "realtime"
    verbose_name = "Realtime"

    def ready(self) -> None:
        """Start and stop with the server, and follow who may hear what."""
        from mozaiks.kit import lifespan
        from realtime import hub, revocations

        lifespan.on_startup(hub.open_doors)
        lifespan.on_shutdown(hub.close_doors)
        revocations.follow()

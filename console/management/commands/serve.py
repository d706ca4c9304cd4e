"""``manage.py serve``: pages, API, sockets and the boundary worker in one process."""

import socket
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing.payments.fake.courier import accompany
from billing.worker.embedded import embed
from console.demo import LOGINS, PASSWORD
from mozaiks.workspaces.models import User
from realtime.protocol import Sockets

GRACE_SECONDS = 5
#: Frames of sockets beyond this end the connection unread; the protocol's own limit, which is told, is 8 KiB.
LARGEST_FRAME = 64 * 1024
PING_SECONDS = 20.0


class Server(uvicorn.Server):
    """Says where to look once it can be looked at."""

    greeting: str = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            print(self.greeting, flush=True)


class Command(BaseCommand):
    help = "Serve pages, API and sockets with uvicorn until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (HOST)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port to listen on (PORT)")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        require_free(host, port)
        if settings.BILLING_EMBEDDED_WORKER:
            embed()
        if settings.BILLING_FAKE_PROVIDER:
            play_provider(host, port)
        config = uvicorn.Config(
            "mozaiks.asgi:application",
            host=host,
            port=port,
            lifespan="on",
            log_config=None,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ws=Sockets,
            ws_max_size=LARGEST_FRAME,
            ws_per_message_deflate=False,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
        )
        server = Server(config)
        server.greeting = greeting(f"http://{host}:{port}")
        try:
            server.run()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        if not server.started:
            raise CommandError("The server could not start; the reason stands above.")


def play_provider(host: str, port: int) -> None:
    """Let the provider that takes no money know where its pages and our door are; its events come in over real HTTP."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    own = f"http://{reachable}:{port}"
    accompany(pages_at=settings.PUBLIC_BASE_URL.rstrip("/") or own, listens_at=own)


def require_free(host: str, port: int) -> None:
    """:raises CommandError: when somebody else has the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"{host}:{port} cannot be used ({error.strerror}); PORT=… chooses another.") from error


def greeting(base: str) -> str:
    """Where things are, and who can sign in where this is the demo."""
    places = [("start", "/"), ("console", "/admin/"), ("API", "/api/docs"), ("health", "/health")]
    if settings.BILLING_FAKE_PROVIDER:
        places.append(("payments", "/pretend/"))
    lines = [f"  {name:<10} {base}{path}" for name, path in places]
    known = set(
        User.objects.filter(username__in=[login.username for login in LOGINS]).values_list("username", flat=True)
    )
    logins = [f"  {login.username:<10} {login.what}" for login in LOGINS if login.username in known]
    if settings.DEBUG and logins:
        lines += ["", f"Demo logins, password {PASSWORD!r}:", *logins]
    return "\n".join(["", "mozaiks is up:", *lines, "", "Ctrl-C stops it."])

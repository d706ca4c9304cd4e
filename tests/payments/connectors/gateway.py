"""A remote payment gateway on a real socket, which answers as a test says."""

from __future__ import annotations

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

CHECKOUT = "/api/mozaiks/pay/checkout"


class Gateway:
    """``asked`` is every request there was; ``answers`` are given one by one, and then as a gateway would."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[Any] = []
        self._opened: dict[str, Any] = {}
        self._hangs = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def behave(self) -> None:
        """As a gateway that works and has heard nothing yet."""
        self.asked, self.answers, self._opened, self._hangs = [], [], {}, False

    def hang_up(self) -> None:
        """Close every connection without a word."""
        self._hangs = True

    def answer(self, *answers: Any) -> None:
        """The next answers: ``(status, body)``, a body of JSON or bytes, or seconds to wait before nothing is said."""
        self.answers += answers

    def usual(self, method: str, path: str, key: str) -> Any:
        if method == "POST" and path == CHECKOUT:
            opened = {"checkoutUrl": f"{self.url}/page", "sessionId": str(uuid.uuid4())}
            return 200, self._opened.setdefault(key, opened)
        if method == "POST":
            return 200, {"ok": True}
        return 200, {"scope": "app", "appId": "1", "active": True, "status": "active", "plan": "pro"}

    def _handler(gateway) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._do()

            def do_POST(self) -> None:
                self._do()

            def _do(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                said = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": body}
                gateway.asked.append(said)
                if gateway._hangs:
                    return
                path = self.path.partition("?")[0]
                key = self.headers.get("Idempotency-Key") or ""
                answer = gateway.answers.pop(0) if gateway.answers else gateway.usual(self.command, path, key)
                if isinstance(answer, float):
                    time.sleep(answer)
                    return
                self._say(*answer)

            def _say(self, status: int, body: Any) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Location", gateway.url + "/elsewhere")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Nobody reads it."""

        return Handler

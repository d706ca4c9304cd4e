"""The SDK's way to the fake provider: an HTTP client without a socket, so that its own types read what is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import stripe

from billing.payments.fake.routes import Unanswered, call
from billing.payments.fake.world import World

lost: Callable[[str], Exception] = stripe.APIConnectionError


class FakeClient(stripe.HTTPClient):
    """Answers in the process that asks."""

    name = "fake"

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """:raises stripe.APIConnectionError: a fault wants it so."""
        body = post_data.decode() if isinstance(post_data, bytes) else post_data or ""
        try:
            answer = call(self._world, method.upper(), url, headers or {}, body)
        except Unanswered as error:
            raise lost("The connection was lost.") from error
        # The SDK asks again after a 500 on its own account where it may; here the one asked decides.
        return answer.body, answer.status, {"Request-Id": "req_fake", "stripe-should-retry": "false"}

    def close(self) -> None:
        """There is nothing to close."""

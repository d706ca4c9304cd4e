"""Somebody who reads pages without running their scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from django.test import Client

TAG = re.compile(r"<(?:svg.*?</svg|[^>]*)>", re.DOTALL)


@dataclass(frozen=True)
class Reader:
    """``text`` is what a page says, without its tags."""

    client: Client

    def get(self, path: str = "/w/acme/billing", **how: Any) -> Any:
        return self.client.get(path, **how)

    def text(self, path: str = "/w/acme/billing") -> str:
        return words(self.get(path).content.decode())

    def limit(self, name: str, path: str = "/w/acme/billing") -> str:
        """The card of one limit."""
        html = self.get(path).content.decode()
        cards = re.findall(r"<article.*?</article>", html, re.DOTALL)
        return next(words(card) for card in cards if f">{name}<" in card)


def words(html: str) -> str:
    """The text of some HTML, with single spaces."""
    return " ".join(unescape(TAG.sub(" ", html)).split())

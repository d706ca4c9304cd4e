"""
Typed readers for the environment: a value that makes no sense stops the start with its name and itself.

The environment wins over the ``.env`` file. Values of secrets are never repeated in a message.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
LINE = re.compile(r"^(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)$")


class BadSetting(ImproperlyConfigured):
    """A variable of the environment holds something that cannot be meant."""

    def __init__(self, name: str, value: str, rule: str) -> None:
        super().__init__(f"{name}={value!r}: {rule}")


def parse_env_file(text: str, *, source: str = ".env") -> dict[str, str]:
    """
    Read ``NAME=value`` lines; ``#`` starts a comment, quotes keep blanks, ``export`` is allowed.

    :raises ImproperlyConfigured: for a line that is none of these, by its number.
    """
    values: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = LINE.match(line)
        if found is None:
            raise ImproperlyConfigured(f"{source}, line {number}: expected NAME=value")
        values[found["name"]] = _unquote(found["value"].strip())
    return values


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return re.split(r"(?:^|\s+)#", value, maxsplit=1)[0]


class Environment:
    """The variables one process was started with. An empty value counts as absent."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name: value.strip() for name, value in values.items() if value.strip()}

    @classmethod
    def load(cls, file: Path, *, process: Mapping[str, str] = os.environ) -> Self:
        """The process environment on top of ``file``, which may be missing."""
        from_file = parse_env_file(file.read_text(encoding="utf-8"), source=str(file)) if file.is_file() else {}
        return cls({**from_file, **process})

    def has(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, default)

    def flag(self, name: str, *, default: bool) -> bool:
        """:raises BadSetting: unless the value is one of true/false, yes/no, on/off, 1/0."""
        value = self._values.get(name)
        if value is None:
            return default
        if value.lower() in TRUE_WORDS:
            return True
        if value.lower() in FALSE_WORDS:
            return False
        raise BadSetting(name, value, "expected true or false")

    def integer(self, name: str, default: int, *, least: int | None = None, most: int | None = None) -> int:
        """:raises BadSetting: unless the value is a whole number between ``least`` and ``most``."""
        value = self._values.get(name)
        if value is None:
            return default
        try:
            number = int(value)
        except ValueError:
            raise BadSetting(name, value, "expected a whole number") from None
        if least is not None and number < least:
            raise BadSetting(name, value, f"expected at least {least}")
        if most is not None and number > most:
            raise BadSetting(name, value, f"expected at most {most}")
        return number

    def choice(self, name: str, default: str, *, among: tuple[str, ...]) -> str:
        """:raises BadSetting: unless the value is ``among`` the known words."""
        value = self._values.get(name, default)
        if value not in among:
            raise BadSetting(name, value, f"expected one of {', '.join(among)}")
        return value

    def words(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """A comma list; blanks around the commas do not matter, empty entries are dropped."""
        if name not in self._values:
            return list(default)
        return [word for part in self._values[name].split(",") if (word := part.strip())]

    def secrets(self, name: str) -> list[str]:
        """
        A comma list of secrets, the newest first: all of them are accepted while keys are being rotated.

        :raises BadSetting: when one has blanks or signs that no header can carry. The value is not shown.
        """
        secrets = self.words(name)
        if any(not re.fullmatch(r"[\x21-\x7e]+", secret) for secret in secrets):
            raise BadSetting(name, "…", "expected visible ASCII characters, separated by commas")
        return secrets

    def url(self, name: str, default: str = "", *, schemes: tuple[str, ...]) -> str:
        """:raises BadSetting: unless the value is a URL of one of ``schemes``. Passwords are not shown."""
        value = self._values.get(name, default)
        if not value:
            return ""
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018 - reading it is what checks it
        except ValueError:
            raise BadSetting(name, _without_password(value), "expected a URL") from None
        if parts.scheme not in schemes:
            rule = f"expected a URL that starts with {' or '.join(f'{scheme}:' for scheme in schemes)}"
            raise BadSetting(name, _without_password(value), rule)
        return value

    def origins(self, name: str, default: tuple[str, ...] = ()) -> list[str]:
        """
        A comma list of full origins such as ``https://console.example.org:8443``.

        :raises BadSetting: for an entry without scheme or host, or with a path.
        """
        origins = self.words(name, default)
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query:
                raise BadSetting(name, origin, "expected full origins such as https://console.example.org")
        return origins

    def networks(self, name: str) -> list[Network]:
        """:raises BadSetting: unless the value is a comma list of addresses or CIDR networks."""
        networks = []
        for word in self.words(name):
            try:
                networks.append(ipaddress.ip_network(word, strict=False))
            except ValueError:
                raise BadSetting(name, word, "expected an address or a network such as 10.0.0.0/8") from None
        return networks


def _without_password(url: str) -> str:
    return re.sub(r"(?<=:)[^:@/]+(?=@)", "…", url)

"""Turns ``DATABASE_URL`` into Django's settings with the options each engine needs to be safe."""

from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

SCHEMES = ("sqlite", "mysql", "mariadb")

# IMMEDIATE: a transaction that will write says so at once, instead of failing when it upgrades its lock.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# Django's own, with one round trip less per transaction.
MYSQL_ENGINE = "mozaiks.kit.mysql"
# READ COMMITTED: a COUNT or SUM after the lock must see what others committed before it.
MYSQL_OPTIONS: dict[str, Any] = {
    "charset": "utf8mb4",
    "isolation_level": "read committed",
    "sql_mode": "TRADITIONAL",
    "connect_timeout": 5,
    # Below the patience of kit.db, so that a caller hears of a stuck lock instead of waiting the default 50 s.
    "init_command": "SET SESSION innodb_lock_wait_timeout = 4",
}
# MariaDB creates test databases with the server's default, often latin1; keys compare byte for byte.
MYSQL_TEST = {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_bin"}


def database_settings(url: str, *, conn_max_age: int = 0) -> dict[str, Any]:
    """
    Settings of one database. ``conn_max_age`` is in seconds; 0 closes after each request.

    :raises ImproperlyConfigured: for a URL without a database, or SQLite in memory, which is one per connection.
    """
    parsed: dict[str, Any] = dict(dj_database_url.parse(url.replace("mariadb:", "mysql:", 1)))
    if not parsed["NAME"] or parsed["NAME"] == ":memory:":
        raise ImproperlyConfigured("DATABASE_URL must name a database; SQLite needs a file")
    parsed |= {"ATOMIC_REQUESTS": False, "CONN_MAX_AGE": conn_max_age, "CONN_HEALTH_CHECKS": True}
    given = parsed.get("OPTIONS", {})
    if parsed["ENGINE"].endswith("sqlite3"):
        name = Path(parsed["NAME"])
        parsed["OPTIONS"] = {**SQLITE_OPTIONS, **given}
        parsed["TEST"] = {"NAME": str(name.with_name(f"test-{name.name}"))}
    else:
        parsed["ENGINE"] = MYSQL_ENGINE
        parsed["OPTIONS"] = {**MYSQL_OPTIONS, **given}
        parsed["TEST"] = dict(MYSQL_TEST)
    return parsed

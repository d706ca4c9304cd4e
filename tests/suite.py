"""
Runs the whole suite on SQLite, and again on MariaDB with Redis where they answer; says at the end what ran.

``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` name other servers. ``REQUIRE_SERVERS=1`` makes a missing one a failure, and
``REQUIRE_BROWSER=1`` a missing chromium. The stories in the browser are told on SQLite only: pages do not know the database.
Arguments are handed on to pytest.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

LOCAL_DATABASE = "mysql://root@127.0.0.1:3306/mozaiks"
LOCAL_REDIS = "redis://127.0.0.1:6379/0"
NOTHING_COLLECTED = 5
WORKERS = "2"
NO_BROWSER = "no chromium: the stories were skipped (apt-get install chromium)"
INSTALL_MYSQL = ["make", "--no-print-directory", "install-mysql"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One run of the suite: under which name, with which servers, how it went; ``required`` forbids that it did not run."""

    name: str
    passed: bool | None
    remark: str
    required: bool = False

    @property
    def line(self) -> str:
        verdict = {True: "passed", False: "FAILED", None: "did not run"}[self.passed]
        return f"  {self.name:<18} {verdict:<12} {self.remark}"

    @property
    def failed(self) -> bool:
        return self.passed is False or (self.required and self.passed is None)


def answers(url: str) -> bool:
    """Whether somebody listens at the host and port of ``url``."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 3306), timeout=2):
            return True
    except OSError:
        return False


def obstacle(database: str, redis: str) -> str:
    """Why the server part cannot run; empty when it can."""
    if not answers(database):
        return "no MariaDB answers (TEST_DATABASE_URL names one)"
    if not answers(redis):
        return "no Redis answers (TEST_REDIS_URL names one)"
    if not has_driver() and subprocess.run(INSTALL_MYSQL, check=False).returncode != 0:
        return "mysqlclient could not be built"
    return login_refused(database)


def has_driver() -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec("MySQLdb") is not None


def login_refused(database: str) -> str:
    """What the server says to our login; empty when it lets us in. A fresh process sees a fresh driver."""
    question = (
        "import sys, dj_database_url as d, MySQLdb as m; p = d.parse(sys.argv[1]); "
        "m.connect(host=p['HOST'], port=p['PORT'] or 3306, user=p['USER'], password=p['PASSWORD'])"
    )
    asked = subprocess.run([sys.executable, "-c", question, database], check=False, capture_output=True, text=True)
    return "" if asked.returncode == 0 else (asked.stderr.strip().splitlines() or ["login refused"])[-1]


def run(name: str, arguments: list[str], servers: dict[str, str]) -> Part:
    """Spread what can be spread over two processes, then run alone what measures or races."""
    started = time.monotonic()
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("TEST_DATABASE", "TEST_REDIS"))
    }
    environment |= servers
    passed = True
    left_out = " and not browser" if servers else ""
    for title, flags in (
        ("spread", ["-m", f"not serial{left_out}", "-n", WORKERS, "--dist", "loadfile"]),
        ("alone", ["-m", "serial"]),
    ):
        print(f"\n=== {name}, {title} ===", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", *flags, *arguments]
        code = subprocess.run(command, check=False, env=environment).returncode
        passed &= code in {0, NOTHING_COLLECTED}
    elsewhere = ", the stories in the browser on SQLite only" if servers else ""
    return Part(name=name, passed=passed, remark=f"{time.monotonic() - started:.0f} s{elsewhere}")


def main(arguments: list[str]) -> int:
    parts = [run("SQLite", arguments, {})]
    if not shutil.which("chromium"):
        parts.append(Part(name="Browser", passed=None, remark=NO_BROWSER, required=is_required("REQUIRE_BROWSER")))
    database = os.environ.get("TEST_DATABASE_URL") or LOCAL_DATABASE
    redis = os.environ.get("TEST_REDIS_URL") or LOCAL_REDIS
    reason = obstacle(database, redis)
    if reason:
        servers = "MariaDB + Redis"
        parts.append(Part(name=servers, passed=None, remark=reason, required=is_required("REQUIRE_SERVERS")))
    else:
        parts.append(run("MariaDB + Redis", arguments, {"TEST_DATABASE_URL": database, "TEST_REDIS_URL": redis}))
    print("\nWhich parts ran:", *(part.line for part in parts), sep="\n", flush=True)
    return int(any(part.failed for part in parts))


def is_required(variable: str) -> bool:
    return os.environ.get(variable) == "1"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

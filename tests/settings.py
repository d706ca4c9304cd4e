"""
The settings tests run under: a database of their own, whatever the developer's ``.env`` says.

``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` choose real servers; without them SQLite and memory.
"""

import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Two runs at the same time must not share a database: each process names its own.
RUN = os.environ.get("TEST_RUN", str(os.getpid()))

os.environ["MOZAIKS_ENV_FILE"] = os.devnull
os.environ["DEBUG"] = "false"
os.environ["SECRET_KEY"] = "tests-only-" + "0123456789abcdef" * 4
os.environ["ALLOWED_HOSTS"] = "testserver,localhost,127.0.0.1"
os.environ["SECURE_TRANSPORT"] = "false"
os.environ["MOZAIKS_ENFORCE_QUOTAS"] = "true"
os.environ["BILLING_RECORD_DECISIONS"] = "false"
os.environ["LOG_LEVEL"] = "WARNING"
os.environ["DATABASE_URL"] = os.environ.get(
    "TEST_DATABASE_URL", f"sqlite:///{Path(tempfile.gettempdir()) / f'mozaiks-{RUN}.sqlite3'}"
)
os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL", "")
os.environ["REDIS_PREFIX"] = f"mozaiks-test-{RUN}"
for name in ("MOZAIKS_MODE", "INTERNAL_API_KEY", "MOZAIKS_ALLOWED_SERVICE_KEYS", "METRICS_ALLOWED_NETWORKS"):
    os.environ.setdefault(name, "")

from mozaiks.settings import *  # noqa: E402, F403
from mozaiks.settings import DATABASES, INSTALLED_APPS, STORAGES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("mysql"):
    DATABASES["default"]["TEST"]["NAME"] = f"test_mozaiks_{RUN}"

INSTALLED_APPS += ["tests.gadgets"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

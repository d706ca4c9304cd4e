"""Imported once by the process all others are forked from: Django is set up, no connection is open."""

import django

django.setup()

from tests.concurrency import tasks  # noqa: E402, F401 - so that the forks have it already

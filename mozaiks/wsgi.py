"""Plain HTTP in production: ``gunicorn mozaiks.wsgi`` with threads, about twice as fast as ASGI."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mozaiks.settings")
# A worker's threads live long, so connections may; under ASGI every request would leave one behind.
os.environ.setdefault("MOZAIKS_LONG_LIVED_THREADS", "true")

from django.core.wsgi import get_wsgi_application

from mozaiks.kit.checks import refuse_unsafe_start

application = get_wsgi_application()
refuse_unsafe_start()

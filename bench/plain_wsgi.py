"""The WSGI door of the plain way."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.plain_settings"

application = get_wsgi_application()

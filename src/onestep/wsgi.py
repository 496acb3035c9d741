"""The WSGI door: what gunicorn loads."""

import os

from django.core.wsgi import get_wsgi_application

from onestep.operations import time_limits

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "onestep.settings")
time_limits.install()

application = get_wsgi_application()

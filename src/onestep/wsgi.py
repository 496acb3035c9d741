"""The WSGI door: what gunicorn loads."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "onestep.settings")

application = get_wsgi_application()

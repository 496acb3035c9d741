"""Collects and compresses the static files of packages, before OneStep's code is in the image.

Compressing them takes half a minute, and they change with poetry.lock alone. `onestep collectstatic` adds OneStep's own
files afterwards; it finds these compressed. A package that is missing from this list costs time there, nothing else.
"""

import sys

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.staticfiles",
        "drf_spectacular_sidecar",
        "rest_framework",
    ],
    STATIC_URL="/static/",
    STATIC_ROOT=sys.argv[1],
    STORAGES={"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}},
    WHITENOISE_KEEP_ONLY_HASHED_FILES=True,
    WHITENOISE_SKIP_COMPRESS_EXTENSIONS=["gif", "jpg", "map", "png", "webp", "woff", "woff2"],  # as in settings.py,
)
django.setup()
call_command("collectstatic", interactive=False, verbosity=0)

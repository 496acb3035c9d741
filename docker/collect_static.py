"""collect_static.py ROOT [FOLDER]: collect and compress static files before OneStep's code is in the image.

Without FOLDER those of packages, which takes half a minute and changes with poetry.lock alone; with it OneStep's own
too, which finds the packages' compressed. A test of the image holds what it finds against `onestep collectstatic`.
"""

import sys

import django
from django.conf import settings
from django.core.management import call_command

OURS = {"BACKEND": "onestep.operations.static_files.StaticFilesStorage"}  # it compresses no file twice
PACKAGES = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}

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
    STATICFILES_DIRS=sys.argv[2:],
    STORAGES={"staticfiles": OURS if sys.argv[2:] else PACKAGES},
    WHITENOISE_KEEP_ONLY_HASHED_FILES=True,
    WHITENOISE_SKIP_COMPRESS_EXTENSIONS=["gif", "jpg", "map", "png", "webp", "woff", "woff2"],  # as in settings.py
)
django.setup()
call_command("collectstatic", interactive=False, verbosity=0)

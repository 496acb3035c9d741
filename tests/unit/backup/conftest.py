"""The backup container's package is not installed: it is imported from where its Dockerfile takes it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "docker/backup"))

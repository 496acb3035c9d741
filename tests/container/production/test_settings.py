"""settings.env: the host's tools read of it what Compose does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tools.production.stack import read_values

from tests.unit.production.test_read_settings import LINES


def test_tools_read_what_compose_reads(tmp_path: Path) -> None:
    names = [f"NAME_{number}" for number in range(len(LINES))]
    file = tmp_path / "settings.env"
    written = [line.replace("NAME", name, 1) for name, (line, _) in zip(names, LINES, strict=True)]
    file.write_bytes("\n".join(written).encode())
    service = {"image": "none", "environment": {name: f"${{{name}-not set}}" for name in names}}
    (tmp_path / "compose.yml").write_text(json.dumps({"services": {"any": service}}))
    command = ["docker", "compose", "--project-directory=.", f"--env-file={file}", "config", "--format=json"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    read = json.loads(said.stdout)["services"]["any"]["environment"]
    assert read_values(file) == read
    assert [read[name] for name in names] == [value for _, value in LINES]

"""The image's health check: exit 0 where /health/ready answers 200, else say why and exit 1. Standard library only."""

import http.client
import os
import sys


def main() -> str | None:
    """Return what is wrong, or None."""
    port = int((os.environ.get("BIND") or "0.0.0.0:8000").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        body = response.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return f"/health/ready on port {port} did not answer: {error}"
    finally:
        connection.close()
    return None if response.status == http.client.OK else f"/health/ready answered {response.status}: {body}"


sys.exit(main())

"""Whether the service answers, asked from inside a replica: no balancer, certificate or name has a say in it."""

from __future__ import annotations

import json
from typing import Any

from tools.production.stack import Production, ProductionError

# Runs in the web container. Its arguments are a method, a path, a token and a body.
SCRIPT = """
import http.client, json, os, sys
method, path, token, body = sys.argv[1:]
host = os.environ["ALLOWED_HOSTS"].split(",")[0].strip().lstrip(".")
headers = {"Host": host, "X-Forwarded-Proto": "https", "Content-Type": "application/json"}
if token:
    headers["Authorization"] = "Bearer " + token
connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
connection.request(method, path, body or None, headers)
answer = connection.getresponse()
print(json.dumps({"status": answer.status, "body": json.loads(answer.read() or "null")}))
"""


def ask(production: Production, method: str, path: str, *, token: str = "", body: str = "") -> tuple[int, Any]:
    """Send a request to a replica; return the answer's status and what its JSON says."""
    answer = json.loads(production.output("exec", "-T", "web", "python3", "-c", SCRIPT, method, path, token, body))
    return answer["status"], answer["body"]


def require_answer(production: Production) -> None:
    """Raise ProductionError where the service is not ready, or the API does not ask for a log-in as it should."""
    status, body = ask(production, "GET", "/health/ready")
    if status != 200:
        raise ProductionError(("E079", f"/health/ready answers {status}: {body}", "See make prod-logs."))
    status, body = ask(production, "GET", "/api/v1/initiatives/")
    if status != 401 or body.get("type") != "urn:onestep:problem:not_authenticated":
        raise ProductionError(("E079", f"The API answers {status}: {body}", "See make prod-logs."))

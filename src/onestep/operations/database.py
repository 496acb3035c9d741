"""What a failure of the database means, in words: an id, what is wrong, what to do, and whether waiting helps.

PostgreSQL gives an SQLSTATE to every error on an open connection. An error while connecting has none (libpq drops it),
so that one is known by its text: https://www.postgresql.org/docs/15/errcodes-appendix.html
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.db import DEFAULT_DB_ALIAS, InterfaceError, NotSupportedError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from onestep.operations.backoff import backoff

# How long a name may need to resolve: a container's appears in its network when the container has started.
HOST_NAME_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class DatabaseFault:
    """One way in which the database fails.

    `message` and `hint` name no host, user or database, so they may be shown to anyone. `said` is the driver's own
    first line, which does: it is for the operator. `transient` says that the same action may succeed later, unchanged.
    """

    id: str
    message: str
    hint: str
    transient: bool = False
    said: str = ""

    def __str__(self) -> str:
        said = f" ({self.said})" if self.said else ""
        return f"onestep.{self.id} {self.message}{said}\n    {self.hint}"


REFUSED = DatabaseFault(
    id="E020",
    message="Nothing accepts connections at the database's address.",
    hint="Start the database, or correct DB_HOST and DB_PORT (DATABASE_URL).",
    transient=True,
)
STARTING = DatabaseFault(
    id="E021",
    message="The database server is starting up, shutting down or recovering.",
    hint="It accepts connections when it is done; its log says how far it is.",
    transient=True,
)
WRONG_PASSWORD = DatabaseFault(
    id="E022",
    message="The database server refuses the user's name or password.",
    hint="Correct POSTGRES_USER and POSTGRES_PASSWORD (DATABASE_URL, percent-encoded there); PostgreSQL says the same "
    "where the user does not exist. A data volume keeps the password it was first made with: change it there with "
    "ALTER ROLE … PASSWORD.",
)
NO_DATABASE = DatabaseFault(
    id="E023",
    message="The database server has no database of that name.",
    hint="Correct POSTGRES_DB (DATABASE_URL), or create it: CREATE DATABASE … OWNER …. A data volume keeps the "
    "database it was first made with.",
)
NO_ROLE = DatabaseFault(
    id="E024",
    message="The database server has no user of that name.",
    hint="Correct POSTGRES_USER (DATABASE_URL), or create it: CREATE ROLE … LOGIN PASSWORD ….",
)
UNKNOWN_HOST = DatabaseFault(
    id="E025",
    message="The database's host name does not resolve.",
    hint="Correct DB_HOST (DATABASE_URL). In a container network a name resolves only while its container runs, and "
    "only on a network that both share.",
    transient=True,
)
TOO_MANY_CONNECTIONS = DatabaseFault(
    id="E026",
    message="The database server has no connection left.",
    hint="Lower WEB_WORKERS x WEB_THREADS x replicas, raise max_connections, or put a pooler between.",
    transient=True,
)
TLS_REFUSED = DatabaseFault(
    id="E027",
    message="The database connection cannot be encrypted as asked.",
    hint="Correct sslmode and sslrootcert in DATABASE_URL, or the server's certificate and its ssl setting.",
)
NO_ANSWER = DatabaseFault(
    id="E028",
    message="The database server does not answer in time.",
    hint="Look whether it runs, is paused or overloaded, and whether the network between lets its port through.",
    transient=True,
)
CONNECTION_LOST = DatabaseFault(
    id="E029",
    message="The connection to the database was lost.",
    hint="The database server's log says why it went away.",
    transient=True,
)
NOT_ADMITTED = DatabaseFault(
    id="E030",
    message="The database server does not admit this user from this address.",
    hint="Add a line for the user, the database and this network to the server's pg_hba.conf (hostssl where sslmode "
    "asks for TLS), or grant CONNECT on the database.",
)
LOCKED = DatabaseFault(
    id="E031",
    message="Another session holds a lock that this action needs.",
    hint="Try again; pg_stat_activity and pg_locks show who holds it.",
    transient=True,
)
SERIALIZATION = DatabaseFault(
    id="E032",
    message="Two transactions got in each other's way, and the database ended this one.",
    hint="Try again.",
    transient=True,
)
STATEMENT_TIMEOUT = DatabaseFault(
    id="E033",
    message="A statement took longer than it may.",
    hint="Look for what slows it down, or raise DB_STATEMENT_TIMEOUT.",
)
NO_PRIVILEGE = DatabaseFault(
    id="E034",
    message="The database user may not do this.",
    hint="Make it the owner of the database: ALTER DATABASE … OWNER TO ….",
)
OUT_OF_ROOM = DatabaseFault(
    id="E035",
    message="The database server has no disk space or memory left.",
    hint="Give it room; its log says which of the two.",
)
READ_ONLY = DatabaseFault(
    id="E036",
    message="The database is read-only: it is a standby, or was set so.",
    hint="Point DB_HOST (DATABASE_URL) at the primary.",
)
TOO_OLD = DatabaseFault(
    id="E037",
    message="The database server's version is too old.",
    hint="Use PostgreSQL 15 or newer.",
)
NOT_POSTGRESQL = DatabaseFault(
    id="E038",
    message="What listens at the database's address is not PostgreSQL.",
    hint="Correct DB_HOST and DB_PORT (DATABASE_URL).",
)
OTHER = DatabaseFault(
    id="E039",
    message="The database reports an error.",
    hint="Its own words are given here and in the database server's log.",
)

SQLSTATES = {
    "08": CONNECTION_LOST,
    "28": WRONG_PASSWORD,
    "28000": NOT_ADMITTED,
    "3D": NO_DATABASE,
    "25006": READ_ONLY,
    "40": SERIALIZATION,
    "42501": NO_PRIVILEGE,
    "53": OUT_OF_ROOM,
    "53300": TOO_MANY_CONNECTIONS,
    "55P03": LOCKED,
    "57014": STATEMENT_TIMEOUT,
    "57P": CONNECTION_LOST,
    "57P03": STARTING,
}

# The first that matches counts. PgBouncer's words stand beside PostgreSQL's.
TEXTS = [
    (r"could not translate host name|name or service not known|name resolution", UNKNOWN_HOST),
    (r"password authentication failed|no password supplied|SASL authentication failed|no such user", WRONG_PASSWORD),
    (r'database "[^"]*" does not exist|no such database', NO_DATABASE),
    (r'role "[^"]*" does not exist', NO_ROLE),
    (r"too many clients|too many connections|connection slots|no more connections allowed", TOO_MANY_CONNECTIONS),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects|is not permitted to log in", NOT_ADMITTED),
    (r"permission denied for database", NOT_ADMITTED),
    (r"invalid response to SSL negotiation|expected authentication request", NOT_POSTGRESQL),
    (r"SSL connection has been closed|SSL SYSCALL error", CONNECTION_LOST),
    (r"SSL|certificate|sslmode|root\.crt", TLS_REFUSED),
    (r"or later is required", TOO_OLD),
    (r"starting up|shutting down|recovery|not (yet )?accepting connections|server_login_retry", STARTING),
    (r"connection refused|no such file or directory", REFUSED),
    (r"timeout expired|timed out|no route to host|network is unreachable|does not answer", NO_ANSWER),
    (r"canceling statement due to lock timeout", LOCKED),
    (r"canceling statement due to statement timeout", STATEMENT_TIMEOUT),
    (r"deadlock detected|could not serialize", SERIALIZATION),
    (
        r"server closed the connection|connection (already|not|is) (closed|open|lost)|connection reset"
        r"|terminating connection|could not receive data|could not send data|EOF detected|query_wait_timeout"
        r"|broken pipe|lost synchronization",
        CONNECTION_LOST,
    ),
]


def explain(error: BaseException) -> DatabaseFault:
    """Return what a driver's or Django's database error means; `OTHER`, with its words, where that is not known."""
    text = str(error).strip()
    said = text.splitlines()[0] if text else type(error).__name__
    state = _sqlstate(error)
    for length in (5, 3, 2) if state else ():
        if state[:length] in SQLSTATES:
            return replace(SQLSTATES[state[:length]], said=said)
    if state:  # the words of such an error may quote anything, such as a row's values
        return replace(OTHER, said=said)
    for pattern, fault in TEXTS:
        if re.search(pattern, text, re.IGNORECASE):
            return replace(fault, said=said)
    return replace(OTHER, said=said)


def _sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of the error, or of the driver's error that Django wraps; empty where there is none."""
    for candidate in (error, error.__cause__):
        state = getattr(candidate, "pgcode", None)
        if state:
            return str(state)
    return ""


class DatabaseUnreachableError(Exception):
    """The database did not accept a connection in time, or waiting would not help; `fault` says why."""

    def __init__(self, fault: DatabaseFault, seconds: float) -> None:
        super().__init__(f"{fault}\n    Gave up after {seconds:.1f} s." if fault.transient else str(fault))
        self.fault = fault


def wait_for_database(
    *,
    timeout: float,
    say: Callable[[str], object],
    look: Callable[[BaseDatabaseWrapper], object] = lambda connection: None,
    using: str = DEFAULT_DB_ALIAS,
) -> float:
    """Wait at most `timeout` seconds until the database accepts a connection; return the seconds that took.

    `say` is called with a line each time that the reason to wait changes, and `look` with the open connection before it
    is closed. Raises DatabaseUnreachableError when the time is over, and at once where waiting would not help, such as
    for a wrong password.
    """
    start = time.monotonic()
    reason, since, attempt = "", start, 0
    while True:
        try:
            connections[using].ensure_connection()
            look(connections[using])
        except (OperationalError, InterfaceError, NotSupportedError) as error:
            fault = explain(error)
        else:
            return time.monotonic() - start
        finally:
            connections[using].close()
        now = time.monotonic()
        if fault.id != reason:
            reason, since = fault.id, now
            if fault.transient:
                say(f"Waiting for the database, at most {timeout:.0f} s: {fault}")
        end = start + timeout
        if fault.id == UNKNOWN_HOST.id:
            end = min(end, since + HOST_NAME_SECONDS)
        if not fault.transient or now >= end:
            raise DatabaseUnreachableError(fault, now - start)
        attempt += 1
        time.sleep(min(backoff(attempt, first=0.2, most=2.0), end - now))

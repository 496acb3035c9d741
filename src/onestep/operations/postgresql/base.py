"""The backend, in the module where Django looks for it (DATABASES' ENGINE)."""

from __future__ import annotations

import select
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base
from psycopg2.extensions import TRANSACTION_STATUS_INERROR, TRANSACTION_STATUS_UNKNOWN

from onestep.operations.postgresql.open_connections import open_connections
from onestep.operations.request_ids import name_request
from onestep.operations.time_limits import DatabaseSilentError, outage, pooled_server_answers, within


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that finds out within DB_CONNECT_TIMEOUT that the database does not answer, and remembers it.

    Each statement names the request that it is executed for.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(name_request)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect; raise DatabaseSilentError where the database does not answer, at once where that is known."""
        if not outage.may_ask():
            raise DatabaseSilentError(f"{outage.reason}; it was asked a moment ago")
        if outage.known and not pooled_server_answers():
            outage.begin()
            raise DatabaseSilentError("the database does not answer behind its pooler")
        try:
            with within(settings.DB_CONNECT_TIMEOUT):
                connection = super().get_new_connection(conn_params)
        except DatabaseSilentError:
            raise
        except BaseException as error:
            # A container that is stopped has no name, and each request would have the name servers look for it.
            if "could not translate host name" in str(error):
                outage.begin(str(error).strip())
            else:
                outage.end()
            raise
        outage.end()
        open_connections.add(connection)
        return connection

    def _close(self) -> None:
        """Close the connection, and have those that are open counted."""
        super()._close()  # type: ignore[misc]  # the stubs lack it
        open_connections.look()

    def is_usable(self) -> bool:
        """Return whether a connection that was kept from an earlier request still works.

        A server that went away has left something to read: its farewell, or the end of the stream. Looking costs 2
        microseconds, where Django's own check asks the server in every request. One that is silent is found out by the
        first statement, within the time that `time_limits` gives it.
        """
        status = self.connection.info.transaction_status
        if outage.known or status in {TRANSACTION_STATUS_INERROR, TRANSACTION_STATUS_UNKNOWN}:
            return False
        poller = select.poll()
        poller.register(self.connection.fileno(), select.POLLIN)
        return not poller.poll(0)

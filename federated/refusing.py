"""A refusal stands in a site's log once, however far it is passed on before the server is told its code."""

from __future__ import annotations

from policies.errors import ConfideError
from policies.events import Event
from policies.guard import Site

_LOGGED = "It stands in the audit log of this site."


def log_refusal(site: Site, error: ConfideError, event: Event = Event.RUN_REFUSED, **details: str | int) -> None:
    """Record why this site refuses, and note on the error that it is recorded."""
    site.guard.record(event, reason=error.message, **details)
    error.add_note(_LOGGED)


def is_logged(error: Exception) -> bool:
    """Whether a refusal stands in the log already."""
    return _LOGGED in getattr(error, "__notes__", ())

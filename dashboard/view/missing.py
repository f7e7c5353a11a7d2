"""Empty states: what is not there yet, and the command that makes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Missing:
    """An empty state: what is not there yet, and the command that makes it."""

    sentence: str
    command: str


NO_SITE = Missing("There is no hospital in this workspace yet.", "confide demo")
NO_NOTE = Missing("This hospital has no de-identified records yet, so there is no note to choose.", "confide deid")
NO_TEAM = Missing(
    "No patient of this hospital is one of yours: hospital IT or a data steward says who treats whom.",
    "confide care-team add PATIENT ACCOUNT",
)
NO_MODEL = Missing("There is no signed model to use, so this page shows facts without suggestions.", "confide train")
NO_RUN = Missing("This hospital has taken part in no training yet.", "confide train")
NO_REVIEW = Missing("No review of de-identified notes is open here.", "confide certify draw")
NO_ENTRY = Missing("Nothing was done here yet, so the log is empty.", "confide deid")
NO_SIGNED = Missing("There is no signed model in this workspace yet.", "confide train")
NO_FEDERATION = Missing(
    "This hospital has joined no federation of machines: trainings run on this machine alone.",
    "confide site init SITE\nconfide site join INVITATION\nconfide site start",
)
NO_PROPOSAL = Missing(
    "No plan waits here: the server of a federation proposes plans to hospitals that joined it and offered data.",
    "confide site offer DEID",
)
NO_JOB = Missing("Nothing was de-identified at this hospital yet.", "confide deid IN OUT")
NO_ACCOUNT = Missing(
    "There is no local account: people sign in with the hospital's own directory.", "confide users add NAME"
)
NO_CODES = Missing("No code system of this hospital has a name like this.", "confide codes import --help")

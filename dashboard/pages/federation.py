"""The federation of a hospital: who takes part, whether its node is well, and what protects it."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from dashboard.drawing.cards import pairs
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, open_page, permit, say_missing
from dashboard.view import federation as view
from dashboard.view.missing import NO_FEDERATION
from dashboard.view.training import TrainingView, spending, training
from dashboard.view.visit import Visit
from federated.provision.founding import read_roster
from federated.provision.roster import Roster
from policies.access import Action

_EVERY_S = 5


def health(found: view.Health, key: str) -> None:
    """Processes, each with its health; what to do where one is not well."""
    say = st.success if found.well else st.warning
    say(plain(found.sentence), icon=":material/check:" if found.well else ":material/warning:")
    if found.command:
        st.code(found.command, language="bash")
    if found.rows:
        st.dataframe(found.rows, key=key, hide_index=True, alt=f"{len(found.rows)} processes")


def newest(visit: Visit) -> TrainingView | None:
    """The newest run, in a line; the page 'Training' shows all of it."""
    with st.spinner("Reading the log"):
        run = training(visit.workspace, visit.site, spending(visit.site).plan)
    if run:
        st.caption(plain(f"Study {run.plan.study}: {run.standing(datetime.now(UTC))}"))
    else:
        st.caption("No round was ever begun here.")
    return run


def status(visit: Visit, roster: Roster) -> None:
    """What changes by itself: processes and rounds."""
    with as_sentences():
        permit(visit, Action.VIEW_TRAINING)
        health(view.health(visit.site.home.federation, "This hospital's node", "confide site start"), "node")
        run = newest(visit)
        counted = run.rounds[-1].sites if run and run.rounds else ()
        rows = view.site_rows(roster, counted)
        st.dataframe(rows, key="sites", hide_index=True, alt=f"{len(rows)} hospitals of the federation")


def server(visit: Visit) -> None:
    """The server, where it is in this workspace too."""
    if not visit.workspace.server.federation.roster.exists():
        return
    st.header("The server", anchor=False)
    with as_sentences():
        opened = visit.server
        found = view.health(opened.home.federation, "The server", "confide server start")
        health(found, "superlink")
        if found.well:
            with st.spinner("Asking who is connected"):
                rows = view.site_rows(read_roster(opened), None, view.online(opened))
            st.dataframe(rows, key="connected", hide_index=True, alt=f"{len(rows)} hospitals, connected or not")


def page(visit: Visit) -> None:
    """Who takes part and how they are; then what this hospital asks for, and what is installed."""
    permit(visit, Action.VIEW_TRAINING)
    log_view(visit, "federation")
    roster = view.federation(visit.site)
    if roster is None:
        say_missing(NO_FEDERATION)
        newest(visit)
    else:
        st.caption(plain(f"Federation {roster.federation}, server at {roster.address}"))

        @st.fragment(run_every=_EVERY_S)
        def live() -> None:
            status(visit, roster)

        live()
        st.subheader("Fingerprint", anchor=False)
        st.code(roster.fingerprint, language=None, wrap_lines=True)
        st.caption("Every hospital has the same digits; compare them over the telephone whenever you are in doubt.")
    server(visit)
    left, right = st.columns(2, gap="large")
    with left:
        st.header("What this hospital asks for", anchor=False)
        st.html(pairs(*view.rules(visit.site.guard.policy)))
    with right:
        st.header("Installed here", anchor=False)
        st.html(pairs(*view.versions()))


open_page("Federation", page)

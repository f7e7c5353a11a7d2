"""The audit log, verified on every load: its state, its entries, and epsilon recomputed from it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard import plots, view
from dashboard.pages import draw, log_view, open_page, permit, say_missing
from policies.access import Action, Purpose
from policies.events import Entry
from policies.guard import Site
from policies.workspace import Workspace


def filters(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The entries that were asked for."""
    events, actors, text = st.columns(3)
    return view.chosen_entries(
        entries,
        events.multiselect("Event", sorted({str(entry.event) for entry in entries}), key="events"),
        actors.multiselect("Actor", sorted({entry.actor for entry in entries}), key="actors"),
        text.text_input("Text in the details", key="search"),
    )


def exports(site: Site, origin: str, entries: tuple[Entry, ...]) -> None:
    """Buttons that make the file, and the entry about it, only when they are pressed."""
    left, right = st.columns(2)
    for place, form in ((left, "csv"), (right, "ndjson")):
        make = partial(view.export_audited, site.guard, origin, entries, form)
        name = f"audit-{origin}.{form}"
        place.download_button(f"Download as {form.upper()}", make, name, f"text/{form}", key=form, width="stretch")


def epsilon(site: Site, entries: tuple[Entry, ...]) -> None:
    """Epsilon from the log alone beside the ledger's."""
    st.header("Epsilon from this log", anchor=False)
    with st.spinner("Recomputing epsilon"):
        check = view.epsilon_check(entries, view.budget(site))
    left, right = st.columns(2)
    left.metric("From the log", check.log, border=True)
    right.metric("In the ledger", check.ledger, border=True)
    say = st.success if check.equal else st.error
    say(check.sentence)


def page(workspace: Workspace, site: Site) -> None:
    """State first; nothing of a log that does not verify is shown or exported."""
    permit(site, Action.VIEW_AUDIT, Purpose.OPERATIONS)
    origin = st.selectbox("Log of", view.logs_of(workspace, site), key="log")
    state = view.log_state(workspace, site, origin)
    if not state.verified:
        st.error(plots.plain(state.sentence))
        return
    st.success(plots.plain(state.sentence))
    log_view(site, "audit", log=origin)
    if not state.entries:
        say_missing(view.NO_ENTRY)
        return
    st.header("Entries", anchor=False)
    shown = filters(state.entries)
    rows = view.audit_rows(shown)
    st.dataframe(rows, key="entries", hide_index=True, alt=f"{len(rows)} entries of the audit log")
    st.caption(f"{len(rows)} of {len(shown)} entries found, of {len(state.entries)} in all; the newest first")
    exports(site, origin, shown)
    st.header("Activity", anchor=False)
    draw(plots.activity_plot(shown or state.entries), "activity")
    if origin == site.name:
        epsilon(site, state.entries)


open_page("Audit log", page)

"""The policy file as it says, read-only, with its hash and what was changed in it."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.cards import pairs
from dashboard.drawing.text import plain
from dashboard.pages import log_view, open_page, permit
from dashboard.view import settings as view
from dashboard.view.visit import Visit
from policies.access import Action


def page(visit: Visit) -> None:
    """Nothing is changed here: whoever may write the file decides, and the next start of anything logs what changed."""
    permit(visit, Action.VIEW_POLICY)
    log_view(visit, "settings")
    guard = visit.site.guard
    st.html(
        pairs(
            ("File", str(visit.workspace.policy)),
            ("Its SHA-256", guard.policy.digest),
            ("Access policy", guard.access.digest),
        )
    )
    for sentence in view.warnings(guard):
        st.warning(plain(sentence), icon=":material/warning:")
    st.header("As the file says", anchor=False)
    sections = view.sections(visit.workspace)
    chosen = st.selectbox("Section", sections, format_func=lambda section: section.name, key="section")
    st.code(chosen.text, language="toml", wrap_lines=True)
    st.caption("To change it, edit the file and run 'confide policy check'; docs/policy.md explains every key.")
    st.header("What was changed", anchor=False)
    with st.spinner("Reading the log"):
        rows = view.history(visit.site)
    if rows:
        st.dataframe(rows, key="history", hide_index=True, alt=f"{len(rows)} changes of a key")
    else:
        st.caption("Nothing since this hospital's log began.")


open_page("Settings", page)

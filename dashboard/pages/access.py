"""Who saw this patient: by account, and entry by entry."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.text import plain
from dashboard.pages import log_view, open_page, permit
from dashboard.pages.logs import entries, verified_log
from dashboard.view import access as view
from dashboard.view.visit import Visit
from policies.access import Action
from policies.wording import counted


def page(visit: Visit) -> None:
    """Ask for a pseudonym; the log says who asked, once the pseudonym is one that it knows."""
    permit(visit, Action.VIEW_AUDIT)
    st.caption("A patient is named here by pseudonym, as in the records and in the log. That you asked stands in it.")
    patient = st.text_input("Patient (pseudonym)", key="patient").strip()
    if not patient:
        return
    if (verified := verified_log(visit)) is None:
        return
    log, seen, left = verified
    if left:
        st.warning(f"{counted(left, 'entry')} are still being read; load this page again in a minute.")
    found = view.who_saw(log, patient)
    if not found.known:
        st.info(f"No entry of this log names {plain(patient)}. Compare the pseudonym with the records: it may be "
                "mistyped, or the patient is another hospital's.", icon=":material/info:")  # fmt: skip
        return
    log_view(visit, "access", patient=patient)
    people = view.accounts(found.openings)
    st.header(counted(len(people), "account"), anchor=False)
    if people:
        st.dataframe(people, key="accounts", hide_index=True, alt=f"{len(people)} accounts that opened something")
    else:
        st.info("Nobody opened anything of this patient.", icon=":material/info:")
    st.header("Entry by entry", anchor=False)
    every = st.toggle("Also what opened nothing, such as a consent or a decision that let somebody in", key="every")
    hits = found.every if every else found.openings
    entries(seen, hits, "about this patient", "entries")
    st.caption(f"{counted(len(hits), 'entry')}, the newest first. What was disclosed to others stands on the page "
               "Disclosures.")  # fmt: skip


open_page("Who saw this patient", page)

"""The patients of this hospital: found by name, with the timeline of their notes."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from clinical.patients import Closed, Listed
from dashboard.drawing.record import events_html
from dashboard.drawing.text import plain
from dashboard.pages import log_view, open_page, permit, say_missing
from dashboard.pages.care import (
    PATIENT,
    RECORD,
    WHOM,
    choose_patient,
    forget,
    patients,
    say_who,
    summary_of_patient,
    titles_of,
)
from dashboard.view.missing import NO_NOTE, NO_TEAM
from dashboard.view.patients import by_number, line_of, search, why_closed
from dashboard.view.record import events_by_note
from dashboard.view.visit import Visit
from policies.access import Action
from privacy.vault.break_glass import MOST_MINUTES, start

_MINUTES = 30


def choose(visit: Visit, listed: list[Listed]) -> None:
    """A search, and a button for each patient that fits."""
    words = st.text_input(WHOM, key="search", placeholder="Write some of it")
    found = search(listed, words, by_number(visit.site, listed, words))
    st.caption(found.sentence)
    for own in found.patients:
        chosen = own.patient == st.session_state.get(PATIENT)
        kind: Literal["primary", "secondary"] = "primary" if chosen else "secondary"
        if st.button(plain(line_of(own)), key=f"patient {own.patient}", type=kind, width="stretch", wrap=True):
            choose_patient(own.patient)
            st.rerun()


def break_glass(visit: Visit, patient: str, why: Closed) -> None:
    """In an emergency: a reason and an end, and a review by another person after."""
    st.warning(why_closed(why), icon=":material/lock:")
    with st.form("glass", border=False):
        reason = st.text_area("Why it must be now", key="reason", help="Kept sealed; whoever reviews it reads it.")
        minutes = st.number_input("For how many minutes", 1, MOST_MINUTES, _MINUTES, key="minutes")
        if st.form_submit_button("Break the glass", key="break"):
            start(visit.site, patient, reason, int(minutes))
            st.rerun()


def timeline(visit: Visit, patient: str) -> None:
    """The patient's notes, the newest first, each with what it announces and the way to it."""
    summary = summary_of_patient(visit, patient)
    titles, events = titles_of(visit.site, patient), events_by_note(summary)
    for record in [*events, *(one for one in titles if one not in events)]:
        with st.container(border=True):
            st.subheader(plain(titles.get(record, "A note")), anchor=False)
            if record in events:
                st.html(events_html(events[record]))
            if st.button("Open this note", key=f"open {record}"):
                st.session_state[RECORD] = record
                st.switch_page("pages/note.py")


def page(visit: Visit) -> None:
    """Search, then the patient who was chosen."""
    permit(visit, Action.VIEW_NOTE)
    listed = patients(visit)
    if not listed:
        say_missing(NO_NOTE)
        return
    if all(own.closed is Closed.OTHERS for own in listed):
        say_missing(NO_TEAM)
    log_view(visit, "patients", names=str(sum(own.person is not None for own in listed)))
    patient = st.session_state.get(PATIENT)
    chosen = next((own for own in listed if own.patient == patient), None)
    with st.expander("Find a patient", expanded=chosen is None):
        choose(visit, listed)
    if not chosen:
        return
    say_who(visit, chosen.patient)
    if chosen.closed:
        forget()
        break_glass(visit, chosen.patient, chosen.closed)
        return
    log_view(visit, "patients", patient=chosen.patient)
    if not chosen.notes:
        st.info("There is no note of this patient.", icon=":material/info:")
        return
    st.page_link("pages/record.py", label="Summary, results and questions", icon=":material/arrow_forward:")
    timeline(visit, chosen.patient)


open_page("Patients", page)

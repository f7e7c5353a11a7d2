"""A note for its clinician: what it says, what that supports, and why."""

from __future__ import annotations

from typing import Any

import streamlit as st

from clinical.gateway import extract_for_care, list_notes, open_note
from dashboard import plots, view
from dashboard.pages import NOTE_SLOT, as_sentences, once, open_page, permit, say_missing
from policies.access import Action, Conditions, Purpose
from policies.guard import Site
from policies.serving import in_use
from policies.workspace import Workspace
from privacy.consent_book import denied


@st.cache_resource(show_spinner="Opening the model", max_entries=2)
def condition_model(name: str, _signed: Any) -> Any:
    """A verified model, ready; its name is the hash of what was signed."""
    from clinical.diagnosis import ConditionModel  # brings torch

    return ConditionModel(_signed)


def model_of(site: Site, workspace: Workspace) -> tuple[Any, Any]:
    """The model in use, ready; one that does not verify is said, and the note is shown without suggestions."""
    with as_sentences():
        if signed := in_use(site, workspace):
            return signed, condition_model(signed.name, signed)
    return None, None


def choose(site: Site) -> dict[str, str]:
    """Pseudonyms of patient and record, or a pasted text; empty until something was chosen."""
    if st.radio("Which note", ("From the records", "Paste a text"), key="source", horizontal=True) == "Paste a text":
        with st.form("paste", border=False):
            text = st.text_area("For one look: it is not kept, and the log holds counts only", key="pasted", height=180)
            st.form_submit_button("Read it", key="read")
        return {"text": text} if text.strip() else {}
    if not (notes := view.notes_by_patient(list_notes(site))):
        say_missing(view.NO_NOTE)
        return {}
    left, right = st.columns(2)
    patient = left.selectbox("Patient", list(notes), index=None, placeholder="Choose a patient", key="patient")
    record = right.selectbox("Note", notes[patient], key="record") if patient else ""
    return {"patient": patient, "record": record} if record else {}


def read(site: Site, model: Any, chosen: dict[str, str]) -> tuple[str, plots.NoteView]:
    """Whose note it is, and the note drawn; both the look and the extraction are logged."""
    note = None if "text" in chosen else open_note(site, **chosen)
    text, source = (note.text, chosen) if note else (chosen["text"], {"source": "pasted"})
    return note.name if note else "Pasted text", plots.note_view(text, extract_for_care(site, text, model, source))


def forget_closed(site: Site, patient: str) -> None:
    """Drop what was read before a break-glass grant ended or the patient refused; reading it again is refused."""
    guard = site.guard
    under = Conditions(denied(site, patient), guard.grants.active(guard.actor, patient) is not None)
    if not guard.decide(Action.VIEW_NOTE, Purpose.TREATMENT, under).permitted:
        st.session_state.pop(NOTE_SLOT, None)


def page(workspace: Workspace, site: Site) -> None:
    """Choose, then the note beside what it supports, then its facts."""
    permit(site, Action.VIEW_NOTE, Purpose.TREATMENT)
    if not (chosen := choose(site)):
        return
    if "patient" in chosen:
        forget_closed(site, chosen["patient"])
    signed, model = model_of(site, workspace)
    with st.spinner("Reading the note"):
        who, drawn = once(NOTE_SLOT, (site.name, model and model.name, chosen), lambda: read(site, model, chosen))
    left, right = st.columns([3, 2], gap="large")
    left.header(plots.plain(who), anchor=False)
    left.html(plots.LEGEND + drawn.html)
    with right:
        st.header("What it may support", anchor=False)
        if not signed:
            say_missing(view.NO_MODEL)
        else:
            st.caption(plots.model_line(signed))
            st.html(drawn.conditions)
    st.header("Facts", anchor=False)
    st.dataframe(drawn.facts, key="facts", hide_index=True, alt=f"{len(drawn.facts)} facts read in the note")


open_page("Note", page)

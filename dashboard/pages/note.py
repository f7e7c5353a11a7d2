"""A note for its clinician: what it says, what that supports, and why."""

from __future__ import annotations

from typing import Any

import streamlit as st

from clinical.gateway import list_notes, open_note
from dashboard import plots, view
from dashboard.pages import NOTE_SLOT, as_sentences, current_site, once, say_missing
from policies.access import Action, Purpose
from policies.guard import Site
from policies.models import SignedModel
from policies.workspace import Workspace

RECORDS, PASTE = "From the records", "Paste a text"


@st.cache_resource(show_spinner="Opening the model", max_entries=2)
def condition_model(name: str, _signed: SignedModel) -> Any:
    """A verified model, ready; its name is the hash of what was signed."""
    from clinical.diagnosis import ConditionModel  # brings torch

    return ConditionModel(_signed)


def from_records(site: Site) -> tuple[Any, ...] | None:
    """The patient and record that were chosen."""
    notes = view.notes_by_patient(list_notes(site))
    if not notes:
        say_missing(view.NO_NOTE)
        return None
    left, right = st.columns(2)
    patient = left.selectbox("Patient", list(notes), index=None, placeholder="Choose a patient", key="patient")
    record = right.selectbox("Note", notes.get(patient, []), key="record", disabled=patient is None)
    return (patient, record) if patient and record else None


def pasted(site: Site) -> tuple[Any, ...] | None:
    """A text for one look; nothing of it is kept."""
    most = site.guard.policy.deidentification.largest_note_bytes
    with st.form("paste", border=False):
        text = st.text_area("Text of a note", key="pasted", height=180, max_chars=most)
        st.form_submit_button("Read it", key="read")
    st.caption("A one-off look: the text is not kept, and the log holds counts only.")
    return (text,) if text.strip() else None


def read(site: Site, model: SignedModel | None, chosen: tuple[Any, ...]) -> tuple[str, Any, Any]:
    """Whose note it is, its text and what was read in it."""
    ready = condition_model(model.name, model) if model else None
    if len(chosen) == 1:
        return "Pasted text", chosen[0], view.read_audited(site, chosen[0], ready, {"source": "pasted"})
    note = open_note(site, *chosen)
    source = {"patient": note.patient, "record": note.record}
    return note.name, note.text, view.read_audited(site, note.text, ready, source)


def show(who: str, drawn: plots.NoteView, model: SignedModel | None) -> None:
    """The note beside what it supports, and the table of facts."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.header(view.plain(who), anchor=False)
        st.html(plots.LEGEND + drawn.html)
    with right:
        st.header("What it may support", anchor=False)

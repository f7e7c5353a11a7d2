"""What the clinician's pages share: whose notes they show, the summary of these, and a note once it was read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from clinical.coding.library import Library
from clinical.gateway import export_for_care, extract_for_care
from clinical.patients import Listed, list_patients, may_view, notes_of, open_people, person_for
from dashboard.drawing.cards import model_line
from dashboard.drawing.note import KINDS, LEGEND, note_view
from dashboard.drawing.text import plain
from dashboard.pages import NOTE_SLOT, as_sentences, once, say_missing
from dashboard.view.missing import NO_MODEL
from dashboard.view.notes import ReadNote, likely_codes, note_titles
from dashboard.view.patients import name_of
from dashboard.view.visit import Visit
from policies.access import Purpose
from policies.guard import Site
from policies.serving import in_use
from policies.workspace import Workspace
from privacy.vault.person import Person

if TYPE_CHECKING:
    from clinical.record.summary import Summary

PATIENT, RECORD = "patient of this session", "note of this patient"
SUMMARY_SLOT, TALK_SLOT = "summary of this session", "questions of this session"
WHOM = "Name, date of birth, record number or pseudonym"
_NAMES_S = 300  # how long decrypted names are kept, in memory alone


@st.cache_resource(ttl=_NAMES_S, max_entries=16, show_spinner="Opening the list of patients")
def _people(root: str, site: str, account: str, access: str, _site: Site) -> dict[str, Person]:
    """Names for one account at one hospital, under one access policy; the list opens more into it."""
    return open_people(_site)


def people(visit: Visit) -> dict[str, Person] | None:
    """Who the patients are, where the purpose is their treatment."""
    if visit.purpose is not Purpose.TREATMENT:
        return None
    site = visit.site
    access = f"{visit.role} {site.guard.policy.digest} {site.guard.access.digest}"
    return _people(str(visit.workspace.root.resolve()), site.name, visit.account, access, site)


def patients(visit: Visit) -> list[Listed]:
    """Every patient, as the list shows them to whoever looks."""
    return list_patients(visit.site, people(visit))


def choose_patient(patient: str) -> None:
    """Show this patient from now on."""
    if st.session_state.get(PATIENT) != patient:
        forget()
    st.session_state[PATIENT] = patient


def forget(*slots: str) -> None:
    """Drop what was read: of the chosen patient, or what these slots hold."""
    for slot in slots or (RECORD, NOTE_SLOT, SUMMARY_SLOT, TALK_SLOT):
        st.session_state.pop(slot, None)


def chosen_patient(visit: Visit) -> str:
    """The pseudonym of the patient who was chosen, or the way to choose one.

    What was read before a break-glass grant ended, the patient refused or got another care team is dropped; reading it
    again is refused.
    """
    patient = str(st.session_state.get(PATIENT, ""))
    if patient and not may_view(visit.site, patient):
        forget(NOTE_SLOT, SUMMARY_SLOT, TALK_SLOT)
    if not patient:
        st.info("Choose a patient first.", icon=":material/info:")
        st.page_link("pages/patients.py", label="Go to the patients", icon=":material/arrow_forward:")
    return patient


def say_who(visit: Visit, patient: str) -> None:
    """The patient's name as a heading, where it may be shown."""
    person = person_for(visit.site, patient, people(visit))
    st.header(plain(name_of(Listed(patient, 0, person))), anchor=False)
    if person:
        known = (f"born {person.birth_date}" if person.birth_date else "", person.gender, f"pseudonym {patient}")
        st.caption(plain(" · ".join(filter(None, known))))


def summary_of_patient(visit: Visit, patient: str) -> Summary:
    """The summary of all notes of a patient, made and logged once."""
    from clinical.record.care import summarise_for_care

    with st.spinner("Reading all notes of this patient"):
        return once(SUMMARY_SLOT, (visit.site.name, patient), lambda: summarise_for_care(visit.site, patient))


def titles_of(site: Site, patient: str) -> dict[str, str]:
    """What each note of a patient is called; with dates once the summary was made."""
    kept = st.session_state.get(SUMMARY_SLOT)
    return note_titles(notes_of(site, patient), kept[1] if kept and kept[0] == (site.name, patient) else None)


@st.cache_resource(show_spinner="Opening the model", max_entries=2)
def _condition_model(name: str, _signed: Any) -> Any:
    """A verified model, ready; its name is the hash of what was signed."""
    from clinical.diagnosis import ConditionModel  # brings torch

    return ConditionModel(_signed)


def model_of(site: Site, workspace: Workspace) -> tuple[Any, Any]:
    """The model in use, ready; one that does not verify is said, and the note is shown without suggestions."""
    with as_sentences():
        if signed := in_use(site, workspace):
            return signed, _condition_model(signed.name, signed)
    return None, None


def read(visit: Visit, title: str, text: str, source: Mapping[str, str], model: Any) -> ReadNote:
    """A note with what was read in it; the reading is logged."""
    found = extract_for_care(visit.site, text, model, source)
    return ReadNote(title, text, source, found, likely_codes(found.facts, Library(visit.workspace.codes)))


def show(note: ReadNote, signed: Any, text_html: str = "") -> None:
    """The note beside what it may support, then its facts.

    Args:
        text_html: what stands in the place of the marked note.
    """
    kinds = st.pills("Mark", KINDS, selection_mode="multi", default=KINDS, key="kinds", disabled=bool(text_html))
    drawn = note_view(note.text, note.found, kinds or (), note.codes)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.header("The note", anchor=False)
        st.html(text_html or LEGEND + drawn.html)
    with right:
        st.header("What it may support", anchor=False)
        if not signed:
            say_missing(NO_MODEL)
        else:
            st.caption(model_line(signed))
            st.html(drawn.conditions)
    st.header("Facts", anchor=False)
    st.dataframe(drawn.facts, key="facts", hide_index=True, alt=f"{len(drawn.facts)} facts read in the note")


def offer_export(visit: Visit, note: ReadNote) -> None:
    """A button that makes the file, and the entry about it, only when it is pressed."""
    library = Library(visit.workspace.codes)
    make = partial(export_for_care, visit.site, note.text, note.found, note.source, library)
    st.download_button("Download what was read as FHIR", make, "note.fhir.json", "application/fhir+json", key="fhir")

"""A note from outside, for one look: it is not kept unless the clinician says for whom."""

from __future__ import annotations

import streamlit as st

from clinical.gateway import keep_note
from clinical.patients import Listed
from clinical.uploads import KINDS, Uploaded, read_upload
from dashboard.drawing.text import plain
from dashboard.pages import FILE_SLOT, LOOK_SLOT, log_view, once, open_page, permit
from dashboard.pages.care import (
    RECORD,
    WHOM,
    choose_patient,
    model_of,
    offer_export,
    patients,
    read,
    show,
)
from dashboard.view.notes import ReadNote
from dashboard.view.patients import by_number, line_of, search
from dashboard.view.visit import Visit
from policies.access import Action
from policies.files import sha256_hex

_PASTE, _UPLOAD = "Paste a text", "Upload a file"
_LARGEST_MB = 5


def given(largest: int) -> Uploaded | None:
    """What was pasted or uploaded; None until something was."""
    if st.radio("Where from", (_PASTE, _UPLOAD), key="source", horizontal=True) == _PASTE:
        with st.form("paste", border=False):
            text = st.text_area("The text", key="pasted", height=180, max_chars=largest)
            st.form_submit_button("Read it", key="read")
        return Uploaded(text) if text.strip() else None
    file = st.file_uploader(
        "Text, RTF, HTML, PDF or a FHIR DocumentReference", KINDS, key="file", max_upload_size=_LARGEST_MB
    )
    if file is None:
        return None
    data = file.getvalue()
    with st.spinner("Opening the file"):
        return once(FILE_SLOT, sha256_hex(data), lambda: read_upload(data, largest))


def own_patients(visit: Visit, words: str) -> list[Listed]:
    """Patients who fit and are open: a note is kept with no other."""
    mine = [own for own in patients(visit) if not own.closed]
    return list(search(mine, words, by_number(visit.site, mine, words)).patients)


def keep(visit: Visit, note: ReadNote) -> None:
    """Keep it after all, under one patient."""
    with st.expander("Keep this note with a patient"):
        words = st.text_input(WHOM, key="whose")
        fitting = own_patients(visit, words) if words.strip() else []
        chosen = st.selectbox(
            "Patient", range(len(fitting)), index=None, format_func=lambda n: line_of(fitting[n]), key="keep_for",
            placeholder="Choose a patient" if fitting else "Search first",
        )  # fmt: skip
        if st.button("Keep it", key="keep", disabled=chosen is None) and chosen is not None:
            patient = fitting[chosen].patient
            record = keep_note(visit.site, patient, note.text)
            choose_patient(patient)
            st.session_state[RECORD] = record
            st.switch_page("pages/note.py")


def page(visit: Visit) -> None:
    """Take it, read it, and forget it with the next page."""
    permit(visit, Action.EXTRACT)
    log_view(visit, "look")
    st.caption("For one look: the text is not kept, and the log holds counts only.")
    taken = given(visit.site.guard.policy.deidentification.largest_note_bytes)
    if not taken:
        return
    signed, model = model_of(visit.site, visit.workspace)
    key = (visit.site.name, model and model.name, taken)
    source = {"source": "pasted or uploaded"}
    with st.spinner("Reading the note"):
        note = once(LOOK_SLOT, key, lambda: read(visit, "A note from outside", taken.text, source, model))
    if taken.document:
        st.caption(plain(f"The file calls itself {taken.document}, of {taken.patient or 'nobody'}."))
    show(note, signed)
    offer_export(visit, note)
    keep(visit, note)


open_page("Look at a note", page)

"""A note for its clinician: what it says, what that supports, and why; and what the clinician says of that."""

from __future__ import annotations

from typing import Any

import streamlit as st

from clinical.coding.library import Library
from clinical.feedback import Feedback, Verdict, feedback_of, give
from clinical.gateway import deidentified, open_note
from dashboard.drawing.cards import pairs
from dashboard.drawing.note import plain_note
from dashboard.drawing.text import plain
from dashboard.pages import NOTE_SLOT, as_sentences, log_view, once, open_page, permit, say_missing
from dashboard.pages.care import RECORD, chosen_patient, model_of, offer_export, read, say_who, show, titles_of
from dashboard.view.feedback import Judged, feedback_rows, of_mention, of_suggestion
from dashboard.view.missing import NO_CODES
from dashboard.view.notes import ReadNote, code_rows, details_of, mention_line, statuses
from dashboard.view.visit import Visit
from policies.access import Action
from policies.guard import Site

_ORIGINAL, _RELEASED = "Original", "De-identified"
_GIVEN = "feedback of this session"
_VERDICTS = {Verdict.ACCEPTED: "It is right", Verdict.CORRECTED: "It should be …", Verdict.REJECTED: "It is wrong"}


def choose(site: Site, patient: str) -> str:
    """The pseudonym of one of the patient's notes."""
    titles = titles_of(site, patient)
    if not titles:
        st.info("There is no note of this patient.", icon=":material/info:")
        return ""
    records, before = list(titles), st.session_state.get(RECORD)
    place = records.index(before) if before in titles else 0
    record = str(st.selectbox("Note", records, index=place, format_func=titles.__getitem__, key="record"))
    st.session_state[RECORD] = record
    return record


def opened(visit: Visit, patient: str, record: str, model: Any) -> tuple[ReadNote, str]:
    """The note, read, and its de-identified form; both the look and the extraction are logged."""
    note = open_note(visit.site, patient, record)
    source = {"patient": patient, "record": record}
    return read(visit, note.name, note.text, source, model), deidentified(visit.site, note)


def judge(site: Site, note: ReadNote, judged: list[Judged]) -> None:
    """A form for one verdict."""
    with st.form("judge"):
        about = st.selectbox("What you judge", range(len(judged)), format_func=lambda n: judged[n].line, key="about")
        verdict = st.radio("Verdict", list(_VERDICTS), format_func=_VERDICTS.__getitem__, key="verdict")
        right = st.text_input("What it should be", key="right", help=f"Of a status one of {', '.join(statuses())}.")
        reason = st.text_input("Reason", key="why", help="Needed unless it is right. Kept with the patient's notes.")
        if st.form_submit_button("Send", key="send"):
            one, corrected = judged[about], verdict is Verdict.CORRECTED
            words = right if corrected else ""
            with as_sentences():
                give(
                    site,
                    Feedback(
                        **note.source, target=one.target, verdict=verdict, start=one.start, end=one.end, said=one.said,
                        model=one.model, right=words, reason=reason,
                    ),
                )  # fmt: skip
                st.session_state[_GIVEN] = st.session_state.get(_GIVEN, 0) + 1
                st.success("Thank you. It is kept with the patient's notes, and counted for this version.")


def look_closer(visit: Visit, note: ReadNote) -> None:
    """One mention or suggestion with all that is known of it, its codes, and what the clinician says of it."""
    mentions, suggestions = note.found.facts.mentions, note.found.suggestions
    lines = [*map(mention_line, mentions), *(f"{own.title} (suggested)" for own in suggestions)]
    st.header("Look closer, or correct it", anchor=False)
    chosen = st.selectbox(
        "Mention or suggestion", range(len(lines)), index=None, format_func=lines.__getitem__, key="closer",
        placeholder="Choose one",
    )  # fmt: skip
    if chosen is None:
        return
    left, right = st.columns(2, gap="large")
    if chosen < len(mentions):
        mention = mentions[chosen]
        with left:
            st.html(pairs(*details_of(mention, note.found.facts)))
            if st.toggle("Codes that fit", key="codes"):
                if rows := code_rows(mention, Library(visit.workspace.codes)):
                    st.dataframe(rows, hide_index=True, key="candidates", alt=f"{len(rows)} candidates")
                else:
                    say_missing(NO_CODES)
        judged = of_mention(mention, note.codes.get((mention.text, mention.kind)))
    else:
        judged = [of_suggestion(suggestions[chosen - len(mentions)], note.found.model)]
    with right:
        judge(visit.site, note, judged)


def given(site: Site, note: ReadNote) -> None:
    """What was said of this note before."""
    key = (site.name, tuple(note.source.items()), st.session_state.get(_GIVEN, 0))
    said = once("feedback of this note", key, lambda: feedback_of(site, **note.source))
    if said:
        with st.expander(f"What was said of this note ({len(said)})"):
            st.dataframe(feedback_rows(said), hide_index=True, key="given", alt=f"{len(said)} verdicts")


def page(visit: Visit) -> None:
    """Choose, then the note beside what it supports, its facts, and what is said of them."""
    permit(visit, Action.VIEW_NOTE)
    site = visit.site
    if not (patient := chosen_patient(visit)) or not (record := choose(site, patient)):
        return
    signed, model = model_of(site, visit.workspace)
    key = (site.name, model and model.name, patient, record)
    with st.spinner("Reading the note"):
        note, released = once(NOTE_SLOT, key, lambda: opened(visit, patient, record, model))
    say_who(visit, patient)
    form = st.segmented_control("Form", (_ORIGINAL, _RELEASED), default=_ORIGINAL, key="form")
    if form == _RELEASED:
        log_view(visit, "note", patient=patient, record=record, form="de-identified")
        st.caption(plain("As de-identification writes it under today's policy; facts and places are of the original."))
    show(note, signed, plain_note(released) if form == _RELEASED else "")
    offer_export(visit, note)
    look_closer(visit, note)
    given(site, note)


open_page("Note", page)

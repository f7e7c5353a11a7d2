"""A patient's whole record: what is open, the summary with quotations, results over time, and questions to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from clinical.record.care import Talk
from dashboard.drawing.record import answer_html, events_html, part_html, series_plot
from dashboard.drawing.text import plain
from dashboard.pages import draw, log_view, once, open_page, permit
from dashboard.pages.care import RECORD, TALK_SLOT, chosen_patient, say_who, summary_of_patient, titles_of
from dashboard.view.record import events_by_note, parts, series_of
from dashboard.view.visit import Visit
from policies.access import Action

if TYPE_CHECKING:
    from clinical.record.ask import Answer


def begun(visit: Visit, patient: str) -> tuple[Talk, list[Answer]]:
    return Talk(visit.site, patient), []


def questions(visit: Visit, patient: str, titles: dict[str, str]) -> None:
    """Questions that follow one another, the newest answer first."""
    talk, answers = once(TALK_SLOT, (visit.site.name, patient), lambda: begun(visit, patient))
    with st.form("ask", clear_on_submit=True):
        question = st.text_input("Your question", key="question", placeholder="Does she have a fever?", max_chars=500)
        asked = st.form_submit_button("Ask", key="ask")
    if asked and question.strip():
        with st.spinner("Looking through all notes"):
            answers.insert(0, talk.ask(question.strip()))
    st.caption(
        "Answers are quotations. A question may go on from the one before: “Since when?” The log has that you asked, "
        "not what."
    )
    for answer in answers:
        st.html(answer_html(answer, titles))
    if answers and st.button("Begin anew", key="anew"):
        st.session_state.pop(TALK_SLOT, None)
        st.rerun()


def page(visit: Visit) -> None:
    """The summary in tabs, each with the quotations that it rests on."""
    permit(visit, Action.VIEW_NOTE)
    if not (patient := chosen_patient(visit)):
        return
    summary = summary_of_patient(visit, patient)
    say_who(visit, patient)
    log_view(visit, "record", patient=patient)
    titles = titles_of(visit.site, patient)
    told, over_time, dates, ask = st.tabs(["Summary", "Results", "Timeline", "Ask"], key="tab")
    with told:
        for title, lines in parts(summary).items():
            st.html(part_html(title, lines, titles))
    with over_time:
        if found := series_of(summary):
            chosen = st.selectbox("Test", range(len(found)), format_func=lambda n: plain(found[n].name), key="test")
            draw(series_plot(found[chosen]), "series")
        else:
            st.info("No test has two values in these notes.", icon=":material/info:")
    with dates:
        for record, events in events_by_note(summary).items():
            st.subheader(plain(titles.get(record, "A note")), anchor=False)
            st.html(events_html(events))
            if st.button("Open this note", key=f"open {record}"):
                st.session_state[RECORD] = record
                st.switch_page("pages/note.py")
    with ask:
        questions(visit, patient, titles)


open_page("Record", page)

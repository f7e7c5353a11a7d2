"""A blind review: de-identified notes one after another, and what each still tells of somebody."""

from __future__ import annotations

import streamlit as st

from clinical.review import Review, ReviewNote, marks_of, next_note, submit
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, open_page, permit, say_missing
from dashboard.view import review as view
from dashboard.view.missing import NO_REVIEW
from dashboard.view.visit import Visit
from policies.access import Action
from policies.guard import Site
from privacy.guards.certificate import Mark

_MARKS = "marks of this session"


def mark(review: Review, note: ReviewNote, marks: list[Mark]) -> None:
    """A form for one finding; it adds to the marks."""
    with st.form("finding", clear_on_submit=True):
        words = st.text_input("Words that are left, as they are written in the note", key="words")
        category = st.selectbox("What they are", review.categories, key="category")
        if st.form_submit_button("Mark them", key="mark"):
            with as_sentences():
                marks += [found for found in marks_of(note.text, words, category) if found not in marks]


def judge(site: Site, review: Review, note: ReviewNote) -> None:
    """The note beside what is marked in it; the judgement is kept only when the last button is pressed."""
    kept = st.session_state.get(_MARKS)
    if kept is None or kept[0] != (site.name, review.id, note.record):
        kept = st.session_state[_MARKS] = ((site.name, review.id, note.record), [])
    marks: list[Mark] = kept[1]
    left, right = st.columns([3, 2], gap="large")
    left.code(note.text, language=None, wrap_lines=True)
    with right:
        mark(review, note, marks)
        if marks:
            st.dataframe(view.mark_rows(note.text, marks), key="marks", hide_index=True, alt=f"{len(marks)} marks")
            if st.button("Forget these marks", key="forget"):
                marks.clear()
                st.rerun()
        if st.button("Keep these marks" if marks else "Nothing left", key="done", type="primary"):
            submit(site, review, note.record, marks)
            st.rerun()
        st.caption("A note that was judged is not shown again. Nobody sees what you mark before two people are done.")


def page(visit: Visit) -> None:
    """Choose a review, then judge its notes one after another."""
    permit(visit, Action.REVIEW)
    site = visit.site
    if not (open_reviews := view.open_reviews(site)):
        say_missing(NO_REVIEW)
        return
    review = open_reviews[st.selectbox("Review", list(open_reviews), key="review")]
    log_view(visit, "review", review=review.id)
    st.caption(f"{plain(review.mode)} mode, legal basis {plain(review.legal_basis)}, drawn {review.drawn_on}")
    total = len(review.drawn)
    if note := next_note(site, review):
        st.progress((note.number - 1) / total, text=f"{note.number} of {total}")
        judge(site, review, note)
    else:
        st.progress(1.0, text=f"{total} of {total}")
        st.success(f"You have judged all {total} notes of this review.")


open_page("Review", page)

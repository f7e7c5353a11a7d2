"""Broken glass: who read against a refusal or off the care team, why, what they opened, and the review of it."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, open_page, permit
from dashboard.pages.logs import entries, verified_log
from dashboard.view import glass as view
from dashboard.view.visit import Visit
from policies.access import Action
from policies.typed import LONGEST_WORDS
from policies.wording import counted
from privacy.vault.break_glass import reveal, review


def opened(visit: Visit, one: view.GlassView) -> None:
    """What the log tells of the time of a grant."""
    if (verified := verified_log(visit)) is None:
        return
    log, seen, _ = verified
    hits = view.opened_under(log, one.grant)
    st.markdown(f"**{counted(len(hits), 'entry')}** of this account about this patient while it held")
    if hits:
        entries(seen, hits, "under this grant", "opened")


def judge(visit: Visit, one: view.GlassView) -> None:
    """The form of a review; the function is that of 'confide break-glass review'."""
    if one.own:
        st.info("You broke this glass, so another person has to review it.", icon=":material/info:")
        return
    with st.form("review", border=False):
        finding = st.text_area("Was it justified? What you find is sealed.", key=f"finding {one.grant.id}",
                               max_chars=LONGEST_WORDS)  # fmt: skip
        done = st.form_submit_button("Sign the review", key="sign", type="primary")
    if done:
        with as_sentences():
            review(visit.site, one.grant.id, finding)
            st.rerun()


def read(visit: Visit, one: view.GlassView) -> None:
    """One of them, with what was typed; the look is logged as one at the patient."""
    log_view(visit, "glass", patient=one.grant.patient, grant=one.grant.id)
    reason, finding = reveal(visit.site, one.grant)
    st.markdown(f"Reason: {plain(reason) or 'not kept: the patient was erased, or its file is gone'}")
    opened(visit, one)
    if one.grant.reviewed:
        st.markdown(f"Found by **{plain(one.grant.reviewer)}**: {plain(finding) or 'not kept'}")
    else:
        judge(visit, one)


def page(visit: Visit) -> None:
    """All of them, then the one that is chosen."""
    permit(visit, Action.REVIEW_BREAK_GLASS)
    log_view(visit, "glass")
    with st.spinner("Reading the grants"):
        found = view.glass(visit.site)
    if not found:
        st.info("Nobody broke the glass.", icon=":material/info:")
        return
    if owed := sum(not one.grant.reviewed for one in found):
        st.warning(
            f"{counted(owed, 'breaking', 'breakings')} of the glass without a review", icon=":material/e911_emergency:"
        )
    else:
        st.success("Every breaking of the glass was reviewed.", icon=":material/check:")
    st.dataframe([one.row for one in found], key="grants", hide_index=True, alt=counted(len(found), "grant"))
    st.header("One of them", anchor=False)
    by_id = {one.grant.id: one for one in found}
    chosen = st.selectbox("Grant", list(by_id), index=None, key="grant", placeholder="Choose one to open it",
                          format_func=lambda name: by_id[name].title)  # fmt: skip
    st.caption("Why the glass was broken is sealed. That you open it stands in the log, as a look at the patient.")
    if chosen:
        read(visit, by_id[chosen])


open_page("Broken glass", page)

"""De-identification certificates: which reviews go on, who is how far, and what was signed."""

from __future__ import annotations

from functools import partial

import streamlit as st

from clinical.review import sign
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, open_page, permit, say_missing
from dashboard.view import certificates as view
from dashboard.view.missing import NO_REVIEW
from dashboard.view.visit import Visit
from policies.access import Action
from policies.wording import counted


def signed(visit: Visit, one: view.ReviewState) -> None:
    """A statement whose signature was verified, and its file."""
    if one.statement is None:
        return
    st.success(f"Signed on {one.statement['date']} by {plain(one.statement['signed_by'])} with the key of "
               f"'{plain(one.statement['site'])}'; the signature verifies.", icon=":material/verified:")  # fmt: skip
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in view.sentences(one.statement)))
    rows = view.bound_rows(one.statement)
    st.dataframe(rows, key="bounds", hide_index=True, alt=f"{len(rows)} rows: what was left of each identifier")
    make = partial(view.handed_out, visit.site, one.review)
    st.download_button("Download the certificate", make, f"certificate-{one.review.id}.json", "application/json",
                       key="download")  # fmt: skip
    st.caption("Anybody checks it with 'confide certify verify FILE --key PUBLIC.pem'.")


def going_on(visit: Visit, one: view.ReviewState) -> None:
    """How far people are, not what they found; and the signature, once two are done."""
    for person in one.people:
        st.progress(person.done / person.of, text=f"{plain(person.reviewer)}: {person.done} of {person.of}")
    if not one.ready:
        st.info("Two accounts have to judge every note, each on the page Review, blind to the other.",
                icon=":material/info:")  # fmt: skip
    elif st.button("Sign the certificate", key="sign", type="primary"):
        with as_sentences():
            sign(visit.site, one.review)
            st.rerun()


def page(visit: Visit) -> None:
    """All of them, then one."""
    permit(visit, Action.CERTIFY)
    log_view(visit, "certificates")
    found = view.states(visit.site)
    if not found:
        say_missing(NO_REVIEW)
        return
    st.dataframe([one.row for one in found], key="reviews", hide_index=True, alt=counted(len(found), "review"))
    by_id = {one.review.id: one for one in found}
    one = by_id[st.selectbox("Review", list(by_id), key="review",
                             format_func=lambda name: f"{name}, {by_id[name].state}")]  # fmt: skip
    if one.statement is None:
        going_on(visit, one)
    else:
        signed(visit, one)
    st.caption("A new sample is drawn where the output lies: 'confide certify draw FOLDER --notes N'.")


open_page("Certificates", page)

"""Disclosures of a patient: the accounting that a patient may ask for, and what was disclosed without Confide."""

from __future__ import annotations

from datetime import date
from functools import partial

import streamlit as st

from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, once, open_page, permit
from dashboard.pages.logs import verified_log
from dashboard.view import disclosures as view
from dashboard.view.audit import Log
from dashboard.view.visit import Visit
from policies.access import Action, Purpose
from policies.decisions import purpose_text
from policies.logview import LogView
from policies.wording import counted
from privacy.vault.disclosures import record

_TOLD = "accounting of this session"


def account(visit: Visit, log: Log, seen: LogView) -> None:
    """The accounting of one patient; made, and logged, once for a pseudonym and a state of the log."""
    patient = st.text_input("Patient (pseudonym)", key="patient").strip()
    if not patient:
        return
    if log.index.knows(patient):  # else it may be a name
        log_view(visit, "disclosures", patient=patient)
    with st.spinner("Looking through six years"):
        of = (log.name, patient, view.state_of(log, patient))
        told = once(_TOLD, of, partial(view.account_for, log, seen, patient))
    if told.rows:
        rows = view.rows(told)
        st.dataframe(rows, key="rows", hide_index=True, alt=f"{counted(len(rows), 'disclosure')} in six years")
    for sentence in view.sentences(told, log):
        st.markdown(plain(sentence[:1].upper() + sentence[1:]) + ".")
    if told.rows:
        st.download_button("Download as CSV", view.as_csv(told), "disclosures.csv", "text/csv", key="csv")


def tell(visit: Visit) -> None:
    """Record what was disclosed without Confide, such as a report to a registry."""
    with st.form("disclosed", border=False):
        patient = st.text_input("Patient (pseudonym)", key="of")
        recipient = st.text_input("Who received it; its address, if known", key="recipient")
        what = st.text_input("A short description, with nothing of the record itself", key="what")
        purpose = st.selectbox("Purpose", list(Purpose), key="why", format_func=purpose_text)
        day = st.date_input("Day", "today", key="day", format="YYYY-MM-DD")
        done = st.form_submit_button("Record it", key="record", type="primary")
    if done and isinstance(day, date):
        with as_sentences():
            record(visit.site, patient.strip(), recipient=recipient, what=what, purpose=purpose, day=day)
            st.success("Recorded; it stands in the patient's accounting from now on.", icon=":material/check:")
    st.caption("It stands in the log as you type it, and nothing that stands there can be taken back.")


def page(visit: Visit) -> None:
    """The patient's own question first."""
    permit(visit, Action.RECORD_DISCLOSURE)
    log_view(visit, "disclosures")
    if (verified := verified_log(visit)) is None:
        return
    log, seen, _ = verified
    first, second = st.tabs(["Accounting of a patient", "Record a disclosure"])
    with first, as_sentences():
        account(visit, log, seen)
    with second:
        tell(visit)


open_page("Disclosures", page)

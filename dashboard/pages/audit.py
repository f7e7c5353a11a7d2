"""The audit log: whether it verifies, checked on every load; its entries, their export, and reviews of them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from functools import partial

import streamlit as st

from dashboard.drawing.cards import pairs
from dashboard.drawing.figures import activity_plot
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, draw, later, log_view, open_page, permit, say_missing
from dashboard.view import audit as view
from dashboard.view.missing import NO_ENTRY
from dashboard.view.visit import Visit
from policies.access import Action, Purpose
from policies.auditindex import Search
from policies.exports.query import Outcome, in_words
from policies.exports.reviews import LONGEST_FINDING
from policies.logview import LogView
from policies.wording import counted, to_the_second

_LOOK_S = 2
_SAMPLE = "entries to review"
_FORMS = {
    "CSV": (".csv", "text/csv"),
    "FHIR AuditEvent": (".ndjson", "application/fhir+ndjson"),
    "Syslog (RFC 5424)": (".syslog", "text/plain"),
    "PDF report": (".pdf", "application/pdf"),
    "Evidence folder": (".zip", "application/zip"),
}


@st.fragment(run_every=_LOOK_S)
def wait(log: view.Log, left: int) -> None:
    """Draw the page anew once the work in the background is done."""
    if not view.is_at_work(log):
        st.rerun()
    missed = f"; until then a search misses {counted(left, 'entry')}" if left else ""
    st.info(f"Every entry is being read and verified in the background{missed}.", icon=":material/hourglass_top:")


def check(visit: Visit, log: view.Log, size: int) -> None:
    """The button that reads every entry."""
    st.button("Read and verify every entry now", key="check", on_click=later(visit, view.check_now, log, size))


def state(visit: Visit, log: view.Log) -> LogView | None:
    """Whether the log verifies, what its witnesses say, and what a person should look at."""
    with st.spinner("Verifying the log"):
        found = view.log_state(log)
    if found.view is None:
        st.error(plain(found.sentence), icon=":material/gpp_bad:")
        if found.check:
            check(visit, log, 0)
        return None
    st.success(plain(found.sentence), icon=":material/verified_user:")
    if said := view.witnessed(log, found.view):
        show = st.info if said.enough else st.warning
        show(plain(said.sentence), icon=":material/group:")
    if found.warnings:
        with st.expander(f"{counted(len(found.warnings), 'warning')}: what verifies and yet wants a look"):
            st.markdown("\n".join(f"- {plain(warning)}" for warning in found.warnings))
    left, right = st.columns([3, 2], vertical_alignment="center")
    with right:
        check(visit, log, found.view.size)
    left.caption(view.when_checked(found.check))
    if view.is_at_work(log):
        wait(log, found.left)
    return found.view


def ask(log: view.Log) -> Search:
    """What is looked for."""
    events, actors = log.index.seen()
    kept = st.session_state
    text = st.text_input("Search the details", key="ask text", placeholder="a word, a pseudonym, a hash")
    with st.expander("Filters"):
        left, middle, right = st.columns(3)
        with left:
            event = st.selectbox("Event", _with(events, kept.get("ask event")), key="ask event",
                                 format_func=view.event_text)  # fmt: skip
            actor = st.selectbox("Account", _with(actors, kept.get("ask actor")), key="ask actor", format_func=_any)
        with middle:
            since = st.date_input("From (UTC)", None, key="ask since", format="YYYY-MM-DD")
            until = st.date_input("Until (UTC)", None, key="ask until", format="YYYY-MM-DD")
        with right:
            patient = st.text_input("Patient (pseudonym)", key="ask patient")
            outcome = st.selectbox("Outcome", ["", *Outcome], key="ask outcome", format_func=_any)
            purpose = st.selectbox("Purpose", ["", *Purpose], key="ask purpose", format_func=_any)
    first, last = (day.isoformat() if isinstance(day, date) else "" for day in (since, until))
    return Search(first, last, event, actor, patient.strip(), purpose, outcome, text.strip())


def fill(asked: Search) -> None:
    """Put a saved query into the form."""
    for name, value in asdict(asked).items():
        day = name in ("since", "until")
        st.session_state[f"ask {name}"] = (date.fromisoformat(value) if value else None) if day else value


def saved(visit: Visit, asked: Search) -> None:
    """Queries that this account kept; others do not see them."""
    with st.popover("Saved searches"), as_sentences():
        queries = view.saved(visit)
        every = queries.every()
        if chosen := st.selectbox("Saved search", list(every), None, key="saved", placeholder="none chosen"):
            st.caption(plain(in_words(every[chosen].words())))
            st.button("Open it", key="open", on_click=later(visit, fill, every[chosen]))
            st.button("Delete it", key="delete", on_click=later(visit, queries.delete, chosen))
        name = st.text_input("A name for the search as it stands", key="name")
        if st.button("Save it", key="save"):
            queries.save(name, asked)
            st.rerun()


def entries(visit: Visit, log: view.Log, seen: LogView, asked: Search) -> None:
    """What was found, as a figure, a table and files."""
    found = view.found(log, asked)
    st.markdown(f"**{found.total}** found: {plain(in_words(asked.words()))}")
    if not found.hits:
        return
    draw(activity_plot(found.activity), "activity")
    page = st.pagination(found.pages, key="page") if found.pages > 1 else 1
    rows = view.rows(seen, found.hits, page)
    alt = f"Entries of the audit log, page {page} of {found.pages}, the newest first"
    table = st.dataframe(rows, key="entries", hide_index=True, alt=alt, on_select="rerun", selection_mode="single-row")
    for chosen in table.selection.rows:
        st.html(pairs(*view.whole(seen, rows[chosen]["Number"])))
    st.caption(f"Choose a row to read it whole.{found.limit}")
    if log.holder.guard.decide(Action.EXPORT_AUDIT, visit.purpose).permitted:
        exports(log, asked, len(found.hits))


def exports(log: view.Log, asked: Search, hits: int) -> None:
    """Buttons that make the file, and the entry about it, only when they are pressed."""
    st.subheader("Hand them out", anchor=False)
    for place, (name, (form, kind)) in zip(st.columns(len(_FORMS)), _FORMS.items(), strict=True):
        place.download_button(
            name, partial(view.export, log, asked, form), f"audit-{log.name}{form}", kind,
            key=form, width="stretch", disabled=form == ".zip" and hits > view.MOST_PROVED,
        )  # fmt: skip
    st.caption(
        "Every entry that was found, read from the log and verified; that they were handed out stands in the log. The "
        f"evidence folder proves up to {view.MOST_PROVED} entries to a stranger: 'confide audit check' reads it."
    )


def reviews(log: view.Log, seen: LogView, asked: Search) -> None:
    """Draw a sample of what was found, look, and sign off (45 CFR 164.312(b))."""
    st.caption("A sample of what the search found is drawn by chance; what you find in it is sealed and signed off.")
    most = st.number_input("Entries to look at", 1, 1000, 20, key="most")
    if st.button("Draw a sample", key="draw"):
        with as_sentences():
            st.session_state[_SAMPLE] = (log.name, asked, *view.sample(log, seen, asked, int(most)))
    name, of, among, drawn = st.session_state.get(_SAMPLE, ("", None, 0, []))
    if (name, of) == (log.name, asked):
        st.dataframe([view.row(entry) for entry in drawn], key="sample", hide_index=True,
                     alt=f"{len(drawn)} entries to review")  # fmt: skip
        finding = st.text_area("What did you find?", key="finding", max_chars=LONGEST_FINDING)
        if st.button("Sign off", key="sign", type="primary"):
            with as_sentences():
                view.sign(log, asked, among, drawn, finding)
                del st.session_state[_SAMPLE]
                st.rerun()
    if done := view.reviewed(log, seen):
        st.subheader("Reviews so far", anchor=False)
        columns = ("Entry", "Time (UTC)", "By", "Looked at", "Asked for", "Found")
        rows = [(one.entry, to_the_second(one.time), one.reviewer, f"{len(one.sample)} of {one.found}",
                 one.query, one.finding) for one in done]  # fmt: skip
        st.dataframe([dict(zip(columns, row, strict=True)) for row in rows], key="reviews", hide_index=True,
                     alt=counted(len(rows), "review"))  # fmt: skip
    else:
        st.info("Nobody has reviewed this log yet.", icon=":material/info:")


def page(visit: Visit) -> None:
    """State first; nothing of a log that does not verify is shown or exported."""
    permit(visit, Action.VIEW_AUDIT)
    log = view.open_log(visit, st.selectbox("Log of", view.logs_of(visit), key="log"))
    if (seen := state(visit, log)) is None:
        return
    log_view(visit, "audit", log=log.name)
    if not seen.size:
        say_missing(NO_ENTRY)
        return
    asked = ask(log)
    for patient in view.patients_asked_about(log, asked):
        log_view(visit, "audit", log=log.name, patient=patient)
    saved(visit, asked)
    first, second = st.tabs(["Entries", "Reviews of the log"])
    with first:
        entries(visit, log, seen, asked)
    with second:
        reviews(log, seen, asked)


def _any(value: str) -> str:
    return value or "any"


def _with(values: list[str], chosen: str | None) -> list[str]:
    """What can be chosen, with what was chosen before."""
    return ["", *values, *([chosen] if chosen and chosen not in values else [])]


open_page("Audit log", page)

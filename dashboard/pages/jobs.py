"""De-identifications: how fast they were, and what was left out."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.figures import rates_plot
from dashboard.pages import draw, log_view, open_page, permit, say_missing
from dashboard.view import jobs as view
from dashboard.view.missing import NO_JOB
from dashboard.view.visit import Visit
from policies.access import Action


def newest(job: view.Job) -> None:
    """The numbers of the newest job."""
    st.header("Newest", anchor=False)
    row = job.row()
    names = ("State", "Records", "Records a second", "Identifiers replaced", "Left out")
    for place, name in zip(st.columns(len(names)), names, strict=True):
        place.metric(name, str(row[name]), border=True)


def problems(visit: Visit, found: tuple[view.Job, ...]) -> None:
    """What was left out, by kind, and where the places of each stand."""
    st.header("Left out", anchor=False)
    if not (kinds := view.left_out(found)):
        st.success("Every record of these jobs was used.", icon=":material/check:")
        return
    st.dataframe(kinds, key="kinds", hide_index=True, alt=f"{len(kinds)} kinds of problems")
    st.caption("docs/errors.md says what each means, and what to do.")
    if files := view.problem_files(visit.site):
        st.caption("Where each problem stands, these files on the hospital's machine say:")
        st.dataframe(files, key="files", hide_index=True, alt=f"{len(files)} files of problems")


def page(visit: Visit) -> None:
    """The newest job, all jobs, and what was left out."""
    permit(visit, Action.DEIDENTIFY)
    log_view(visit, "jobs")
    with st.spinner("Reading the log"):
        found = view.jobs(visit.site)
    if not found:
        say_missing(NO_JOB)
        return
    newest(found[0])
    st.header("All", anchor=False)
    rows = [job.row() for job in found]
    st.dataframe(rows, key="jobs", hide_index=True, alt=f"{len(rows)} de-identifications")
    st.caption("Seconds are from reading the export to signing the output; a job that was resumed counts anew.")
    if len(rates := view.rates(found)) > 1:
        draw(rates_plot(rates), "rates")
    problems(visit, found)


open_page("De-identification", page)

"""The privacy budget of the patients of this hospital: over time, and what each spending bought."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.figures import budget_plot
from dashboard.pages import as_sentences, draw, log_view, open_page, permit, say_missing
from dashboard.view import budget as view
from dashboard.view.missing import NO_RUN
from dashboard.view.training import Budget, budget
from dashboard.view.visit import Visit
from policies.access import Action
from policies.wording import counted


def numbers(spent: Budget) -> None:
    """What was spent, of what, and what is left."""
    first, second, third = st.columns(3)
    first.metric("Epsilon spent per patient", spent.spent, border=True)
    second.metric("Left under the cap", spent.left, border=True)
    third.metric("Delta, for the life of the cohort", f"{spent.delta:g}", border=True)


def recompute(visit: Visit, spent: Budget) -> None:
    """Epsilon from the log alone beside the ledger's, by two accountants; on request, since it takes seconds."""
    st.header("Does the log say the same?", anchor=False)
    if not st.button("Recompute epsilon from the log", key="recompute"):
        return
    with st.spinner("Recomputing epsilon"):
        check = view.epsilon_check(visit.site, spent)
    left, right = st.columns(2)
    left.metric("From the log", check.log, border=True)
    right.metric("In the ledger", check.ledger, border=True)
    say = st.success if check.equal else st.error
    say(check.sentence)


def page(visit: Visit) -> None:
    """The cohort of a budget is the patients of one hospital, whatever the study."""
    permit(visit, Action.VIEW_BUDGET)
    log_view(visit, "budget")
    site = visit.site
    with st.spinner("Reading ledger and log"):
        spent, studies = budget(site), view.studies(visit.workspace, site)
    numbers(spent)
    st.caption(f"The cohort: every patient of {site.name}, with all of their notes. All studies share this budget; a "
               "release that would exceed the cap is refused before it looks at a patient.")  # fmt: skip
    if not studies:
        say_missing(NO_RUN)
        return
    st.header("Over time", anchor=False)
    draw(budget_plot(view.points(site, studies), spent.cap), "budget")
    st.header("What each spending bought", anchor=False)
    st.dataframe([one.row for one in studies], key="studies", hide_index=True,
                 alt=f"{counted(len(studies), 'plan')} and what each took of the budget")  # fmt: skip
    with as_sentences():
        recompute(visit, spent)


open_page("Privacy budget", page)

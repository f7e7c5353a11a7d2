"""The newest training at a hospital: its rounds, its own loss, and what it cost of the privacy budget."""

from __future__ import annotations

import streamlit as st

from dashboard import plots, view
from dashboard.pages import ROLE_KEY, as_sentences, draw, log_view, open_page, permit, say_missing
from policies.access import Action
from policies.guard import Site
from policies.policy import Role
from policies.workspace import Workspace


def numbers(run: view.TrainingView) -> None:
    """The first line: study, rounds, bytes."""
    left, middle, right = st.columns(3)
    left.metric("Study", plots.plain(run.plan.study), border=True)
    middle.metric("Rounds done", run.done, border=True)
    right.metric("Sent by each hospital a round", run.size, border=True)


def rounds(run: view.TrainingView) -> None:
    """Loss and seconds by round."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Loss at this hospital", anchor=False)
        draw(plots.loss_plot(run.losses), "loss")
    with right:
        st.subheader("Seconds a round", anchor=False)
        draw(plots.seconds_plot(run.seconds), "seconds")


def plan(run: view.TrainingView, site: Site) -> None:
    """What was agreed to, and what protects it."""
    left, right = st.columns(2, gap="large")
    with left:
        st.header("The plan in plain words", anchor=False)
        st.markdown("\n".join(f"- {plots.plain(line)}" for line in run.words))
    with right:
        st.header("Protections in force", anchor=False)
        st.html(plots.protections_html(run.plan, site.guard.policy.training))


def epsilon(spent: view.Budget) -> None:
    """Epsilon after each booked release; the accountant takes a few seconds the first time."""
    with st.spinner("Recomputing epsilon"):
        epsilons = view.epsilon_after(spent.releases, spent.delta)
    st.metric("Epsilon spent", spent.spent_text(epsilons), border=True)
    draw(plots.epsilon_plot(epsilons, spent.cap), "epsilon")


def page(workspace: Workspace, site: Site) -> None:
    """The accountant comes last, though its place is above: the rest need not wait for it."""
    role = st.session_state.get(ROLE_KEY, Role.HOSPITAL_IT)
    permit(site, Action.VIEW_TRAINING, view.ROLES[role].purpose)
    spent = view.budget(site)
    run = view.training(workspace, site, spent.bookings)
    log_view(site, "training", plan=run.digest if run else "none")
    if run is None:
        say_missing(view.NO_RUN)
        return
    numbers(run)
    st.header("Rounds", anchor=False)
    rounds(run)
    st.header("Privacy budget", anchor=False)
    budget = st.container()
    plan(run, site)
    st.header("The model", anchor=False)
    with as_sentences():
        if model := view.model_of(workspace, run.digest):
            st.html(plots.card_html(model, site.name))
        else:
            st.caption("Not signed yet: a model is signed when the last round is done.")
    with budget:
        epsilon(spent)


open_page("Training", page)

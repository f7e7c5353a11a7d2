"""The newest training at a hospital: its rounds as they come, its own loss, and what it costs of the privacy budget."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from dashboard.drawing.cards import card_html, protections_html
from dashboard.drawing.figures import bytes_plot, epsilon_plot, loss_plot, seconds_plot
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, draw, log_view, open_page, permit, say_missing
from dashboard.view import training as view
from dashboard.view.missing import NO_RUN
from dashboard.view.visit import Visit
from policies.access import Action
from policies.guard import Site
from policies.workspace import Workspace

_LIVE_S, _IDLE_S = 3, 30  # how often the rounds are read anew while they come, and while they do not


def numbers(run: view.TrainingView, spent: view.Spending) -> None:
    """The first lines: study, rounds, budget, bytes, and where it stands."""
    named = {
        "Study": plain(run.plan.study),
        "Rounds done": run.done,
        "Epsilon spent": spent.spent,
        "Epsilon left": spent.left,
        "Sent, a round": run.size,
    }
    for place, (name, value) in zip(st.columns(len(named)), named.items(), strict=True):
        place.metric(name, value, border=True)
    st.progress(len(run.rounds) / run.plan.rounds, text=plain(run.standing(datetime.now(UTC))))
    if run.refusal:
        st.warning(plain(f"This hospital refused or failed, {run.refusal}"), icon=":material/warning:")


def plots(run: view.TrainingView, spent: view.Spending) -> None:
    """Loss, epsilon, seconds and bytes."""
    drawn = {
        "Loss at this hospital": ("loss", loss_plot(run.losses)),
        "Privacy budget": ("epsilon", epsilon_plot([float(epsilon) for epsilon in spent.logged], spent.cap)),
        "Seconds a round": ("seconds", seconds_plot([(one.number, one.seconds) for one in run.rounds])),
        "Sent by this hospital": ("bytes", bytes_plot([(one.number, one.size) for one in run.rounds])),
    }
    for row in (list(drawn)[:2], list(drawn)[2:]):
        for place, title in zip(st.columns(2, gap="large"), row, strict=True):
            with place:
                st.subheader(title, anchor=False)
                key, plot = drawn[title]
                draw(plot, key)


def rounds(visit: Visit) -> None:
    """What changes while a training goes on; the policy is asked each time that it is looked at."""
    with as_sentences():
        permit(visit, Action.VIEW_TRAINING)
        spent = view.spending(visit.site)
        if run := view.training(visit.workspace, visit.site, spent.plan):
            numbers(run, spent)
            plots(run, spent)


def plan(run: view.TrainingView, site: Site) -> None:
    """What was agreed to, and what protects it."""
    left, right = st.columns(2, gap="large")
    with left:
        st.header("The plan in plain words", anchor=False)
        st.markdown("\n".join(f"- {plain(line)}" for line in run.words))
    with right:
        st.header("Protections in force", anchor=False)
        st.html(protections_html(run.plan, site.guard.policy.training))


def model(workspace: Workspace, site: Site, run: view.TrainingView) -> None:
    """The card of what came of it, with its scores."""
    st.header("The model", anchor=False)
    with as_sentences():
        if signed := view.model_of(workspace, run.digest):
            st.html(card_html(signed, site.name))
            if scores := view.score_rows(signed):
                st.dataframe(scores, key="scores", hide_index=True, alt=f"{len(scores)} rows of scores")
                st.caption("Scores on made-up or public notes: a score on patients would be a release.")
        else:
            st.caption("Not signed yet: a model is signed when the last round is done.")


def page(visit: Visit) -> None:
    """The rounds, drawn anew by themselves; then what stays as it is."""
    permit(visit, Action.VIEW_TRAINING)
    with st.spinner("Reading the log"):
        run = view.training(visit.workspace, visit.site, view.spending(visit.site).plan)
    log_view(visit, "training", plan=run.digest if run else "none")
    if run is None:
        say_missing(NO_RUN)
        return
    every = _LIVE_S if run.goes_on(datetime.now(UTC)) else _IDLE_S

    @st.fragment(run_every=every)
    def live() -> None:
        rounds(visit)

    live()
    plan(run, visit.site)
    model(visit.workspace, visit.site, run)


open_page("Training", page)

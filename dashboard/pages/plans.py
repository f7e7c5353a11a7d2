"""Plans of studies: read in plain words what a hospital would agree to, what it costs, and approve or refuse it."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.cards import protections_html
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, once, open_page, permit, say_missing
from dashboard.view import plans as view
from dashboard.view.missing import NO_PROPOSAL
from dashboard.view.visit import Visit
from federated.plan import Plan
from policies.access import Action
from policies.guard import Site

_COST, _DONE = "cost of a plan", "what was decided"


def words(proposal: view.Proposal, site: Site) -> None:
    """What it says, beside what protects patients in it."""
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("In plain words", anchor=False)
        st.markdown("\n".join(f"- {plain(line)}" for line in proposal.words(site.name)))
    with right:
        st.subheader("Protections", anchor=False)
        st.html(protections_html(proposal.plan, site.guard.policy.training))


def cost(site: Site, plan: Plan) -> view.Cost:
    """What it takes of the budget, for good."""
    with st.spinner("Computing what it costs"):
        key = (plan.digest, site.guard.policy.digest, site.name, len(view.decisions(site)))
        found = once(_COST, key, lambda: view.cost(site, plan))
    named = {
        "Epsilon of each patient now": found.before,
        "After the plan, for good": found.after,
        "Left then": found.left,
    }
    for place, (name, value) in zip(st.columns(len(named)), named.items(), strict=True):
        place.metric(name, value, border=True)
    if found.obstacle:
        st.error(plain(f"This hospital cannot train by it: {found.obstacle}."), icon=":material/block:")
    return found


def approve(site: Site, plan: Plan, data: str) -> None:
    """Ask once more, then approve and prepare."""
    with st.popover("Approve", key="approve popover", width="stretch"):
        st.markdown(
            f"The plan trains on {plain(data)}. The budget is spent round by round, and nothing gives it back. "
            "Your approval is signed and stands in the audit log under your name."
        )
        agreed = st.button("Yes, approve this plan", key="approve", type="primary")
    if agreed:
        with as_sentences():
            bar = st.progress(0.0, text="Preparing the cohort")

            def show(read: int, total: int) -> None:
                bar.progress(read / max(total, 1), text=f"Preparing the cohort: {read} of {total} windows of notes")

            view.agree(site, plan, show)
            st.session_state[_DONE] = f"Plan {plan.digest[:16]} is approved; this hospital takes part as its node runs."
            st.rerun()


def refuse(site: Site, plan: Plan) -> None:
    """Say no, with a reason."""
    with st.popover("Refuse", key="refuse popover", width="stretch"):
        reason = st.radio("Why", view.REASONS, key="reason")
        if st.button("Yes, refuse this plan", key="refuse"):
            with as_sentences():
                view.refuse(site, plan, reason)
                st.session_state[_DONE] = f"Plan {plan.digest[:16]} is refused; tell the server's administrator."
                st.rerun()


def decide(visit: Visit, proposal: view.Proposal) -> None:
    """The two buttons, for whoever may decide."""
    site, plan = visit.site, proposal.plan
    found = cost(site, plan)
    if proposal.standing is view.Standing.APPROVED:
        st.success("This plan is approved here, and its cohort is prepared.", icon=":material/check:")
    elif not view.may_decide(site):
        st.info(plain(view.who_decides(site)), icon=":material/info:")
    else:
        data = view.data_of(site)
        left, right = st.columns(2)
        with left:
            if not found.obstacle:
                approve(site, plan, data)
        with right:
            if proposal.standing is not view.Standing.LAPSED:
                refuse(site, plan)


def page(visit: Visit) -> None:
    """Choose a plan, read it, decide; then what was decided before."""
    permit(visit, Action.VIEW_TRAINING)
    log_view(visit, "plans")
    if done := st.session_state.pop(_DONE, None):
        st.success(done, icon=":material/check:")
    with st.spinner("Reading the log"):
        found, refused = view.proposals(visit.site)
    for sentence in refused:
        st.error(plain(sentence), icon=":material/block:")
    if found:
        chosen = st.selectbox("Plan", found, format_func=lambda one: one.name, key="plan")
        words(chosen, visit.site)
        st.subheader("What it costs", anchor=False)
        with as_sentences():
            decide(visit, chosen)
    else:
        say_missing(NO_PROPOSAL)
    if rows := view.decisions(visit.site):
        st.header("What was decided before", anchor=False)
        st.dataframe(rows, key="decisions", hide_index=True, alt=f"{len(rows)} decisions about plans")


open_page("Plans", page)

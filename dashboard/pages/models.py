"""Signed models: which of them clinicians get, how two of them differ, and changing that."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.cards import card_html
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, open_page, permit, say_missing
from dashboard.view import models as view
from dashboard.view.missing import NO_SIGNED
from dashboard.view.visit import Visit
from policies.access import Action, Purpose
from policies.events import Event
from policies.models import SignedModel
from policies.serving import choose

_DONE = "what was done to the model in use"


def change(visit: Visit, found: view.Shelf, to: SignedModel, label: str, key: str) -> None:
    """A button that first says what it changes, and a second one that does it."""
    with st.popover(label, key=f"{key} popover", width="stretch"):
        st.markdown("\n".join(f"- {plain(line)}" for line in view.change_words(found, to, visit.site)))
        if st.button("Yes, change it", key=key, type="primary"):
            with as_sentences():
                done = choose(visit.site, visit.workspace, to)
                back = "goes back to" if done is Event.MODEL_ROLLED_BACK else "uses"
                st.session_state[_DONE] = f"{visit.site.name} {back} model {to.name}."
                st.rerun()


def in_use(visit: Visit, found: view.Shelf) -> None:
    """The model in use with its card, and the way back to the one before."""
    st.header("In use", anchor=False)
    if not found.used:
        st.warning("No model verifies, so clinicians get no suggestions.", icon=":material/warning:")
        return
    st.caption("Somebody chose it." if found.chosen else "It is the newest: nobody has chosen one here yet.")
    st.html(card_html(found.named(found.used), visit.site.name))
    if found.before and may_choose(visit):
        change(visit, found, found.before, f"Roll back to {found.before.name}", "rollback")


def compare(visit: Visit, found: view.Shelf) -> None:
    """Two cards side by side, and the choice of the one that is not in use."""
    st.header("Compare", anchor=False)
    names = [model.name for model in found.models]
    if len(names) < 2:
        st.caption("There is one model only; a second one to compare it with comes of the next training.")
        return
    left, right = st.columns(2)
    one = left.selectbox("Model", names, index=names.index(found.used) if found.used in names else 0, key="one")
    other = right.selectbox("Beside it", [name for name in names if name != one], key="other")
    rows = view.comparison(found.named(one), found.named(other), visit.site)
    shown = [{name: plain(cell) for name, cell in row.items()} for row in rows]  # a table's cells are Markdown
    st.table(shown, hide_index=True, alt=f"{len(rows)} facts of models {one} and {other}")
    to = other if other != found.used else one
    if to != found.used and may_choose(visit):
        change(visit, found, found.named(to), f"Use {to}", "use")


def may_choose(visit: Visit) -> bool:
    """Whether buttons are offered; the act itself asks again, and logs the answer."""
    return visit.site.guard.decide(Action.CHOOSE_MODEL, Purpose.OPERATIONS).permitted


def page(visit: Visit) -> None:
    """Every model is verified anew whenever the page is drawn."""
    permit(visit, Action.VIEW_MODELS)
    log_view(visit, "models")
    found = view.shelf(visit.workspace, visit.site)
    if done := st.session_state.pop(_DONE, None):
        st.success(done, icon=":material/check:")
    for sentence in found.refused:
        st.error(plain(sentence), icon=":material/block:")
    if not found.models:
        say_missing(NO_SIGNED)
        return
    rows = view.model_rows(found, visit.site)
    st.dataframe(rows, key="models", hide_index=True, alt=f"{len(rows)} signed models")
    in_use(visit, found)
    compare(visit, found)
    st.header("What clinicians said", anchor=False)
    if said := view.feedback_rows(visit.site):
        st.dataframe(said, key="feedback", hide_index=True, alt=f"{len(said)} counts of feedback")
    else:
        st.caption("Nothing yet: clinicians accept, correct or reject what a note's page shows them.")
    with st.spinner("Reading the log"):
        made = view.choices(visit.site)
    if made:
        st.header("What was chosen before", anchor=False)
        st.dataframe(made, key="choices", hide_index=True, alt=f"{len(made)} choices of a model")


open_page("Models", page)

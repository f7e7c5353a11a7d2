"""Accounts of the dashboard: who there is, and unlocking; they are made at the command line."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, open_page, permit, say_missing
from dashboard.view import accounts as view
from dashboard.view.missing import NO_ACCOUNT
from dashboard.view.visit import Visit
from policies.access import Action

_DONE = "what was unlocked"


def unlock(visit: Visit, names: list[str]) -> None:
    """Choose a locked account, and let it try again."""
    st.header("Unlock", anchor=False)
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    name = left.selectbox("Account that is locked", names, key="locked")
    if right.button("Unlock it", key="unlock", type="primary", width="stretch"):
        with as_sentences():
            view.unlock(visit, name)
            st.session_state[_DONE] = name
            st.rerun()
    st.caption("Ask the person first whether the wrong passwords were their own.")


def page(visit: Visit) -> None:
    """The list, and what can be done from here."""
    permit(visit, Action.MANAGE_ACCOUNTS)
    log_view(visit, "accounts")
    if done := st.session_state.pop(_DONE, None):
        st.success(plain(f"{done} may try again."), icon=":material/check:")
    if rows := view.account_rows(visit):
        st.dataframe(rows, key="accounts", hide_index=True, alt=f"{len(rows)} accounts")
    else:
        say_missing(NO_ACCOUNT)
    if names := view.locked(visit):
        unlock(visit, names)
    st.caption("Accounts are made and removed at the command line; roles stand under [people] in the policy file:")
    st.code("confide users add NAME\nconfide users password NAME\nconfide users remove NAME", language="bash")


open_page("Accounts", page)

"""The dashboard's entrance: who is here, in which role, at which hospital; then the pages of that role."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard.pages import NOTE_SLOT, SITE_KEY, as_sentences
from dashboard.view import ROLES, SIGN_IN, Visitor, plain, visitor
from policies.workspace import Workspace

_STYLE = Path(__file__).with_name("style.css")
_PAGES = {
    "note": ("pages/note.py", "Note", ":material/clinical_notes:"),
    "training": ("pages/training.py", "Training", ":material/model_training:"),
    "audit": ("pages/audit.py", "Audit log", ":material/fact_check:"),
}


def choose(here: Visitor) -> tuple[str, ...]:
    """The side bar; gives the names of the pages of the chosen role."""
    with st.sidebar:
        role = st.selectbox("Role", here.roles, format_func=lambda role: ROLES[role].title, key="role")
        st.selectbox("Hospital", here.sites, key=SITE_KEY, placeholder="none yet")
        st.markdown(f"Account: **{plain(here.account)}**  \nPurpose of use: {ROLES[role].purpose}")
        st.caption(SIGN_IN)
    return ROLES[role].pages


def main() -> None:
    """One run of the script."""
    st.set_page_config(page_title="Confide", page_icon=":material/shield_lock:", layout="wide")
    st.html(_STYLE)
    with as_sentences():
        pages = choose(visitor(Workspace.find()))
        chosen = st.navigation([st.Page(path, title=title, icon=icon) for path, title, icon in map(_PAGES.get, pages)])
        if chosen.title != "Note":
            st.session_state.pop(NOTE_SLOT, None)  # a note is kept only while it is looked at
        chosen.run()


if __name__ == "__main__":
    main()

"""The dashboard's entrance: who is here, in which role, at which hospital; then the pages of that role."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard.pages import NOTE_SLOT, ROLE_KEY, SITE_KEY, as_sentences
from dashboard.plots import plain
from dashboard.view import ROLES, SIGN_IN, Visitor, visitor
from policies.decisions import purpose_text
from policies.workspace import Workspace

_STYLE = Path(__file__).with_name("style.css")
# An icon of its own: for a material icon or an emoji the browser would ask a server outside.
_ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="64" height="64">
<path fill="#3987c9" d="M12 1 3 5v6c0 5.5 3.8 10.7 9 12 5.2-1.3 9-6.5 9-12V5z"/>
<path fill="#fff" d="M11 7h2v4h4v2h-4v4h-2v-4H7v-2h4z"/>
</svg>"""
# The addresses differ from the names of the files: Streamlit would run a file of that name in pages/ without this one.
_PAGES = {
    "note": ("Note", ":material/clinical_notes:", "patient-note"),
    "review": ("Review", ":material/rate_review:", "review-queue"),
    "training": ("Training", ":material/model_training:", "training-run"),
    "audit": ("Audit log", ":material/fact_check:", "audit-log"),
}


def page_of(name: str) -> StreamlitPage:
    """A page of the navigation."""
    title, icon, address = _PAGES[name]
    return st.Page(f"pages/{name}.py", title=title, icon=icon, url_path=address)


def choose(here: Visitor) -> tuple[str, ...]:
    """The side bar; gives the names of the pages of the chosen role."""
    with st.sidebar:
        role = st.selectbox("Role", here.roles, format_func=lambda role: ROLES[role].title, key=ROLE_KEY)
        st.selectbox("Hospital", here.sites, key=SITE_KEY, placeholder="none yet")
        st.markdown(f"Account: **{plain(here.account)}**  \nPurpose of use: {purpose_text(ROLES[role].purpose)}")
        st.caption(SIGN_IN)
    return ROLES[role].pages


def main() -> None:
    """One run of the script."""
    st.set_page_config(page_title="Confide", page_icon=_ICON, layout="wide")
    st.html(_STYLE)
    with as_sentences():
        pages = choose(visitor(Workspace.find()))
        chosen = st.navigation([page_of(name) for name in pages])
        if chosen.title != "Note":
            st.session_state.pop(NOTE_SLOT, None)  # a note is kept only while it is looked at
        chosen.run()


if __name__ == "__main__":
    main()

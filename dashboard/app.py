"""The dashboard's entrance: who is here, as what and for what; then the pages that this opens."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard import signin
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, enter, forget_others, say_missing
from dashboard.view.missing import NO_SITE
from dashboard.view.visit import PAGES, PageView, Visit, choices, ordered
from policies.decisions import purpose_text, role_text
from policies.errors import AccessDenied, ConfideError
from policies.sessions import Choice, Session
from policies.workspace import Workspace

_STYLE = Path(__file__).with_name("style.css")
_LOOK_S = 15  # how often a page that nobody touches looks whether it may stay on the screen
# An icon of its own: for a material icon or an emoji the browser would ask a server outside.
_ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="64" height="64">
<path fill="#3987c9" d="M12 1 3 5v6c0 5.5 3.8 10.7 9 12 5.2-1.3 9-6.5 9-12V5z"/>
<path fill="#fff" d="M11 7h2v4h4v2h-4v4h-2v-4H7v-2h4z"/>
</svg>"""


def found(workspace: Workspace) -> tuple[str, Session] | None:
    """The session of this browser, with its token: of the form's cookie, or of OpenID Connect."""
    kept = signin.sessions(workspace)
    name = signin.cookie_of(st.context.url or "")
    if (token := st.context.cookies.get(name)) and (session := kept.find(token)):
        return token, session
    if st.user.get("is_logged_in"):
        claims = st.user.to_dict()
        signin.sign_in_with(workspace, claims)
        if session := kept.find(token := signin.token_of(claims)):
            return token, session
    return None


def say_ended() -> None:
    """What is shown to a browser without a session, and nothing else."""
    if st.user.get("is_logged_in"):
        st.info("Your session ended.", icon=":material/lock:")
        st.button("Sign in again", on_click=st.logout)
    elif st.query_params.get("signin") == "openid":
        st.login()
    else:
        st.info("You are not signed in, or your session ended.", icon=":material/lock:")
        st.html('<a href="/signin" target="_self">Sign in</a>')


@st.fragment(run_every=_LOOK_S)
def keep_watch(workspace: Workspace, token: str, choice: Choice | None) -> None:
    """Take the page off the screen once the session ended, or acts as something else; looking is no activity."""
    try:
        found = signin.sessions(workspace).find(token, active=False)
    except ConfideError:
        found = None  # what cannot be looked up is said in the place of the page
    if found is None or found.choice != choice:
        st.rerun()


def choose(workspace: Workspace, token: str, session: Session) -> None:
    """Ask as what, for what and where; whoever has no choice is not asked."""
    offered = choices(workspace, session)
    if not offered:
        raise AccessDenied("no page is open to your roles", "Ask the compliance officer; see 'confide policy explain'.")
    chosen = offered[0]
    if len(offered) > 1:
        st.title("What are you here for?", anchor=False)
        role = st.radio("Role", ordered(own.role for own in offered), format_func=role_text, key="role")
        offered = [own for own in offered if own.role == role]
        purpose = st.radio(
            "Purpose of use", ordered(own.purpose for own in offered), format_func=purpose_text, key="purpose"
        )
        site = st.selectbox("Hospital", ordered(own.site for own in offered), key="site")
        chosen = next(own for own in offered if (own.purpose, own.site) == (purpose, site))
        st.caption("What you choose stands in the audit log, and decides what you see.")
        if not st.button("Go on", type="primary", key="choose"):
            return
    signin.choose(workspace, token, session, chosen)
    st.rerun()


def leave(workspace: Workspace, token: str) -> None:
    """Sign out."""
    st.session_state.clear()
    signin.sign_out(workspace, token)
    if st.user.get("is_logged_in"):
        st.logout()


def who(visit: Visit) -> None:
    """The side bar: account, role, purpose, hospital and policy."""
    with st.sidebar:
        lines = {
            "Account": visit.account,
            "Role": role_text(visit.role),
            "Purpose of use": purpose_text(visit.purpose),
            "Hospital": visit.site.name,
            "Policy": visit.site.guard.policy.digest[:16],
        }
        st.markdown("  \n".join(f"{name}: **{plain(value)}**" for name, value in lines.items()))
        st.button("Sign out", key="leave", on_click=partial(leave, visit.workspace, visit.token), width="stretch")
        forget = partial(signin.forget_choice, visit.workspace, visit.token)
        st.button("Change role or purpose", key="change", on_click=forget, width="stretch")


def page_of(page: PageView, offered: bool) -> StreamlitPage:
    """A page; one that is not offered can be reached by its address, and says why it does not open."""
    shown: Literal["visible", "hidden"] = "visible" if offered else "hidden"
    icon, file = f":material/{page.icon}:", f"pages/{page.name}.py"
    return st.Page(file, title=page.title, icon=icon, url_path=page.address, visibility=shown)


def show(workspace: Workspace, session: Session, choice: Choice, token: str) -> None:
    """The pages of a visit."""
    visit = Visit(workspace, session.account, choice, token)
    enter(visit)
    who(visit)
    pages = {own: page_of(own, own in visit.pages) for own in PAGES}
    sections = {"": [entrance(partial(st.switch_page, pages[visit.pages[0]]))]}
    for own, page in pages.items():
        sections.setdefault(own.section if own in visit.pages else "", []).append(page)
    chosen = st.navigation(sections, expanded=True)
    forget_others(next((own.name for own, page in pages.items() if page == chosen), ""))
    chosen.run()


def entrance(leads_on: Callable[[], None]) -> StreamlitPage:
    """The page without an address, so that each of the others keeps its own."""
    return st.Page(leads_on, title="Confide", url_path="entrance", default=True, visibility="hidden")


def instead(content: Callable[[], None]) -> None:
    """This and no page, at whatever address: once somebody signed in and chose, the address leads on."""
    st.navigation([entrance(content), *(page_of(own, False) for own in PAGES)], position="hidden")  # none is run
    content()


def main() -> None:
    """One run of the script."""
    st.set_page_config(page_title="Confide", page_icon=_ICON, layout="wide")
    st.html(_STYLE)
    with as_sentences():
        workspace = Workspace.find()
        here = found(workspace)
        if here is None:
            st.session_state.clear()
            instead(say_ended)
            return
        token, session = here
        keep_watch(workspace, token, session.choice)
        if not workspace.sites():
            instead(partial(say_missing, NO_SITE))
        elif session.choice:
            show(workspace, session, session.choice, token)
        else:
            instead(partial(choose, workspace, token, session))


if __name__ == "__main__":
    main()

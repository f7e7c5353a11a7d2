"""What every page does the same way: which hospital, errors as sentences, empty states, and one audit entry a view."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import streamlit as st

from dashboard.plots import Plot, plain
from dashboard.view import NO_SITE, Missing
from policies.access import Action, Purpose
from policies.errors import ConfideError
from policies.events import Event
from policies.guard import Site, open_site
from policies.workspace import Workspace

Made = TypeVar("Made")
SITE_KEY = "site"
ROLE_KEY = "role"
NOTE_SLOT = "note of this session"
_VIEWS = "views that were logged"
_PERMITTED = "decisions that were logged"


@contextmanager
def as_sentences() -> Iterator[None]:
    """Show an error as a sentence and what to do, and end the block there.

    The message of an error that nobody foresaw could hold text of a record, so only its kind and place are shown.
    """
    try:
        yield
    except ConfideError as error:
        st.error(f"{plain(error.message)}  \n{plain(error.hint)}", icon=":material/block:")
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = plain(f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}")
        st.error(f"A fault of Confide: {place}  \nPlease report it.", icon=":material/error:")


def say_missing(missing: Missing) -> None:
    """An empty state: what is missing, and the command that makes it."""
    st.info(missing.sentence, icon=":material/info:")
    st.code(missing.command, language="bash")


def open_page(title: str, page: Callable[[Workspace, Site], None]) -> None:
    """Show a page for the hospital chosen in the side bar."""
    st.title(title, anchor=False)
    with as_sentences():
        workspace = Workspace.find()
        name = st.session_state.get(SITE_KEY) or next((home.name for home in workspace.sites()), None)
        if name is None:
            say_missing(NO_SITE)
        else:
            page(workspace, open_site(workspace, name))


def permit(site: Site, action: Action, purpose: Purpose) -> None:
    """Ask the access policy whenever the script runs; what it permits is logged once in a session.

    Raises:
        AccessDenied: it does not permit it.
    """
    logged = st.session_state.setdefault(_PERMITTED, set())
    question = (site.name, action, purpose, site.guard.policy.digest, site.guard.access.digest)
    if question not in logged or not site.guard.decide(action, purpose).permitted:
        site.guard.permit(action, purpose)
        logged.add(question)


def log_view(site: Site, page: str, **selection: str) -> None:
    """One audit entry for a page and a selection in a session, whatever reruns."""
    logged = st.session_state.setdefault(_VIEWS, set())
    view = (site.name, page, *selection.items())
    if view not in logged:
        site.guard.record(Event.PAGE_VIEWED, page=page, **selection)
        logged.add(view)


def once(slot: str, key: object, make: Callable[[], Made]) -> Made:
    """What was made for this selection; a rerun neither makes nor logs it again, another selection forgets it."""
    kept = st.session_state.get(slot)
    if kept is None or kept[0] != key:
        st.session_state.pop(slot, None)
        kept = st.session_state[slot] = (key, make())
    made: Made = kept[1]
    return made


def draw(plot: Plot, key: str) -> None:
    """A figure with its caption, which is also what a screen reader says."""
    st.plotly_chart(plot.figure, key=key, config={"displayModeBar": False}, alt=plot.caption)
    st.caption(plot.caption)

"""What every page does the same way: which hospital, errors as sentences, empty states, and one audit entry a view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st

from dashboard.plots import Plot
from dashboard.view import NO_SITE, Missing, plain
from policies.audit import Event
from policies.errors import ConfideError
from policies.guard import Site, open_site
from policies.workspace import Workspace

Made = TypeVar("Made")
SITE_KEY = "site"
NOTE_SLOT = "note of this session"
_VIEWS = "views that were logged"


@contextmanager
def as_sentences() -> Iterator[None]:
    """Show an error of ours as its sentence and its hint, and end the block there."""
    try:
        yield
    except ConfideError as error:
        st.error(f"{plain(error.message)}  \n{plain(error.hint)}", icon=":material/block:")


def say_missing(missing: Missing) -> None:
    """An empty state: what is missing, and the command that makes it."""
    st.info(missing.sentence, icon=":material/info:")
    st.code(missing.command, language="bash")


def current_site(workspace: Workspace) -> Site | None:
    """The hospital chosen in the side bar; None, said on the page, where there is none."""
    name = st.session_state.get(SITE_KEY) or next((home.name for home in workspace.sites()), None)
    if name is None:
        say_missing(NO_SITE)
        return None
    return open_site(workspace, name)


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

"""What every page does the same way: who looks, errors as sentences, empty states, and one audit entry a view."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import streamlit as st

from dashboard.drawing.figures import Plot
from dashboard.drawing.text import plain
from dashboard.view.missing import Missing
from dashboard.view.visit import Visit
from policies.access import Action
from policies.errors import ConfideError
from policies.events import Event

Made = TypeVar("Made")
NOTE_SLOT = "note of this session"
LOOK_SLOT, FILE_SLOT = "text of one look", "file of one look"
_KEPT_BY = {"note": (NOTE_SLOT,), "look": (LOOK_SLOT, FILE_SLOT)}
_VISIT = "visit"
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


def enter(visit: Visit) -> None:
    """Keep who looks for the pages of this run; what was kept for another visit is forgotten."""
    if st.session_state.get(_VISIT) != visit:
        st.session_state.clear()
    st.session_state[_VISIT] = visit


def forget_others(page: str) -> None:
    """A text is kept only while its own page is looked at."""
    for name, slots in _KEPT_BY.items():
        for slot in slots if name != page else ():
            st.session_state.pop(slot, None)


def open_page(title: str, page: Callable[[Visit], None]) -> None:
    """Show a page to whoever entered."""
    st.title(title, anchor=False)
    with as_sentences():
        page(st.session_state[_VISIT])


def permit(visit: Visit, action: Action) -> None:
    """Ask the access policy whenever the script runs; what it permits is logged once in a session.

    Raises:
        AccessDenied: it does not permit it, or the session ended while a part of the page drew itself anew.
    """
    visit.still()
    guard = visit.site.guard
    logged = st.session_state.setdefault(_PERMITTED, set())
    question = (action, visit.purpose, guard.policy.digest, guard.access.digest)
    if question not in logged or not guard.decide(action, visit.purpose).permitted:
        guard.permit(action, visit.purpose)
        logged.add(question)


def later(visit: Visit, act: Callable[..., object], *words: object) -> Callable[[], None]:
    """What a widget may call: it comes before the run that would find out that the session ended."""

    def done() -> None:
        with as_sentences():
            visit.still()
            act(*words)

    return done


def log_view(visit: Visit, page: str, **selection: str) -> None:
    """One audit entry for a page and a selection in a session, whatever reruns."""
    logged = st.session_state.setdefault(_VIEWS, set())
    view = (page, *selection.items())
    if view not in logged:
        visit.site.guard.record(Event.PAGE_VIEWED, page=page, **selection)
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
    st.caption(plain(plot.caption))

"""What the pages share that look something up in the hospital's log: nothing of one that does not verify is shown."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.drawing.text import plain
from dashboard.view.audit import ON_A_PAGE, Log, log_state, open_log, rows
from dashboard.view.visit import Visit
from policies.auditindex import Hit
from policies.logview import LogView
from policies.wording import counted


def verified_log(visit: Visit) -> tuple[Log, LogView, int] | None:
    """The log, verified now, and how many entries its index lacks; None, and why is said, where it does not verify."""
    log = open_log(visit)
    with st.spinner("Verifying the log"):
        state = log_state(log)
    if state.view is None:
        st.error(plain(state.sentence), icon=":material/gpp_bad:")
        return None
    return log, state.view, state.left


def entries(seen: LogView, hits: Sequence[Hit], about: str, key: str) -> None:
    """What was found, a hundred to a page, read from the log itself, the newest first."""
    pages = max(1, -(-len(hits) // ON_A_PAGE))
    number = st.pagination(pages, key=f"{key} page") if pages > 1 else 1
    alt = f"{counted(len(hits), 'entry')} {about}, page {number} of {pages}, the newest first"
    st.dataframe(rows(seen, hits, number), key=key, hide_index=True, alt=alt)

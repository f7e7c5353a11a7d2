"""The policy: who may do what in plain words, what changed, what a proposed one would change, and documents from it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial

import streamlit as st

from dashboard.drawing.cards import pairs
from dashboard.drawing.text import plain
from dashboard.pages import as_sentences, log_view, once, open_page, permit
from dashboard.view import policy as view
from dashboard.view.audit import Log, log_state, open_log
from dashboard.view.visit import Visit
from policies.access import Access, Action
from policies.logview import LogView
from policies.policy import Policy
from policies.proposed import LARGEST
from policies.wording import counted

_SINCE = "first day of a replay"


@st.cache_data(show_spinner="Asking the policy about every case", max_entries=8)
def explained(digests: tuple[str, str], _policy: Policy, _access: Access) -> view.Explained:
    """Kept for as long as neither file changes."""
    return view.explained(_policy, _access)


def in_words(visit: Visit) -> None:
    """Who may do what, found out by asking the access policy about every case."""
    guard = visit.site.guard
    told = explained((guard.policy.digest, guard.access.digest), guard.policy, guard.access)
    for warning in told.odd:
        st.warning(plain(warning), icon=":material/warning:")
    for who, sentences in told.may:
        st.markdown("\n".join([f"**{plain(who)}**", "", *(f"- {plain(sentence)}" for sentence in sentences)]))


def changes(log: Log, seen: LogView) -> None:
    """What the policy said before."""
    rows = view.history(log, seen)
    st.dataframe(rows, key="history", hide_index=True, alt=f"{counted(len(rows), 'change')}, the newest first")
    st.caption("The first policy of a log is a change of every key. Copies of each policy are kept beside the log.")


def proposal() -> bytes:
    """What was uploaded, else what was pasted."""
    file = st.file_uploader("Upload a proposed access.cedar", type=["cedar", "txt"], key="file", max_upload_size=1)
    pasted = st.text_area("or paste it", key="pasted", height=160, max_chars=LARGEST)
    data: bytes = file.getvalue() if file else pasted.encode()
    return data


def replay(log: Log, seen: LogView) -> None:
    """Decide again what the log says was decided; nothing changes by it."""
    st.caption("What the log says was decided is decided again under the proposed rules. Nothing changes by it.")
    data = proposal()
    since = st.date_input("Decisions from (UTC)", _month_ago(), key="since", format="YYYY-MM-DD")
    if not st.button("Replay", key="replay", type="primary", disabled=not data) or not isinstance(since, date):
        return
    with st.spinner("Deciding again"):
        found = view.replayed(log, seen, data, since)
    left_out = (
        f"; {counted(found.left_out, 'denial is', 'denials are')} not the access policy's" if found.left_out else ""
    )
    st.markdown(f"**{counted(found.decisions, 'decision')}** since {since}, "
                f"**{counted(len(found.changes), 'kind')}** would change{left_out}.")  # fmt: skip
    if found.changes:
        rows = view.change_rows(found.changes)
        st.dataframe(
            rows, key="changes", hide_index=True, alt=f"{counted(len(rows), 'kind')} of decision that would change"
        )


def documents(visit: Visit, log: Log) -> None:
    """Markdown with what is known filled in, and the rest marked."""
    st.caption(
        "What the policy, the ledger and the log know is filled in; what people must write is marked [WRITE: ...]."
    )
    for kind, title in view.DOCUMENTS.items():
        make = partial(view.document, log, visit.site, kind)
        st.download_button(title, make, f"{kind}-{visit.site.name}.md", "text/markdown", key=str(kind))


def page(visit: Visit) -> None:
    """What may be read by all who may read the policy; history and replay by those who may see the log."""
    permit(visit, Action.VIEW_POLICY)
    log_view(visit, "policy")
    guard = visit.site.guard
    st.html(pairs(("Policy file", guard.policy.digest), ("Access policy", guard.access.digest)))
    st.caption("SHA-256 of both files; every entry of the log names the policy under which it was made.")
    if not guard.decide(Action.VIEW_AUDIT, visit.purpose).permitted:
        in_words(visit)
        return
    permit(visit, Action.VIEW_AUDIT)
    log = open_log(visit)
    state = log_state(log)
    words, before, again, papers = st.tabs(["In plain words", "What changed", "Replay a proposal", "Documents"])
    with words:
        in_words(visit)
    if state.view is None:
        before.error(plain(state.sentence))
        return
    with before:
        changes(log, state.view)
    with again, as_sentences():
        replay(log, state.view)
    with papers:
        documents(visit, log)


def _month_ago() -> date:
    return once(_SINCE, "default", lambda: datetime.now(UTC).date() - timedelta(days=view.DAYS))


open_page("Policy", page)

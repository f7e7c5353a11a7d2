"""Keys and certificates: how each is kept, and when it ends."""

from __future__ import annotations

import streamlit as st

from dashboard.drawing.text import plain
from dashboard.pages import log_view, open_page, permit
from dashboard.view import keys as view
from dashboard.view.visit import Visit
from policies.access import Action


def page(visit: Visit) -> None:
    """What ends soon comes first. No secret is read for this page."""
    permit(visit, Action.MANAGE_KEYS)
    log_view(visit, "keys")
    found = view.certificates(visit.workspace, visit.site)
    for certificate in found:
        if certificate.warning:
            (st.error if certificate.days < 0 else st.warning)(plain(certificate.warning), icon=":material/warning:")
    st.header("Keys", anchor=False)
    rows = view.key_rows(visit.workspace, visit.site)
    st.dataframe(rows, key="keys", hide_index=True, alt=f"Keys of {len(rows)} holders")
    st.caption("Keys do not end by themselves. They are changed at the command line, while nothing else runs:")
    st.code(f"confide keys rotate {visit.site.name} --signing\nconfide keys protect {visit.site.name}", language="bash")
    with st.spinner("Reading the log"):
        changes = view.changes(visit.site)
    if changes:
        st.dataframe(changes, key="changes", hide_index=True, alt=f"{len(changes)} changes of a key")
    st.header("Certificates", anchor=False)
    if found:
        shown = [certificate.row() for certificate in found]
        st.dataframe(shown, key="certificates", hide_index=True, alt=f"{len(shown)} certificates")
    else:
        st.caption("There is none: this hospital has joined no federation, and no server is in this workspace.")


open_page("Keys", page)

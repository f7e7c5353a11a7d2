"""Text that shows as itself."""

from __future__ import annotations

import subprocess
import sys
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dashboard.drawing.text import plain


def test_neither_view_nor_drawing_brings_streamlit_or_torch():
    modules = "dashboard.view.visit, dashboard.view.audit, dashboard.drawing.note, dashboard.drawing.figures"
    program = f"import sys, {modules}; print({{'streamlit', 'torch', 'spacy'}} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"


@given(st.text("ab 1.-+=)(#*_`~$<>[]{}|&^\\!:", min_size=1).map(str.strip).filter(bool))
def test_plain_text_shows_as_itself_in_markdown(text):
    assert MarkdownIt().render(plain(text)).strip() == f"<p>{escape(text, quote=False)}</p>"


@pytest.mark.parametrize("text", ["$x^2$", ":red[x]", ":smile:", "~~no~~", "|a|b|"])
def test_what_streamlit_adds_to_markdown_is_escaped_too(text):
    assert all(mark not in plain(text).replace(f"\\{mark}", "") for mark in "$[]~|") and ":s" not in plain(
        text
    ).replace("\\:", "")

"""The pages as AppTest runs them, and all that a run sends to the browser."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

DASHBOARD = Path(__file__).parents[2] / "dashboard"


def started(page=None):
    """The dashboard of whoever is signed in, at its first page or at another one."""
    app = AppTest.from_file(str(DASHBOARD / "app.py"), default_timeout=120).run()
    return app.switch_page(f"pages/{page}.py").run() if page else app


def everything(app):
    """All that a run sends to the browser: every element's bytes, tables as text."""
    elements = list(app._tree)
    tables = [element.value.to_csv() for element in app.dataframe]
    return "\n".join([*(str(getattr(element, "proto", "")) for element in elements), *tables])


def html(app):
    return "\n".join(element.proto.body for element in app.main.get("html"))


def headers(app):
    return [*(e.value for e in app.title), *(e.value for e in app.header)]

"""The models page: who sees it, what is compared, and a model that is promoted and rolled back through it."""

from __future__ import annotations

import json

import pytest

from dashboard.view import models as view
from policies.events import Event
from policies.guard import open_server
from policies.models import CARD, list_models, sign_model
from policies.policy import Role
from policies.serving import choose, in_use
from tests.dashboard.conftest import HOSTILE
from tests.dashboard.running import html


@pytest.fixture
def two(workspace):
    """Names of an older and a newer model."""
    (older,) = list_models(workspace.models, workspace.trusted)
    card = json.loads((older.folder / CARD).read_bytes())
    card |= {"created": "2099-01-01T00:00:00+00:00", "study": "second_study"}
    card["plan"]["labels"] = [*card["plan"]["labels"][1:], "N39.0"]
    return older.name, sign_model(workspace.models, older.weights.read_bytes(), card, open_server(workspace).keys).name


def test_a_rollback_says_what_it_changes_and_then_does_it(workspace, site, events, at, two):
    older, newer = two
    app = at(Role.HOSPITAL_IT, "models")
    assert not app.error and newer in html(app) and in_use(site, workspace).name == newer
    said = " ".join(text.value for text in app.markdown)
    assert f"model {older} from the next note on" in said and "Suggested from now on: I50.9" in said
    app.button(key="rollback").click().run()
    assert not app.error and f"goes back to model {older}" in app.success[0].value
    assert in_use(site, workspace).name == older and older in html(app)
    assert [(one["model"], one["before"]) for one in events(Event.MODEL_ROLLED_BACK)] == [(older, newer)]
    assert not [button for button in app.button if button.key == "rollback"]  # nothing is older
    assert app.dataframe[-1].value.iloc[0]["What"] == "rolled back"
    app.button(key="use").click().run()
    assert in_use(site, workspace).name == newer and len(events(Event.MODEL_CHOSEN)) == 1


def test_another_model_is_compared_and_promoted(workspace, site, events, at, two):
    older, newer = two
    choose(site, workspace, view.shelf(workspace, site).named(older))
    app = at(Role.HOSPITAL_IT, "models")
    compared = app.table[0].value
    differs = dict(zip(compared[""], compared["Differs"], strict=True))
    assert list(compared.columns) == ["", older, newer, "Differs"]
    assert (
        differs["Study"] == differs["Labels of this one alone"] == "yes"
        and differs["Labels"] == ""
        and differs["Delta"] == differs["Noise"] == ""
    )
    app.button(key="use").click().run()
    assert in_use(site, workspace).name == newer and len(events(Event.MODEL_CHOSEN)) == 1


def test_what_a_card_says_shows_as_itself(workspace, at, two):
    """Whoever signs a model writes its card."""
    (newest, _) = list_models(workspace.models, workspace.trusted)
    card = json.loads((newest.folder / CARD).read_bytes())
    card |= {"created": "2099-02-01T00:00:00+00:00", "study": HOSTILE}
    card["plan"]["encoder"] = f"[x](javascript:1) {HOSTILE}"
    sign_model(workspace.models, newest.weights.read_bytes(), card, open_server(workspace).keys)
    app = at(Role.HOSPITAL_IT, "models")
    (compared,) = (element.value for element in app.table)
    cells = " ".join(compared.astype(str).to_numpy().flatten())
    assert "zz(1)" in cells.replace("\\", "") and not app.exception
    assert all(mark in cells and mark not in cells.replace(f"\\{mark}", "") for mark in "<*$[")


def test_an_officer_sees_the_models_and_no_button_that_changes_them(workspace, at, two):
    app = at(Role.COMPLIANCE_OFFICER, "models")
    assert not app.error and len(app.dataframe[0].value) == 2
    assert not [button for button in app.button if button.key in ("rollback", "use")]


def test_a_clinician_is_denied(workspace, at, two):
    app = at(Role.CLINICIAN, "models")
    assert "no policy lets" in app.error[0].value and not [*app.dataframe, *app.button[2:]]


def test_what_clinicians_said_is_counted_by_version(workspace, at, monkeypatch):
    said = {"0123": {"suggestion rejected": 4}}
    monkeypatch.setattr(view, "feedback_counts", lambda site: said)
    rows = at(Role.HOSPITAL_IT, "models").dataframe[1].value.to_numpy().tolist()
    assert rows == [["0123", "suggestion rejected", 4]]


def test_a_model_that_was_altered_is_said_and_never_offered(workspace, site, at, two):
    older, newer = two
    (workspace.models / newer / "model.safetensors").write_bytes(b"other")
    app = at(Role.HOSPITAL_IT, "models")
    assert "not loaded" in app.error[0].value and list(app.dataframe[0].value["Model"]) == [older]


def test_without_a_model_the_page_says_the_command(workspace, at):
    import shutil

    shutil.rmtree(workspace.models)
    assert at(Role.HOSPITAL_IT, "models").code[0].value == "confide train"

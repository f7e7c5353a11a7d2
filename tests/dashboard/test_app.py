"""The pages as each role meets them, through Streamlit's AppTest on a real workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from clinical.gateway import list_notes
from dashboard import view
from policies.audit import read_entries
from policies.errors import AccessDenied
from policies.events import Event
from policies.policy import Role
from privacy.vault.originals import Vault
from tests.dashboard.conftest import CANARY, HOSTILE, NOTE, the_plan

DASHBOARD = Path(__file__).parents[2] / "dashboard"
PAGES = {"note": "Note", "review": "Review", "training": "Training", "audit": "Audit log"}


def started(name="app.py"):
    return AppTest.from_file(str(DASHBOARD / name), default_timeout=120).run()


def as_role(role, page=None):
    app = started()
    app.selectbox(key="role").set_value(role).run()
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


@pytest.fixture
def canary_note(site):
    """Pseudonyms of the note with the canary."""
    vault = Vault(site.home.vault, site.keys.wrapping)
    return next((p, r) for p, r in list_notes(site) if vault.get(p, r).decode() == NOTE)


@pytest.fixture
def at_the_note(workspace, canary_note):
    app = started()
    return app.selectbox(key="patient").set_value(canary_note[0]).run()


def test_a_page_asks_for_the_purpose_of_the_role_and_logs_it_once_however_often_it_runs(workspace, events):
    for role, purpose in ((Role.HOSPITAL_IT, "HOPERAT"), (Role.RESEARCHER, "HRESCH")):
        as_role(role).run().run()
        seen = [e for e in events(Event.ACCESS_DECIDED) if e["action"] == "view_training" and e["purpose"] == purpose]
        assert len(seen) == 1


def test_each_role_finds_its_own_pages(workspace):
    for role, own in view.ROLES.items():
        app = as_role(role)
        assert app.title[0].value == PAGES[own.pages[0]] and not app.error
        assert own.purpose in app.sidebar.markdown[0].value
        for page in PAGES:
            if page not in own.pages:
                with pytest.raises(ValueError, match="registered"):
                    app.switch_page(f"pages/{page}.py")


def test_an_account_is_offered_its_own_roles_alone(workspace, let):
    let("hospital_it")
    app = started()
    assert app.selectbox(key="role").options == ["Hospital IT"] and app.title[0].value == "Training"


@pytest.mark.parametrize(
    ("page", "roles"), [("note", ["hospital_it"]), ("training", ["clinician"]), ("audit", ["clinician", "hospital_it"])]
)
def test_a_page_reached_by_another_role_shows_the_denial_and_nothing_else(workspace, let, events, page, roles):
    let(*roles)
    app = started(f"pages/{page}.py")
    assert (
        len(app.error) == 1 and "no policy lets" in app.error[0].value and AccessDenied.hint[:3] in app.error[0].value
    )
    assert not [*app.selectbox, *app.dataframe, *app.metric, *app.header, *app.get("html"), *app.get("plotly_chart")]
    assert len(events(Event.ACCESS_DENIED)) == 1 and not app.exception


def test_no_note_is_opened_before_it_is_chosen(workspace, events):
    assert started().selectbox(key="patient").value is None
    assert events(Event.NOTE_VIEWED) == events(Event.NOTE_EXTRACTED) == []


def test_a_clinician_reads_a_note_with_its_evidence(at_the_note, canary_note, events):
    app, (patient, record) = at_the_note, canary_note
    assert not app.error and headers(app) == ["Note", f"{CANARY} Quist", "What it may support", "Facts"]
    assert "1. Heart failure &lt;unspecified&gt;" in html(app) or "Essential $hypertension$" in html(app)
    assert "<blockquote>" in html(app) and 'class="finding negated"' in html(app)
    assert any("never a diagnosis" in caption.value for caption in app.main.caption)
    assert ["chest pain", "negated"] in app.dataframe[0].value[["Concept", "Status"]].to_numpy().tolist()
    app.run()
    assert len(events(Event.NOTE_VIEWED)) == 1
    (extracted,) = events(Event.NOTE_EXTRACTED)
    assert (extracted["patient"], extracted["record"]) == (patient, record) and extracted["counts"]["mentions"] > 3


def test_markup_in_a_note_shows_as_text(at_the_note):
    from html import escape

    assert escape(HOSTILE) in html(at_the_note) and "<script" not in html(at_the_note)
    assert not any(HOSTILE[:8] in element.value for element in [*at_the_note.markdown, *at_the_note.caption])


def test_a_note_opened_under_broken_glass_closes_with_the_grant(workspace, site, canary_note, monkeypatch):
    from policies import grants
    from policies.access import Purpose
    from privacy.vault.break_glass import start

    patient = canary_note[0]
    for place in ("clinical.gateway.denied", "privacy.consent_book.denied"):
        monkeypatch.setattr(place, lambda site, who: frozenset([Purpose.TREATMENT]) if who == patient else frozenset())
    start(site, patient, "found unconscious", 5)
    app = started().selectbox(key="patient").set_value(patient).run()
    assert not app.error and CANARY in headers(app)[1]
    monkeypatch.setattr(grants.Grant, "active", False)
    app.run()
    assert "patient-refused" in app.error[0].value and CANARY not in everything(app)


def test_another_patient_has_another_note(at_the_note, site, canary_note, events):
    other = next(patient for patient, _ in list_notes(site) if patient != canary_note[0])
    app = at_the_note.selectbox(key="patient").set_value(other).run()
    assert (
        "Other" in headers(app)[1] and "chest pain" not in html(app) and len(app.selectbox(key="record").options) == 2
    )
    assert [entry["patient"] for entry in events(Event.NOTE_VIEWED)] == [canary_note[0], other]


def test_a_pasted_text_is_read_once_and_leaves_counts_alone(workspace, site, events):
    app = started()
    app.radio(key="source").set_value("Paste a text").run()
    app.text_area(key="pasted").set_value(f"{CANARY} denies fever.")
    app.button(key="read").click().run()
    assert 'class="finding negated"' in html(app) and headers(app)[1] == "Pasted text"
    app.run()
    (extracted,) = events(Event.NOTE_EXTRACTED)
    assert extracted["source"] == "pasted" and set(extracted) == {"source", "model", "purpose", "counts", "policy"}
    assert not any(CANARY.encode() in path.read_bytes() for path in workspace.root.rglob("*") if path.is_file())


def test_without_a_model_there_are_facts_and_the_command_that_makes_one(workspace, canary_note):
    shutil.rmtree(workspace.models)
    app = started().selectbox(key="patient").set_value(canary_note[0]).run()
    assert app.code[0].value == "confide train" and "blockquote" not in html(app) and len(app.dataframe[0].value) > 3


def test_a_model_that_does_not_verify_is_a_sentence(workspace, canary_note):
    next(workspace.models.glob("*/model.safetensors")).write_bytes(b"other")
    app = started().selectbox(key="patient").set_value(canary_note[0]).run()
    assert "so it is not loaded" in app.error[0].value and not html(app).count("blockquote")


def test_training_shows_rounds_loss_and_epsilon(workspace, site, events):
    app = as_role(Role.HOSPITAL_IT)
    spent = view.budget(site)
    numbers = {metric.label: metric.value for metric in app.metric}
    assert numbers["Rounds done"] == "3 of 4" and numbers["Study"] == "small\\_study"
    assert numbers["Epsilon spent"] == spent.spent_text(view.epsilon_after(spent.releases, spent.delta))
    assert len(app.get("plotly_chart")) == 3 and "stays at this hospital" in " ".join(c.value for c in app.caption)
    assert "verified, by &#x27;server&#x27;" in html(app)
    app.run()
    assert [entry["plan"] for entry in events(Event.PAGE_VIEWED)] == [the_plan().digest]


def test_a_hospital_without_a_training_is_told_how_to_begin(workspace):
    from policies.guard import open_site

    open_site(workspace, "river")
    app = as_role(Role.HOSPITAL_IT)
    app.selectbox(key="site").set_value("river").run()
    assert app.code[0].value == "confide train" and not app.metric


def test_the_audit_page_verifies_filters_and_recomputes(workspace, site):
    app = as_role(Role.COMPLIANCE_OFFICER)
    entries = read_entries(site.home.audit, site.keys.public)
    assert app.success[0].value.startswith("Verified at") and not app.error
    numbers = {metric.label: metric.value for metric in app.metric}
    assert numbers["From the log"] == numbers["In the ledger"] != "0.000" and "equal to" in app.success[1].value
    assert len(app.dataframe[0].value) == len(entries) - 1  # the entry of this view came after
    app.multiselect(key="events").set_value(["budget.spent"]).run()
    assert len(app.dataframe[0].value) == 3
    app.text_input(key="search").set_value('"round":2').run()
    assert len(app.dataframe[0].value) == 1 and {b.label for b in app.download_button} == {
        "Download as CSV",
        "Download as NDJSON",
    }
    app.selectbox(key="log").set_value("server").run()
    assert "Entries: 2," in app.success[0].value


def test_an_altered_log_is_said_in_red_and_nothing_of_it_is_shown_or_exported(workspace, site):
    path = site.home.audit / "edge.ndjson"
    path.write_bytes(path.read_bytes().replace(b'"round":2', b'"round":7'))
    app = as_role(Role.COMPLIANCE_OFFICER)
    assert "altered" in app.error[0].value and len(app.error) == 1 and not app.success
    assert not [*app.dataframe, *app.download_button, *app.metric, *app.get("plotly_chart")]


def test_an_unequal_ledger_is_said_in_red(workspace, site):
    from privacy.training.budget import open_ledger

    ledger = open_ledger(site)
    ledger.spend(ledger.reserve("x", 1, the_plan().release_of_round())[0])
    assert "lacks 1 bookings" in as_role(Role.COMPLIANCE_OFFICER).error[0].value


def test_no_page_but_the_clinicians_names_a_patient(at_the_note):
    assert CANARY in everything(at_the_note)  # so the search would find it
    for role, page in (
        (Role.HOSPITAL_IT, "training"),
        (Role.COMPLIANCE_OFFICER, "training"),
        (Role.COMPLIANCE_OFFICER, "audit"),
    ):
        at_the_note.selectbox(key="role").set_value(role).run()
        shown = everything(at_the_note.switch_page(f"pages/{page}.py").run())
        assert CANARY not in shown and "Quist" not in shown and PAGES[page] in shown
    assert "note of this session" not in at_the_note.session_state


def test_no_policy_and_no_hospital_are_sentences(workspace):
    shutil.rmtree(workspace.root / "sites")
    assert started().code[0].value == "confide demo"
    workspace.policy.unlink()
    assert "no policy file, so nothing runs" in started().error[0].value


def test_a_fault_that_nobody_foresaw_shows_no_text_of_its_message(workspace, monkeypatch):
    def fail(_):
        raise ValueError(CANARY)

    monkeypatch.setattr("clinical.gateway.list_notes", fail)
    app = started()
    assert "ValueError" in app.error[0].value and CANARY not in everything(app) and not app.exception

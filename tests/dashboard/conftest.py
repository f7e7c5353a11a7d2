"""A small real workspace, made once: two patients with notes, three booked rounds and a signed model."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.numpy import save
from streamlit.runtime.context import ContextProxy
from typer.testing import CliRunner

from clinical.deid import Options, deidentify_source
from clinical.gateway import list_notes
from dashboard.signin import COOKIE, sessions
from dashboard.view.visit import choices
from federated.plan import Plan, SiteShare
from policies.events import Event
from policies.files import canonical_json, write_whole
from policies.guard import account_name, open_server, open_site
from policies.models import sign_model, trust
from policies.policy import default_policy_text
from policies.workspace import WORKSPACE_VARIABLE, Workspace
from privacy.encoders import DEFAULT_ENCODER, find_encoder
from privacy.training.budget import one_training, spending
from privacy.training.randomness import CHACHA20
from privacy.vault.originals import Vault
from tests.clinical.exports import document, patient, write_export
from tests.dashboard.running import started
from tests.teams import everybody_treats

CANARY = "Zebulon"
HOSTILE = "<script>zz(1)</script> **bold** $x^2$ :red[x] <img src=x onerror=zz(2)> & done"
NOTE = f"""{CANARY} Quist was seen for shortness of breath and leg swelling. Denies chest pain.
PAST MEDICAL HISTORY:
Hypertension.
FAMILY HISTORY:
Mother with diabetes.
MEDICATIONS:
furosemide 40 mg daily
{HOSTILE}"""
LABELS = {"I50.9": "Heart failure <unspecified>", "I10": "Essential $hypertension$", "J18.9": "Pneumonia"}
LOSSES, SECONDS = ("1.250000", "1.000000", "0.750000"), ("4.000", "2.000", "2.000")


def the_plan():
    return Plan(
        study="small_study", encoder=DEFAULT_ENCODER, encoder_sha256=find_encoder(DEFAULT_ENCODER).sha256,
        labels=tuple(LABELS), label_titles=LABELS, label_source="condition", warm_start=5.0, seed=7, rounds=4,
        sampling_rate="0.5", clip="1.0", sigma="2.00", delta="1e-05", learning_rate=1.0, momentum=0.9,
        held_back=0.25, split_key="k", sites=(SiteShare(name="north", patients=100, weight="1"),),
    )  # fmt: skip


def _train(site, server, plan):
    """What a training of three rounds leaves behind, without its gradients."""
    write_whole(site.home.plan(plan.digest), canonical_json({"plan": plan.model_dump(mode="json")}))
    for number, (loss, seconds) in enumerate(zip(LOSSES, SECONDS, strict=True), 1):
        with one_training(site), spending(site, plan.digest, number, plan.release_of_round(), CHACHA20):
            pass
        rows = {
            site.home.scores(plan.digest): {"round": number, "loss": loss},
            server.home.run(plan.digest) / "rounds.ndjson": {
                "round": number,
                "seconds": seconds,
                "received": {"north": 9000},
                "sites": ["north"],
            },
        }
        for path, row in rows.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as stream:
                stream.write(json.dumps(row) + "\n")


def _sign(workspace, server, plan):
    from clinical.classifier import model_weights, trained_weights
    from federated.site_round import plan_classifier
    from federated.study import model_card

    trust(workspace.trusted, server.keys.public)
    classifier = plan_classifier(plan)
    weights = save(model_weights(classifier, trained_weights(classifier)))
    model = sign_model(workspace.models, weights, model_card(plan, 8.0), server.keys)
    server.guard.record(Event.MODEL_SIGNED, plan=plan.digest, model=model.name)


def policy_text():
    """The default policy without the tagger, whose own tests are elsewhere."""
    return default_policy_text(account_name()).replace("tagger = true", "tagger = false")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    root = tmp_path_factory.mktemp("dashboard")
    workspace = Workspace(root / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(policy_text())
    site, server = everybody_treats(open_site(workspace, "north")), open_server(workspace)
    people = (patient("p1"), patient("p2", family="Other"))
    notes = (document("d1", "p1", NOTE), document("d2", "p2", "No fever."), document("d3", "p2", "Cough."))
    source = write_export(root / "in", *people, *notes)
    deidentify_source(site, source, workspace.deidentified("north"), Options(as_of=2026))
    _train(site, server, the_plan())
    _sign(workspace, server, the_plan())
    return workspace


@pytest.fixture
def workspace(made_once, tmp_path, monkeypatch):
    """A copy that a test may spoil."""
    copied = Workspace(tmp_path / "workspace")
    shutil.copytree(made_once.root, copied.root)
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(copied.root))
    return copied


@pytest.fixture
def site(workspace):
    return open_site(workspace, "north")


@pytest.fixture(autouse=True)
def no_cookie(monkeypatch):
    """AppTest has no browser, and answers with a mock when asked for its cookies."""
    monkeypatch.setattr(ContextProxy, "cookies", {})


@pytest.fixture
def signed_in(monkeypatch):
    """Begins a real session, with its choice, of which AppTest's browser has the cookie; gives the token."""

    def begin(role=None, purpose=None, account=None, site="north"):
        place, account = Workspace.find(), account or account_name()
        kept = sessions(place)
        token = kept.begin(account)
        if role:
            open_to = [own for own in choices(place, kept.find(token)) if own.role == role and own.site == site]
            kept.choose(token, next(own for own in open_to if purpose in (None, own.purpose)))
        monkeypatch.setattr(ContextProxy, "cookies", {COOKIE: token})
        return token

    return begin


@pytest.fixture
def at(signed_in):
    """A page as whoever has a role meets it."""

    def open_(role, page=None, **chosen):
        signed_in(role, **chosen)
        return started(page)

    return open_


@pytest.fixture
def canary_note(site):
    """Pseudonyms of the note with the canary."""
    vault = Vault(site.home.vault, site.keys.wrapping)
    return next((p, r) for p, r in list_notes(site) if vault.get(p, r).decode() == NOTE)


@pytest.fixture
def as_account(monkeypatch):
    """Runs a command in a workspace as an account of the operating system would give it; its errors are raised."""

    def run(app, workspace, account, *words, text=""):
        monkeypatch.setattr("policies.guard.account_name", lambda *_: account)
        done = CliRunner().invoke(app, [*words, "--workspace", str(workspace.root)], input=text)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return run


@pytest.fixture
def with_reviewers(tmp_path):
    """Makes a workspace of one officer who may do everything, and of the clinicians anna and bob."""

    def make(officer):
        made = Workspace(tmp_path / "workspace")
        made.root.mkdir()
        text = default_policy_text(officer)
        made.policy.write_text(text.replace("[people]", '[people]\nanna = ["clinician"]\nbob = ["clinician"]'))
        return made

    return make


@pytest.fixture
def let(workspace):
    """Rewrites the policy so that this account holds these roles alone."""

    def rewrite(*roles):
        text = policy_text()
        every = '["clinician", "hospital_it", "compliance_officer", "data_steward", "researcher"]'
        assert every in text
        workspace.policy.write_text(text.replace(every, json.dumps(roles)))

    return rewrite


@pytest.fixture
def events(site):
    """The details of every entry of an event in the site's log."""
    from policies.audit import read_entries

    def of(event):
        return [e.details for e in read_entries(site.home.audit, site.keys.public) if e.event == event]

    return of

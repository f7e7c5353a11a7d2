"""Two persons, one purpose, one patient, an expiry, and an entry for each step; names stay out of file and log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.access import Purpose
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.events import Event
from policies.workspace import Workspace
from privacy.vault import reidentification
from privacy.vault.originals import Vault
from privacy.vault.reidentification import State, approve, list_requests, open_patient, open_tokens, refuse, request
from privacy.vault.sealing import seal_value
from tests.policies.logs import happened
from tests.privacy.hospital import CANARY, at, hospital

REASON = f"{CANARY} Quist has a critical result"
TREAT = Purpose.TREATMENT


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return hospital(tmp_path / "w")


def asked(workspace: Workspace, by: str = "alice") -> str:
    return request(at(workspace, by), "p1", TREAT, REASON).id


def approved(workspace: Workspace) -> str:
    return approve(at(workspace, "bob"), asked(workspace)).id


def log(workspace: Workspace) -> list[tuple[Event, str]]:
    site = at(workspace, "dave")
    return [(entry.event, entry.actor) for entry in happened(site.home.audit, site.keys.public)]


def test_two_persons_open_one_patient_and_every_step_stands_in_the_log(workspace: Workspace) -> None:
    number = approved(workspace)
    for _ in range(2):
        assert open_patient(at(workspace, "alice"), number).name == f"{CANARY} A. Quist"
    assert log(workspace) == [
        (Event.REIDENTIFICATION_REQUESTED, "alice"),
        (Event.REIDENTIFICATION_APPROVED, "bob"),
        (Event.PATIENT_REIDENTIFIED, "alice"),
        (Event.PATIENT_REIDENTIFIED, "alice"),
    ]
    site = at(workspace, "dave")
    for entry in happened(site.home.audit, site.keys.public):
        assert (entry.details["request"], entry.details["patient"], entry.details["purpose"]) == (number, "p1", "TREAT")


def test_names_and_reasons_stand_neither_in_the_log_nor_in_the_file(workspace: Workspace) -> None:
    number = asked(workspace)
    refuse(at(workspace, "bob"), number, f"{CANARY} is not yours")
    home = at(workspace, "dave").home
    for path in (home.request(number), home.audit / "edge.ndjson"):
        assert CANARY not in path.read_text() and "critical" not in path.read_text()
    (shown,) = list_requests(at(workspace, "alice"))
    assert (shown.reason, shown.refusal) == (REASON, f"{CANARY} is not yours")
    assert CANARY not in repr(shown)


@pytest.mark.parametrize("step", [approve, lambda site, number: refuse(site, number, "no")])
def test_nobody_decides_on_their_own_request(workspace: Workspace, step) -> None:
    """carol holds both roles, and still needs another person."""
    number = asked(workspace, "carol")
    with pytest.raises(AccessDenied, match="your own, and two persons are needed"):
        step(at(workspace, "carol"), number)
    with pytest.raises(AccessDenied, match="not approved"):
        open_patient(at(workspace, "carol"), number)
    assert [event for event, _ in log(workspace)][1:] == [Event.ACCESS_DENIED] * 2
    assert approve(at(workspace, "bob"), number).state is State.APPROVED
    assert open_patient(at(workspace, "carol"), number).name


@pytest.mark.parametrize("actor", ["dave", "alice"])
def test_only_an_officer_approves(workspace: Workspace, actor: str) -> None:
    number = asked(workspace, "carol")
    with pytest.raises(AccessDenied):
        approve(at(workspace, actor), number)


@pytest.mark.parametrize(("actor", "purpose"), [("dave", TREAT), ("alice", Purpose.RESEARCH), ("eve", TREAT)])
def test_who_may_not_ask_is_refused(workspace: Workspace, actor: str, purpose: Purpose) -> None:
    with pytest.raises(AccessDenied):
        request(at(workspace, actor), "p1", purpose, REASON)
    assert not at(workspace, "dave").home.requests.exists()


def test_only_the_requester_opens_it(workspace: Workspace) -> None:
    number = approved(workspace)
    with pytest.raises(AccessDenied, match="another person's"):
        open_patient(at(workspace, "carol"), number)
    assert log(workspace)[-1] == (Event.ACCESS_DENIED, "carol")


def test_who_lost_the_role_since_opens_nothing(workspace: Workspace) -> None:
    number = approved(workspace)
    workspace.policy.write_text(workspace.policy.read_text().replace('alice = ["clinician"]', "alice = []"))
    with pytest.raises(AccessDenied, match="roles: none"):
        open_patient(at(workspace, "alice"), number)


@pytest.mark.parametrize(("hours", "opens"), [(23.9, True), (24, False), (1000, False)])
def test_an_approval_holds_as_long_as_the_policy_says(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, hours: float, opens: bool
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(reidentification, "_now", lambda: start)
    number = approved(workspace)
    monkeypatch.setattr(reidentification, "_now", lambda: start + timedelta(hours=hours))
    workspace.policy.write_text(workspace.policy.read_text().replace("expires_hours = 24", "expires_hours = 700"))
    if opens:
        assert open_patient(at(workspace, "alice"), number).name
        return
    with pytest.raises(AccessDenied, match="expired at 2026-01-02T00:00"):
        open_patient(at(workspace, "alice"), number)
    assert log(workspace)[-1] == (Event.ACCESS_DENIED, "alice")


def test_a_request_is_decided_once(workspace: Workspace) -> None:
    number = asked(workspace)
    refuse(at(workspace, "bob"), number, "the chart has it")
    with pytest.raises(InputError, match="refused already"):
        approve(at(workspace, "bob"), number)
    with pytest.raises(AccessDenied, match="refused, not approved"):
        open_patient(at(workspace, "alice"), number)


@pytest.mark.parametrize(
    "edit", [{"state": "approved", "expires": "2999-01-01T00:00:00+00:00"}, {"requester": "eve"}, {"patient": "p2"}]
)
def test_an_edited_request_is_refused_everywhere(workspace: Workspace, edit: dict[str, str]) -> None:
    number = asked(workspace)
    path = at(workspace, "dave").home.request(number)
    document = json.loads(path.read_bytes())
    document["reidentification_request"].update(edit)
    path.write_text(json.dumps(document))
    for step in (open_patient, approve, lambda site, _: list_requests(site)):
        with pytest.raises(IntegrityError, match="edited"):
            step(at(workspace, "carol"), number)


def test_a_request_under_another_name_is_refused(workspace: Workspace) -> None:
    home = at(workspace, "dave").home
    home.request("5f0c2a9be417").write_bytes(home.request(approved(workspace)).read_bytes())
    with pytest.raises(IntegrityError, match="another request"):
        open_patient(at(workspace, "alice"), "5f0c2a9be417")


@pytest.mark.parametrize("number", ["nothere", "../../keys/signing"])
def test_a_request_that_is_not_there(workspace: Workspace, number: str) -> None:
    with pytest.raises(InputError):
        open_patient(at(workspace, "alice"), number)


@pytest.mark.parametrize(("patient", "reason"), [("p3", REASON), ("p1", "  "), ("p1", "x" * 2001)])
def test_an_unknown_patient_and_a_missing_reason(workspace: Workspace, patient: str, reason: str) -> None:
    with pytest.raises(InputError):
        request(at(workspace, "alice"), patient, TREAT, reason)


def test_everybody_sees_their_own_requests_and_officers_all(workspace: Workspace) -> None:
    numbers = {by: asked(workspace, by) for by in ("alice", "carol")}
    seen = {who: {one.id for one in list_requests(at(workspace, who))} for who in ("alice", "bob", "dave")}
    assert seen == {"alice": {numbers["alice"]}, "bob": set(numbers.values()), "dave": set()}


def test_an_approved_request_opens_the_tokens_of_its_patient_alone(workspace: Workspace) -> None:
    number, site = approved(workspace), at(workspace, "alice")
    keys = Vault(site.home.vault, site.keys.wrapping).keys_of(["p1", "p2"])
    own, other = (f"[NAME:{seal_value(keys[patient], patient, CANARY)}] coughs" for patient in ("p1", "p2"))
    assert open_tokens(site, number, own) == f"{CANARY} coughs"
    with pytest.raises(IntegrityError):
        open_tokens(site, number, other)
    with pytest.raises(AccessDenied):
        open_tokens(at(workspace, "bob"), number, own)

"""Breaking the glass opens one patient's notes to one account for a time, and is reviewed by another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from policies.access import Action, Purpose
from policies.audit import AuditLog, read_entries, verify
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.events import Event
from policies.grants import Grant
from policies.guard import Site, open_site
from policies.policy import Role, default_policy_text
from policies.workspace import Workspace
from privacy.vault.break_glass import MOST_MINUTES, end, reveal, review, start, visible
from privacy.vault.originals import Vault

REASON, FINDING = "found unconscious at the lake", "seen in the emergency room"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    made.root.mkdir()
    return made


@pytest.fixture
def people(workspace: Workspace) -> dict[str, Site]:
    text = default_policy_text("nobody")
    doctor, officer = Role.CLINICIAN.value, Role.COMPLIANCE_OFFICER.value
    held = {"anna": [doctor], "ben": [doctor], "olga": [officer], "both": [doctor, officer]}
    lines = "".join(f"{name} = {json.dumps(roles)}\n" for name, roles in held.items())
    workspace.policy.write_text(text.replace("[people]\n", f"[people]\n{lines}"))
    sites = {name: open_site(workspace, "north", name) for name in held}
    vault_of(sites["anna"]).keys_of(["p1", "p2"])
    return sites


def vault_of(site: Site) -> Vault:
    return Vault(site.home.vault, site.keys.wrapping)


@contextmanager
def crashing(monkeypatch: pytest.MonkeyPatch, step: str, event: Event) -> Iterator[None]:
    """A crash before a grant's file is written, or before the entry of this event is."""
    append = AuditLog.append

    def fails(log: object, what: object, *rest: Any, **details: Any) -> object:
        if isinstance(what, Event) and what is not event:
            return append(log, what, *rest, **details)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(step, fails)
        yield


def look(site: Site, patient: str = "p1") -> None:
    site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient=patient, consent_denied=[Purpose.TREATMENT])


def move(site: Site, grant: Grant, **changes: str) -> None:
    """Write a grant anew, signed, as if it had been made otherwise."""
    changed = Grant(**{**grant.__dict__, **changes})
    site.guard.grants.write(changed, site.guard.grants.signed(changed))


def test_it_opens_this_patient_to_this_account_and_each_use_names_the_grant(people: dict[str, Site]) -> None:
    anna = people["anna"]
    with pytest.raises(AccessDenied, match="the rule 'patient-refused' does not let 'anna'"):
        look(anna)
    grant = start(anna, "p1", REASON, 30)
    look(anna)
    for site, patient in ((anna, "p2"), (people["ben"], "p1")):
        with pytest.raises(AccessDenied):
            look(site, patient)
    used = [e.details for e in read_entries(anna.home.audit, anna.keys.public) if "break_glass" in e.details]
    assert [(entry["break_glass"], entry["patient"], entry["consent_denied"]) for entry in used] == [
        (grant.id, "p1", ["TREAT"])
    ]
    assert used[0]["rules"] == ["break-glass"]


def test_it_ends_with_its_time(people: dict[str, Site]) -> None:
    anna = people["anna"]
    grant = start(anna, "p1", REASON, 5)
    expires = datetime.fromisoformat(grant.expires)
    assert timedelta(minutes=4) < expires - datetime.now(UTC) <= timedelta(minutes=5)
    move(anna, grant, expires=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())
    with pytest.raises(AccessDenied):
        look(anna)


@pytest.mark.parametrize("minutes", [0, -1, MOST_MINUTES + 1])
def test_the_time_is_bounded(people: dict[str, Site], minutes: int) -> None:
    with pytest.raises(InputError, match=f"{minutes} minutes"):
        start(people["anna"], "p1", REASON, minutes)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
def test_a_reason_is_needed(people: dict[str, Site], reason: str) -> None:
    with pytest.raises(InputError, match="the reason has"):
        start(people["anna"], "p1", reason, 30)
    assert visible(people["anna"]) == []


def test_only_a_clinician_breaks_the_glass(people: dict[str, Site]) -> None:
    with pytest.raises(AccessDenied):
        start(people["olga"], "p1", REASON, 30)


def test_another_person_reviews_it_in_writing_and_that_ends_it(people: dict[str, Site]) -> None:
    anna, olga = people["anna"], people["olga"]
    grant = start(anna, "p1", REASON, 30)
    assert olga.guard.grants.open_reviews() == 1
    with pytest.raises(AccessDenied):
        review(anna, grant.id, FINDING)
    with pytest.raises(InputError, match="the finding has"):
        review(olga, grant.id, " ")
    done = review(olga, grant.id, FINDING)
    assert reveal(olga, done) == (REASON, FINDING)
    assert olga.guard.grants.open_reviews() == 0
    with pytest.raises(AccessDenied):
        look(anna)
    with pytest.raises(InputError, match="reviewed by 'olga' already"):
        review(olga, grant.id, FINDING)


def test_what_was_typed_goes_with_the_patient_and_the_review_is_still_owed(people: dict[str, Site]) -> None:
    anna, olga = people["anna"], people["olga"]
    grant = start(anna, "p1", REASON, 30)
    vault_of(anna).erase("p1")
    assert reveal(olga, grant) == ("", "")
    assert reveal(olga, review(olga, grant.id, FINDING)) == ("", "")
    assert olga.guard.grants.open_reviews() == 0
    with pytest.raises(InputError, match="no such patient"):
        start(anna, "p1", REASON, 30)


def test_whoever_broke_it_ends_it_before_its_time_and_nobody_else(people: dict[str, Site]) -> None:
    anna = people["anna"]
    grant = start(anna, "p1", REASON, 30)
    with pytest.raises(AccessDenied, match="not yours to end"):
        end(people["ben"], grant.id)
    look(anna)
    assert end(anna, grant.id).ended
    with pytest.raises(AccessDenied, match="patient-refused"):
        look(anna)
    with pytest.raises(InputError, match="over already"):
        end(anna, grant.id)
    assert anna.guard.grants.open_reviews() == 1
    assert review(people["olga"], grant.id, FINDING).ended


@pytest.mark.parametrize(
    "over",
    [lambda people, grant: end(people["anna"], grant), lambda people, grant: review(people["olga"], grant, FINDING)],
)
def test_the_file_of_one_that_is_over_opens_nothing_when_it_is_put_back(
    people: dict[str, Site], over: Callable[[dict[str, Site], str], Grant]
) -> None:
    anna = people["anna"]
    grant = start(anna, "p1", REASON, 30)
    path = next(anna.home.grants("anna", "p1").glob("*.json"))
    before = path.read_bytes()
    over(people, grant.id)
    path.write_bytes(before)
    with pytest.raises(AccessDenied, match="patient-refused"):
        look(anna)


def test_nobody_reviews_an_own_one_whatever_the_rules_of_the_hospital_say(
    people: dict[str, Site], workspace: Workspace
) -> None:
    grant = start(people["both"], "p1", REASON, 30)
    with pytest.raises(AccessDenied, match="two-persons"):
        review(people["both"], grant.id, FINDING)
    workspace.access.write_text(
        '@id("all") permit (principal, action, resource) when { context.purpose == "HOPERAT" };'
    )
    with pytest.raises(AccessDenied, match="your own"):
        review(open_site(workspace, "north", "both"), grant.id, FINDING)


def test_the_log_names_the_steps_and_holds_no_word_of_them(people: dict[str, Site]) -> None:
    anna, olga = people["anna"], people["olga"]
    first, second = start(anna, "p1", REASON, 30), start(anna, "p2", REASON, 30)
    review(olga, first.id, FINDING)
    logged = read_entries(anna.home.audit, anna.keys.public)
    steps = [(e.event, e.actor, e.details["grant"]) for e in logged if "grant" in e.details]
    assert steps == [
        (Event.BREAK_GLASS_STARTED, "anna", first.id),
        (Event.BREAK_GLASS_STARTED, "anna", second.id),
        (Event.BREAK_GLASS_REVIEWED, "olga", first.id),
    ]
    owed = [said for said in verify(anna.home.audit, anna.keys.public).warnings if "glass" in said]
    assert len(owed) == 1 and second.id in owed[0] and "'anna'" in owed[0]
    kept = b"".join(path.read_bytes() for path in anna.home.root.rglob("*") if path.is_file())
    assert REASON.encode() not in kept and FINDING.encode() not in kept


def test_one_sees_own_grants_and_whoever_reviews_sees_all(people: dict[str, Site]) -> None:
    grant = start(people["anna"], "p1", REASON, 30)
    assert visible(people["olga"]) == visible(people["anna"]) == [grant]
    assert visible(people["ben"]) == []


def test_a_grant_that_was_edited_or_moved_opens_nothing(people: dict[str, Site]) -> None:
    anna, ben = people["anna"], people["ben"]
    grant = start(anna, "p1", REASON, 30)
    place = anna.home.grants("anna", "p1") / f"{grant.id}.json"
    data = place.read_bytes()
    theirs = ben.home.grants("ben", "p1")
    theirs.mkdir(parents=True)
    (theirs / place.name).write_bytes(data)
    with pytest.raises(AccessDenied):
        look(ben)
    (theirs / place.name).unlink()
    body = json.loads(data)
    body["break_glass"]["expires"] = "2999-01-01T00:00:00+00:00"
    for edited in (json.dumps(body).encode(), b"", b"{}"):
        place.write_bytes(edited)
        with pytest.raises(IntegrityError):
            look(anna)


def test_a_grant_whose_file_is_gone_is_owed_a_review_by_the_log_and_gets_one(people: dict[str, Site]) -> None:
    anna, olga = people["anna"], people["olga"]
    grant = start(anna, "p1", REASON, 30)
    (anna.home.grants("anna", "p1") / f"{grant.id}.json").unlink()
    assert olga.guard.grants.open_reviews() == 1
    assert [(one.id, one.actor, one.patient) for one in visible(olga)] == [(grant.id, "anna", "p1")]
    with pytest.raises(AccessDenied):
        review(anna, grant.id, FINDING)
    assert reveal(olga, review(olga, grant.id, FINDING)) == ("", FINDING)
    assert olga.guard.grants.open_reviews() == 0


STEPS = ["policies.grants.Grants.write", "policies.audit.AuditLog.append"]


@pytest.mark.parametrize("crash", STEPS)
def test_a_start_that_crashes_leaves_no_access_without_a_review_that_is_owed(
    people: dict[str, Site], monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    anna = people["anna"]
    with crashing(monkeypatch, crash, Event.BREAK_GLASS_STARTED):
        start(anna, "p1", REASON, 30)
    assert anna.guard.grants.active("anna", "p1") is None


@pytest.mark.parametrize("crash", STEPS)
def test_a_review_that_crashes_stays_owed_while_there_is_access_and_can_be_done_again(
    people: dict[str, Site], monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    anna, olga = people["anna"], people["olga"]
    grant = start(anna, "p1", REASON, 30)
    with crashing(monkeypatch, crash, Event.BREAK_GLASS_REVIEWED):
        review(olga, grant.id, FINDING)
    assert list(olga.guard.grants.owed()) == [grant.id]
    assert reveal(olga, review(olga, grant.id, FINDING)) == (REASON, FINDING)
    assert olga.guard.grants.owed() == {} and anna.guard.grants.active("anna", "p1") is None


def test_a_grant_under_the_name_of_another_is_refused(people: dict[str, Site]) -> None:
    anna = people["anna"]
    grant = start(anna, "p1", REASON, 30)
    folder = anna.home.grants("anna", "p1")
    (folder / f"{grant.id}.json").rename(folder / f"{'0' * 12}.json")
    with pytest.raises(IntegrityError, match=f"holds another grant, {grant.id}"):
        look(anna)


def test_an_unknown_grant_is_no_grant(people: dict[str, Site]) -> None:
    for name in ("0" * 12, "../../keys/ring"):
        with pytest.raises(InputError):
            review(people["olga"], name, FINDING)

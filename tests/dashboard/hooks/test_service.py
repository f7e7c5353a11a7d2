"""A record system's whole conversation over HTTP: discovery, cards, feedback; policy, consent and log behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from dashboard.hooks.cards import REASONS
from dashboard.hooks.service import MOST_NOTES, SERVICE
from policies.access import Purpose
from policies.care_team import EVERY, Member
from policies.guard import open_site
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import pseudonyms, record_consents
from tests.clinical.exports import CANARY, document
from tests.dashboard.hooks.conftest import served, trust
from tests.dashboard.hooks.ehr import PATH, PATIENT, Ehr, call, jwks, p384, policy_section

Logged = Callable[[], list[tuple[str, dict[str, Any]]]]
TEXT = "Seen for <b>gout</b> and chest pain, as on www.example.org or [this](http://evil.example). Denies fever."


def bundle(*documents: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in documents]}


def sent(*documents: dict[str, Any]) -> dict[str, Any]:
    return {"patient": PATIENT, "documents": bundle(*documents)}


def test_discovery_names_the_service_and_what_it_asks_for(ehr: Ehr) -> None:
    answer = ehr.client.get(f"{ehr.base}/cds-services")
    assert answer.status_code == 200
    (service,) = answer.json()["services"]
    assert (service["id"], service["hook"]) == (SERVICE, "patient-view")
    assert set(service["prefetch"]) == {"patient", "documents"} and "never a diagnosis" in service["description"]


def test_a_whole_conversation_and_its_entries(ehr: Ehr, logged: Logged, log_text: Callable[[], str]) -> None:
    answer = ehr.view(prefetch=sent(document("d9", "p1", TEXT, date="2026-01-31")))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    (card,) = answer.json()["cards"]
    assert card["indicator"] == "info" and len(card["summary"]) < 140 and "2026-01-31" in card["summary"]
    assert card["source"]["label"] == "Confide at north" and card["source"]["topic"]["code"]
    assert "never a diagnosis" in card["detail"] and "«gout»" in card["detail"]
    assert "suggestions" not in card and "links" not in card
    assert {reason["code"] for reason in card["overrideReasons"]} == set(REASONS)
    assert all(reason["display"] for reason in card["overrideReasons"])

    comment = {
        "reason": {"code": "misread", "system": "urn:confide:override-reason"},
        "userComment": "not Mr. Secretive",
    }
    ended = {"card": card["uuid"], "outcome": "overridden", "overrideReason": comment}
    path = f"{PATH}/feedback"
    told = ehr.post(path, {"feedback": [{**ended, "outcomeTimestamp": "2026-02-01T10:00:00Z"}]})
    assert (told.status_code, told.content) == (200, b"")

    entries = [(event, details) for event, details in logged() if event not in ("policy.changed", "model.loaded")]
    assert [event for event, _ in entries] == [
        "access.decided", "access.decided", "note.extracted", "access.decided", "feedback.received",
    ]  # fmt: skip
    assert {details["actor"] for _, details in entries} == {"ehr"}
    assert {details["purpose"] for _, details in entries} == {"TREAT"}
    read, feedback = entries[2][1], entries[4][1]
    assert read["card"] == feedback["card"] == card["uuid"] and read["counts"]["mentions"] > 0
    assert read["practitioner"] and "dr-1" not in read["practitioner"] and read["record"] != "d9"
    assert (feedback["reason"], feedback["commented"], feedback["outcome"]) == ("misread", True, "overridden")
    assert not any(word in log_text() for word in ("gout", "Secretive", "dr-1", CANARY))


def test_what_a_note_holds_is_text_in_the_card(ehr: Ehr) -> None:
    (card,) = ehr.view(prefetch=sent(document("d9", "p1", TEXT))).json()["cards"]
    assert "<b>" not in card["detail"].replace("\\<b\\>", "") and "](" not in card["detail"].replace("\\](", "")
    assert "www\\.example" in card["detail"] and "http\\://" in card["detail"]


def test_without_documents_the_notes_of_the_workspace_are_read(ehr: Ehr, logged: Logged) -> None:
    (card,) = ehr.view().json()["cards"]
    assert "own records" in card["summary"] and "«chest pain»" in card["detail"]
    assert [event for event, _ in logged()].count("note.viewed") == 1


def test_the_newest_notes_that_can_be_read_make_cards(ehr: Ehr) -> None:
    notes = [document(f"d{day}", "p1", "Gout.", date=f"2026-01-0{day}") for day in (1, 4, 3, 2)]
    picture = document("d8", "p1", b"\x00", "image/png", date="2026-02-01")
    old = {**document("d7", "p1", "Gout.", date="2026-03-01"), "status": "superseded"}
    cards = ehr.view(prefetch=sent(*notes, picture, old)).json()["cards"]
    assert [card["summary"][9:22].strip() for card in cards[:-1]] == [f"of 2026-01-0{day}" for day in (4, 3, 2)]
    assert len(cards) == MOST_NOTES + 1
    assert cards[-1]["summary"] == "1 note of this patient could not be read here"
    assert ehr.view(prefetch=sent()).json() == {"cards": []}


def test_a_note_that_is_held_at_an_address_is_said_and_one_entered_in_error_is_not_read(ehr: Ehr) -> None:
    away, wrong = document("d1", "p1", "Gout."), {**document("d2", "p1", "Gout."), "docStatus": "entered-in-error"}
    away["content"] = [{"attachment": {"contentType": "text/plain", "url": "Binary/1"}}]
    (card,) = ehr.view(prefetch=sent(away, wrong)).json()["cards"]
    assert card["summary"].startswith("2 notes") and card["indicator"] == "warning"


def test_what_the_newest_is_does_not_depend_on_how_its_time_is_written(ehr: Ehr) -> None:
    dates = ("2026-01-05T01:00:00+09:00", "2026-01-04T18:00:00Z")
    cards = ehr.view(prefetch=sent(*(document(f"d{day}", "p1", "Gout.", date=day) for day in dates))).json()["cards"]
    assert [card["summary"][9:22].strip() for card in cards] == ["of 2026-01-04", "of 2026-01-05"]


WRONG = {
    "no JSON": b"{",
    "deep JSON": b"[" * 100_000,
    "no object": b"[]",
    "another hook": call(hook="order-sign"),
    "no instance": call(hookInstance="Zebulon"),
    "no patient in context": call(context={"userId": "Practitioner/1"}),
    "a user who is the patient": call(context={"userId": "Patient/p1", "patientId": "p1"}),
    "a document of another": call(prefetch=sent(document("d9", "p2", CANARY))),
    "a patient of another shape": call(prefetch={"patient": {**PATIENT, "identifier": [{"type": "MR", "value": "1"}]}}),
    "a document of the same number elsewhere": call(
        prefetch=sent({**document("d9", "p1", CANARY), "subject": {"reference": "https://other.example/Patient/p1"}})
    ),
    "an outcome instead of documents": call(
        prefetch={"patient": PATIENT, "documents": {"resourceType": "OperationOutcome", "issue": []}}
    ),
    "documents of another shape": call(prefetch={"patient": PATIENT, "documents": [CANARY]}),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_call_that_cannot_be_understood_is_told_so_without_its_values(ehr: Ehr, body: Any) -> None:
    answer = ehr.post(PATH, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] and CANARY not in answer.text


@pytest.mark.parametrize("patient", [None, {**PATIENT, "id": "p2"}, {**PATIENT, "resourceType": "Person"}, "p1"])
def test_whose_notes_they_are_must_be_known(ehr: Ehr, logged: Logged, patient: Any) -> None:
    """Without the patient's own resource a refusal under the record number would not be found."""
    assert ehr.view(prefetch={"patient": patient}).status_code == 412
    assert not [event for event, _ in logged() if event.startswith("note")]


def test_other_paths_and_ways_to_call(ehr: Ehr) -> None:
    assert ehr.post("/cds-services/other", call()).status_code == 404
    assert ehr.client.get(ehr.base + PATH).status_code == 405
    for path in ("/docs", "/openapi.json", "/redoc", "/"):
        assert ehr.client.get(ehr.base + path).status_code == 404


def test_a_request_that_is_too_large_is_not_read_whole(ehr: Ehr) -> None:
    assert ehr.post(PATH, b" " * 14_000_000).status_code == 413


@pytest.mark.parametrize(
    ("change", "status"),
    [({"outcome": "ignored"}, 400), ({"card": CANARY}, 400), ({"outcomeTimestamp": "yesterday"}, 400), ({}, 200)],
)
def test_feedback_by_code_alone(ehr: Ehr, logged: Logged, change: dict[str, str], status: int) -> None:
    own = {"card": str(uuid4()), "outcome": "overridden", "outcomeTimestamp": "2026-02-01T10:00:00Z", **change}
    own["overrideReason"] = {"reason": {"code": f"{CANARY} said so", "system": "x"}}  # type: ignore[assignment]
    answer = ehr.post(f"{PATH}/feedback", {"feedback": [own]})
    assert answer.status_code == status and CANARY not in answer.text
    received = [details for event, details in logged() if event == "feedback.received"]
    assert [details["reason"] for details in received] == (["other"] if status == 200 else [])


def test_calls_at_once_do_not_disturb_each_other(ehr: Ehr) -> None:
    """spaCy's memory zones would forget words that another thread still reads."""
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        note = f"Seen for gout. Denies {'fever' if number % 2 else 'cough'}. Takes metoprolol {number + 1} mg daily."
        answers[number] = ehr.view(prefetch=sent(document("d9", "p1", note * 20))).json()["cards"][0]["detail"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 12
    for number, detail in answers.items():
        assert f"metoprolol; present; {number + 1} mg daily" in detail
        assert ("«fever»" in detail, "«cough»" in detail) == (bool(number % 2), not number % 2)


def test_what_the_policy_or_the_patient_refuses_is_refused_alike(workspace: Workspace) -> None:
    key = p384()
    trust(workspace, policy_section(jwks(k1=key)))
    with served(workspace) as base:
        ehr = Ehr(base, key)
        assert ehr.view().status_code == 200
        site = open_site(workspace, "north")
        (own,) = pseudonyms(site, "p1", PATIENT)
        record_consents(site, {own: refusal([Purpose.TREATMENT], "2026-01-01")}, "test")
        withdrawn = ehr.view()
        sent_along = ehr.view(prefetch=sent(document("d9", "p1", TEXT)))
        nothing = ehr.view(prefetch=sent())
        other = {
            "context": {"userId": "Practitioner/1", "patientId": "p2"},
            "prefetch": {"patient": {**PATIENT, "id": "p2"}},
        }
        assert ehr.view(**other).status_code == 200
        site.guard.care_teams.change([Member(own, "ehr")], [Member(EVERY, EVERY)])
        no_team = ehr.view(**other)
        trust(workspace, policy_section(jwks(k1=key)), '["hospital_it"]')
        no_role = ehr.view(**other)
        assert {answer.status_code for answer in (withdrawn, sent_along, nothing, no_team, no_role)} == {403}
        assert withdrawn.json() == no_team.json() == no_role.json() and "cards" not in withdrawn.json()
        trust(workspace, "")
        assert ehr.view(**other).status_code == 401  # nobody is trusted any more
        workspace.policy.write_text("version = ")
        assert ehr.view(**other).status_code == 503


def test_a_fault_of_our_own_tells_a_stranger_nothing(
    ehr: Ehr, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(f"{CANARY} in the middle of a note")

    monkeypatch.setattr("dashboard.hooks.service.extract_for_care", fail)
    answer = ehr.view()
    assert answer.status_code == 503 and CANARY not in answer.text
    told = capfd.readouterr()
    assert CANARY not in told.out + told.err and "ValueError" in told.err


def test_only_pages_of_listed_origins_may_call(workspace: Workspace) -> None:
    key = p384()
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origins, allowed in (("[]", None), ('["https://ehr.example.org"]', "https://ehr.example.org")):
        trust(workspace, policy_section(jwks(k1=key)), origins=origins)
        with served(workspace) as base:
            ehr = Ehr(base, key)
            for origin in ("https://ehr.example.org", "https://evil.example"):
                answer = ehr.client.options(base + PATH, headers={"Origin": origin, **asked})
                wanted = allowed if origin == allowed else None
                assert answer.headers.get("access-control-allow-origin") == wanted

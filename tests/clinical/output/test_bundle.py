"""The Bundle is FHIR R4 whatever a note says, keeps R4's invariants, and tells where everything stands.

`fhir.resources` has models of R4B (4.3.0). R4B changed resources of evidence, of the definition of medicines and of
subscriptions, none of which is used here, so what it accepts is R4 (4.0.1) as well. It checks elements and not
invariants; those of the resources used here stand below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given, settings

from clinical.diagnosis import Evidence, Extraction, Suggestion
from clinical.extraction import read_note
from clinical.extraction.mentions import Assertion, Attribute, Kind, Mention, NoteFacts, Relation, Status
from clinical.output import Source, as_bundle
from tests.clinical.output.made import extractions

SOURCE = Source("DocumentReference/d1", "Patient/p1")


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def code_of(concept: dict[str, Any]) -> str:
    return str(concept["coding"][0]["code"])


def said(text: str, patient: str = "Patient/p1") -> dict[str, Any]:
    return as_bundle(text, Extraction(read_note(text), (), ""), Source("DocumentReference/d1", patient))


def one_mention(kind: Kind, status: Status, **more: Any) -> dict[str, Any]:
    own = Mention(0, 5, "thing", kind, "thing", "", Assertion(status, "cue", 6, 9), **more)
    return as_bundle("thing cue", Extraction(NoteFacts((), ((0, 9),), (own,)), (), ""), SOURCE)


@settings(max_examples=150, deadline=None)
@given(extractions())
def test_it_is_fhir_whatever_a_note_says(drawn: tuple[str, Extraction]) -> None:
    text, found = drawn
    bundle = json.loads(json.dumps(as_bundle(text, found, SOURCE)))
    Bundle.model_validate(bundle)
    known = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(known) == len(bundle["entry"])
    assert set(references(bundle)) <= known | {"Patient/p1", "DocumentReference/d1", "#device"}
    for condition in resources(bundle, "Condition"):
        refuted = code_of(condition["verificationStatus"]) == "refuted"
        assert not (refuted and "clinicalStatus" in condition) and not (refuted and "onsetString" in condition)
    for result in resources(bundle, "Observation"):  # obs-6: a reason for absence only where there is no value
        assert ("dataAbsentReason" in result) != ("valueQuantity" in result or "valueString" in result)
    for prediction in (p for r in resources(bundle, "RiskAssessment") for p in r.get("prediction", ())):
        assert 0 <= prediction.get("probabilityDecimal", 0) <= 100  # ras-2: percent
        assert ("probabilityDecimal" in prediction) != ("qualitativeRisk" in prediction)
    made = len(known) - 1 - len(resources(bundle, "Provenance"))
    assert made == len(resources(bundle, "Provenance"))  # one for each resource but the Device


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["reference"]] if isinstance(node.get("reference"), str) else [])
        for value in node.values():
            yield from references(value)
    for value in node if isinstance(node, list) else ():
        yield from references(value)


@pytest.mark.parametrize(
    ("status", "verification", "clinical"),
    [
        ("present", "confirmed", "active"),
        ("uncertain", "unconfirmed", "active"),
        ("conditional", "confirmed", None),
        ("historical", "confirmed", None),
        ("resolved", "confirmed", "resolved"),
        ("negated", "refuted", None),
    ],
)
def test_the_status_of_a_condition(status: Status, verification: str, clinical: str | None) -> None:
    bundle = one_mention("problem", status)
    Bundle.model_validate(bundle)
    (condition,) = resources(bundle, "Condition")
    assert code_of(condition["verificationStatus"]) == verification
    assert (code_of(condition["clinicalStatus"]) if "clinicalStatus" in condition else None) == clinical
    assert condition["extension"][0]["valueCode"] == status


@pytest.mark.parametrize("status", get_args(Status))
@pytest.mark.parametrize("kind", ["problem", "finding", "medication", "test", "procedure", "device"])
def test_what_is_not_the_patients_is_no_fact_of_the_patient(kind: Kind, status: Status) -> None:
    bundle = one_mention(kind, status)
    Bundle.model_validate(bundle)
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]} - {"Device", "Provenance"}
    if status == "family":
        assert kinds == ({"FamilyMemberHistory"} if kind in ("problem", "finding") else set())
    if status == "hypothetical":
        assert kinds <= {"MedicationStatement"}
    if (kind, status) == ("medication", "conditional"):  # on a cue that speaks of no allergy
        assert kinds == {"MedicationStatement"}


@pytest.mark.parametrize(
    ("status", "code"),
    [("present", "active"), ("negated", "not-taken"), ("historical", "completed"), ("hypothetical", "intended")],
)
def test_the_status_of_a_medication(status: Status, code: str) -> None:
    (statement,) = resources(one_mention("medication", status), "MedicationStatement")
    assert statement["status"] == code


def test_a_device_is_in_use_and_one_that_is_denied_is_no_resource() -> None:
    bundle = said("She has a pacemaker. No dentures.")
    used = {own["contained"][0]["type"]["text"]: own["status"] for own in resources(bundle, "DeviceUseStatement")}
    assert used == {"pacemaker": "active"}


def test_a_dose_is_a_quantity_in_ucum_and_its_frequency_a_code() -> None:
    (statement,) = resources(said("Takes metoprolol 25 mg PO bid."), "MedicationStatement")
    (dosage,) = statement["dosage"]
    assert statement["medicationCodeableConcept"]["text"] == "metoprolol"
    assert dosage["doseAndRate"][0]["doseQuantity"] == {
        "value": 25, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg",
    }  # fmt: skip
    assert (dosage["route"]["text"], code_of(dosage["timing"]["code"])) == ("oral", "BID")
    assert "asNeededBoolean" not in dosage  # nothing is said of it
    assert dosage["text"] == "25 mg oral bid"


def test_a_dose_of_several_and_one_that_ucum_does_not_know() -> None:
    values = (Attribute("dose", "1-2", 0, 1), Attribute("unit", "tablet", 0, 1), Attribute("frequency", "prn", 0, 1))
    (statement,) = resources(one_mention("medication", "present", attributes=values), "MedicationStatement")
    (dosage,) = statement["dosage"]
    low = {"value": 1, "unit": "tablet"}
    assert dosage["doseAndRate"] == [{"doseRange": {"low": low, "high": {"value": 2, "unit": "tablet"}}}]
    assert dosage["asNeededBoolean"] is True


def result(**values: str) -> dict[str, Any]:
    attributes = tuple(Attribute(kind, value, 0, 1) for kind, value in values.items())  # type: ignore[arg-type]
    bundle = one_mention("test", "present", attributes=attributes)
    Bundle.model_validate(bundle)
    (made,) = resources(bundle, "Observation")
    assert made["status"] == "preliminary"
    return made


def test_a_result_is_a_quantity_with_its_flag_and_range() -> None:
    made = result(value="9.2", unit="g/dL", flag="low", range="12-16")
    assert made["valueQuantity"]["value"] == 9.2 and made["valueQuantity"]["code"] == "g/dL"
    assert code_of(made["interpretation"][0]) == "L" and made["referenceRange"] == [{"text": "12-16"}]
    assert result(value="<0.5", unit="ng/mL")["valueQuantity"]["comparator"] == "<"


def test_a_result_in_words_and_one_that_is_not_told() -> None:
    assert result(value="120/80", unit="mmHg")["valueString"] == "120/80 mmHg"
    assert code_of(result(value="positive")["interpretation"][0]) == "POS"
    assert code_of(result()["dataAbsentReason"]) == "unknown"


def test_a_disease_of_the_family_names_the_relative() -> None:
    (history,) = resources(said("Mother had diabetes."), "FamilyMemberHistory")
    assert (code_of(history["relationship"]), history["status"]) == ("MTH", "partial")
    assert history["condition"][0]["code"]["text"] == "diabetes mellitus"
    (unknown,) = resources(said("Family history of gout."), "FamilyMemberHistory")
    assert code_of(unknown["relationship"]) == "FAMMEMB"


def test_a_code_stands_only_where_its_name_says_the_same_and_nobody_chose_it() -> None:
    (hypertension,) = resources(said("Hypertension."), "Condition")
    assert hypertension["code"]["coding"] == [
        {
            "system": "http://hl7.org/fhir/sid/icd-10-cm",
            "code": "I10",
            "display": "Essential (primary) hypertension",
            "userSelected": False,
        }
    ]
    assert "coding" not in resources(one_mention("problem", "present"), "Condition")[0]["code"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Lisinopril was discontinued.", "stopped"),
        ("Stop aspirin.", "stopped"),
        ("Hold warfarin.", "on-hold"),
        ("She is not taking metformin.", "not-taken"),
        ("Refused to start insulin.", "not-taken"),
        ("Consider amlodipine.", "intended"),
        ("May start insulin.", "intended"),
        ("PMH: diabetes on insulin.", "active"),
        ("Do not stop metoprolol.", "active"),
        ("Aspirin was discontinued last year, restarted in May.", "active"),
        ("Stopped smoking and takes metformin.", "active"),
        ("Takes nitroglycerin on exertion.", "active"),
        ("Ibuprofen with activity.", "active"),
        ("Takes aspirin only if in pain.", "active"),
        ("Allergies: none known. Penicillin given.", "unknown"),
    ],
)
def test_a_medication_stands_as_its_sentence_says(text: str, code: str) -> None:
    bundle = said(text)
    assert [own["status"] for own in resources(bundle, "MedicationStatement")] == [code]
    assert not resources(bundle, "AllergyIntolerance")


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        ("ALLERGIES: Penicillin (rash), treated with Benadryl.", ["penicillin"]),
        ("ALLERGIES: rash when given penicillin.", ["penicillin"]),
        ("Allergic to penicillin.", ["penicillin"]),
        ("No allergy to aspirin.", []),
    ],
)
def test_what_is_an_allergy(text: str, drugs: list[str]) -> None:
    bundle = said(text)
    assert [own["code"]["text"] for own in resources(bundle, "AllergyIntolerance")] == drugs
    assert drugs or not resources(bundle, "MedicationStatement")


def test_what_was_measured_in_urine_is_not_what_is_measured_in_serum(monkeypatch: pytest.MonkeyPatch) -> None:
    code = SimpleNamespace(system="LOINC", code="2951-2", display="Sodium [Moles/volume] in Serum or Plasma")
    monkeypatch.setattr("clinical.output.resources.sure_codes", lambda *_: (code,))
    urine, serum = resources(said("Urine sodium 20. Serum sodium 140."), "Observation")
    assert (urine["code"]["text"], serum["code"]["text"]) == ("urine sodium", "sodium")
    assert "coding" not in urine["code"] and code_of(serum["code"]) == "2951-2"


def test_an_allergy_is_no_medication() -> None:
    bundle = said("ALLERGIES: Penicillin.")
    assert not resources(bundle, "MedicationStatement")
    assert resources(bundle, "AllergyIntolerance")[0]["code"]["text"] == "penicillin"


def test_provenance_holds_every_place_and_the_words_that_decided() -> None:
    text = "No fever. She denies fever."
    bundle = said(text)
    (provenance,) = resources(bundle, "Provenance")
    places = [
        {one["url"]: one.get("valueUnsignedInt", one.get("valueString")) for one in place["extension"]}
        for entity in provenance["entity"]
        for place in entity["extension"]
    ]
    assert [place["exact"] for place in places] == ["fever", "No", "fever", "denies"]
    assert all(text[place["start"] : place["end"]] == place["exact"] for place in places)
    assert {entity["what"]["reference"] for entity in provenance["entity"]} == {"DocumentReference/d1"}
    device = next(entry for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Device")
    assert provenance["agent"][0]["who"]["reference"] == device["fullUrl"]
    assert [one["type"]["text"] for one in device["resource"]["version"]] == ["software"]


def test_sites_and_times_stand_with_what_they_are_of() -> None:
    facts = NoteFacts(
        (), ((0, 30),), (Mention(0, 4, "pain", "finding", "pain"),),
        (Relation("site", 0, 4, 5, 14, "left knee"), Relation("time", 0, 4, 15, 22, "3 weeks")),
    )  # fmt: skip
    (condition,) = resources(as_bundle("x" * 30, Extraction(facts, (), ""), SOURCE), "Condition")
    assert condition["bodySite"] == [{"text": "left knee"}] and condition["onsetString"] == "3 weeks"


def ranked(**changes: Any) -> dict[str, Any]:
    suggestion = Suggestion("I50.9", "Heart failure", 0.634, (Evidence(0, 8, 1.2),), (), (), True)
    values = {"facts": NoteFacts(), "suggestions": (suggestion,), "model": "m1", **changes}
    bundle = as_bundle("Swelling of the leg.", Extraction(**values), SOURCE)
    Bundle.model_validate(bundle)
    assert not resources(bundle, "Condition")
    return bundle


def test_suggestions_are_predictions_in_percent_and_no_condition() -> None:
    bundle = ranked()
    (assessment,) = resources(bundle, "RiskAssessment")
    (prediction,) = assessment["prediction"]
    assert (assessment["status"], prediction["probabilityDecimal"]) == ("preliminary", 63.4)
    assert prediction["outcome"] == {"text": "Heart failure (I50.9)"} and '"Swelling"' in prediction["rationale"]
    assert "never a diagnosis" in assessment["note"][0]["text"]
    (device,) = resources(bundle, "Device")
    assert [one["value"] for one in device["version"]][1:] == ["m1"]
    (provenance,) = resources(bundle, "Provenance")
    assert provenance["entity"][0]["extension"][0]["extension"][2]["valueString"] == "Swelling"


def test_a_share_is_no_probability_and_a_refusal_is_said() -> None:
    share = Suggestion("I50.9", "Heart failure", 0.634, ())
    (assessment,) = resources(ranked(suggestions=(share,)), "RiskAssessment")
    (prediction,) = assessment["prediction"]
    assert "probabilityDecimal" not in prediction and "no probability" in prediction["qualitativeRisk"]["text"]
    (refused,) = resources(ranked(suggestions=(), refusal="too short"), "RiskAssessment")
    assert (refused["status"], refused["note"][1]["text"]) == ("cancelled", "too short")
    assert "prediction" not in refused


def test_without_a_patient_and_a_document_it_says_so_in_words() -> None:
    bundle = as_bundle("Cough.", Extraction(read_note("Cough."), (), ""), Source())
    Bundle.model_validate(bundle)
    assert resources(bundle, "Condition")[0]["subject"] == {"display": "the patient of the note"}

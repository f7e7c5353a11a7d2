import base64
import json
import re
from contextlib import suppress
from dataclasses import dataclass

import pytest
from fhir.resources import get_fhir_model_class as r5_model
from fhir.resources.R4B import get_fhir_model_class as r4_model
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.formats.fhir import deidentify_resource
from privacy.formats.fhir_notes import note_text, plain_attachment
from privacy.formats.fhir_rules import known_types, rules_of, rules_of_type
from tests.privacy.fhir_examples import CANARY, elements, example
from tests.privacy.subjects import KnownSubject

MODELS = {"R4": r4_model, "R5": r5_model}
KINDS = [(v, k) for v in MODELS for k in sorted(known_types()) if (v, k) != ("R5", "Media")]
MASKED = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


@dataclass
class Subject(KnownSubject):
    """Patient p1, whose name is the canary; `strict` drops every date."""

    known: tuple[str, ...] = (CANARY,)
    strict: bool = False

    def code(self, kind, value):
        return self.pseudonym if (kind, value) == ("Patient", "p1") else super().code(kind, value)

    def date(self, value):
        return None if self.strict else value[:4]

    birth_date = date

    def instant(self, value):
        return None


def deidentified(kind="Observation", by=None, **content):
    return deidentify_resource({"resourceType": kind, "id": "r1", **content}, by or Subject())


def kept(kind="Observation", **content):
    result = deidentified(kind, **content)[0]
    return {k: v for k, v in result.items() if k not in ("resourceType", "id")}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("version", "kind"), KINDS)
def test_everything_that_a_resource_can_hold_comes_out_valid_and_without_identifiers(version, kind, strict):
    model = MODELS[version](kind)
    for choice in range(4):
        whole = example(kind, MODELS[version], choice)
        model.model_validate(whole)
        output, dropped = deidentify_resource(whole, Subject(strict=strict))
        model.model_validate(output)
        assert dropped > 0
        text = json.dumps(output)
        assert not re.search(rf"{CANARY}|2019-|62704|mercy|\"p1\"|/p1\"|/x1\"|\"r1\"", text)


TABLES = {kind: rules_of(kind) for kind in sorted(known_types())} | {
    "Timing": rules_of_type("Timing"),
    "Dosage": rules_of_type("Dosage"),
    "Annotation": rules_of_type("Annotation"),
    "Period": rules_of_type("Period"),
    "CompositionSection": rules_of_type("Section"),
    "QuestionnaireResponseItem": rules_of_type("Item"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_the_table_names_elements_of_fhir_and_marks_those_that_it_requires(kind):
    rules = TABLES[kind]
    known: dict = {("contained",): {("Resource", False)}}
    for get_model in MODELS.values():
        with suppress(ValueError):  # R5 has no Media
            _add_elements(get_model(kind), get_model, known, rules, ())
    listed = dict(_paths(rules))
    for path, rule in listed.items():
        assert path in known, path
        assert set(rule.leaves) <= {leaf for type_, _ in known[path] for leaf in LEAVES.get(type_, [type_])}, path
    parents = {path[:length] for path in listed for length in range(len(path))}
    for path, types in known.items():
        if any(required for _, required in types) and path[:-1] in parents and path[-1] not in FORMS_LEFT_OUT:
            assert path in parents or listed[path].required, path


LEAVES = {
    type_: leaves.split()
    for types, leaves in {
        "Code Boolean Integer Decimal PositiveInt UnsignedInt": "keep",
        "Coding CodeableConcept": "coded",
        "CodeableReference Reference": "coded reference",
        "Date DateTime": "date birth_date",
        "Period": "date",
        "Quantity Duration Ratio Money": "quantity",
        "Range": "quantity age",
        "Age": "age",
        "String Markdown": "text organisation label identifier",
        "Instant": "instant",
        "Time": "time",
        "Identifier": "identifier",
        "Address": "address",
        "HumanName": "name",
        "ContactPoint": "telecom",
        "Narrative": "narrative",
        "Attachment": "attachment",
        "Canonical": "canonical",
        "Resource": "contained",
        "Extension": "extension",
        "CompositionSection": "Section",
        "QuestionnaireResponseItem": "Item",
    }.items()
    for type_ in types.split()
}
# Of a choice[x] that is required; the other forms are kept.
FORMS_LEFT_OUT = ("valueUri",)


def _add_elements(model, get_model, known, rules, above):
    for name, type_, _, required, _ in elements(model):
        known.setdefault((*above, name), set()).add((type_, required))
        if name in rules and rules[name].inner and type_ not in LEAVES:
            _add_elements(get_model(type_), get_model, known, rules[name].inner, (*above, name))


def _paths(rules, above=()):
    for name, rule in rules.items():
        if rule.leaves:
            yield (*above, name), rule
        yield from _paths(rule.inner, (*above, name))


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ({"unheardOf": CANARY}, 1),
        ({"implicitRules": "urn:x"}, 1),
        ({"extension": [{"url": "urn:x", "valueString": CANARY}]}, 1),
        ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, 1),
        ({"_status": {"extension": [{"url": "urn:x", "valueString": CANARY}]}}, 1),
        ({"_unheardOf": {"extension": MASKED}}, 1),
        ({"component": [{"unheardOf": 1, "valueInteger": 2}, {"unheardOf": 3}]}, 2),
        ({"subject": {"reference": "Patient/p1", "display": CANARY}}, 1),
        ({"subject": {"reference": "Patient/p2"}}, 1),
        ({"meta": {"source": "urn:x", "versionId": "7", "tag": [{"code": CANARY}]}}, 3),
        ({"status": f"final, says {CANARY}"}, 1),
        ({"code": "no concept"}, 1),
        ({"code": [[{"text": "nested"}]]}, 1),
        ({"contained": [{"resourceType": "Spaceship", "id": "x"}]}, 1),
        ({"note": [{"authorString": CANARY, "text": "seen"}]}, 1),
    ],
)
def test_what_no_rule_names_is_dropped_and_counted(content, count):
    output, dropped = deidentified(**content)
    assert dropped == count
    assert CANARY not in json.dumps(output)


def test_a_type_that_the_table_does_not_know_is_refused():
    with pytest.raises(KeyError):
        deidentified("Spaceship")


@pytest.mark.parametrize(
    ("reference", "type_", "name"),
    [
        ("Practitioner/x7", "Practitioner", "x7"),
        ("https://fhir.example.org/r4/Practitioner/x7", "Practitioner", "x7"),
        ("Practitioner/x7/_history/3", "Practitioner", "x7"),
        ("Patient/p1", "Patient", "p1"),
        ("Spaceship/x7", None, None),
        ("urn:uuid:123e4567-e89b-12d3-a456-426614174000", None, None),
        ("#nobody", None, None),
        (f"seen by {CANARY}", None, None),
    ],
)
def test_forms_of_references(reference, type_, name):
    expected = [{"reference": f"{type_}/{Subject().code(type_, name)}"}] if type_ else None
    assert kept(performer=[{"reference": reference}]).get("performer") == expected


def test_a_reference_agrees_with_the_id_of_what_it_points_to():
    encounter = deidentify_resource({"resourceType": "Encounter", "id": "e1"}, Subject())[0]
    assert kept(encounter={"reference": "Encounter/e1"})["encounter"]["reference"] == f"Encounter/{encounter['id']}"


def test_a_reference_by_identifier_agrees_with_the_identifier():
    (identifier,) = kept("Practitioner", identifier=[{"system": "urn:npi", "value": "999-99"}])["identifier"]
    conditional, logical = kept(
        performer=[
            {"reference": "Practitioner?identifier=urn:npi|99999"},
            {"identifier": {"system": "urn:npi", "value": "99999"}},
        ]
    )["performer"]
    assert conditional == {"type": "Practitioner", "identifier": identifier}
    assert logical == {"identifier": identifier}


def test_a_urn_points_to_the_entry_that_took_its_id_from_it():
    (found,) = kept(performer=[{"reference": "urn:uuid:ab-1", "type": "Practitioner"}])["performer"]
    assert found["reference"] == "Practitioner/" + Subject().code("Practitioner", "ab-1")


def test_a_contained_resource_falls_under_the_same_rules_and_stays_linked():
    output, _ = deidentified(
        contained=[{"resourceType": "Practitioner", "id": "x", "name": [{"family": CANARY}], "gender": "female"}],
        performer=[{"reference": "#x"}],
    )
    (inner,) = output["contained"]
    assert inner == {"resourceType": "Practitioner", "id": inner["id"], "gender": "female"}
    assert output["performer"] == [{"reference": "#" + inner["id"]}]


def test_codes_of_known_systems_stay_and_words_are_text():
    code = {"coding": [{"system": SNOMED, "code": "123456789", "display": f"Called {CANARY}"}], "text": f"By {CANARY}"}
    assert kept(code=code)["code"] == {
        "coding": [{"code": "123456789", "system": SNOMED, "display": "Called [X]"}],
        "text": "By [X]",
    }


@pytest.mark.parametrize(
    ("code", "stays"),
    [("ENT - Otolaryngology", True), ("c1", True), ("7852774", False), (CANARY, False), ("x" * 65, False), ("", False)],
)
def test_codes_of_unknown_systems_stay_where_they_are_codes(code, stays):
    concept = kept(code={"coding": [{"system": "urn:mercy:codes", "code": code}]}).get("code", {})
    assert [c["code"] for c in concept.get("coding", [])] == ([code] if stays else [])
    assert "mercy" not in json.dumps(concept)


def test_an_identifier_keeps_its_type_and_nothing_of_its_system():
    type_ = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    raw = {
        "use": "usual",
        "type": type_,
        "system": "urn:mercy:mrn",
        "value": "785-2774",
        "assigner": {"display": CANARY},
    }
    expected = {
        "use": "usual",
        "type": type_,
        "value": Subject().identifier("7852774"),
        "system": "urn:confide:identifier:MR",
    }
    assert kept("Patient", identifier=[raw])["identifier"] == [expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"value": 93, "unit": "years", "code": "a"}, 90),
        ({"value": 93}, 90),
        ({"value": 1100, "code": "mo"}, 90),
        ({"value": 34000, "unit": "Days"}, 90),
        ({"value": 45.5, "code": "a"}, 45.5),
        ({"value": 11, "unit": "months"}, 11),
    ],
)
def test_ages_over_89_are_one_group(value, expected):
    assert kept("Condition", onsetAge=value)["onsetAge"]["value"] == expected
    age = {"coding": [{"system": LOINC, "code": "30525-0"}]}
    assert kept(code=age, valueQuantity=value)["valueQuantity"]["value"] == expected


def test_ages_in_other_forms_are_grouped_too():
    age = {"coding": [{"system": LOINC, "code": "30525-0"}]}
    assert kept(code=age, valueInteger=97)["valueInteger"] == 90
    assert kept(component=[{"code": age, "valueString": "97"}])["component"][0]["valueString"] == "90"
    assert (
        kept("Condition", onsetRange={"low": {"value": 70}, "high": {"value": 97}})["onsetRange"]["high"]["value"] == 90
    )
    assert kept(valueInteger=97)["valueInteger"] == 97


def test_a_name_split_over_tags_and_cells_is_found_and_only_paragraphs_are_left():
    rows = (
        f"<table><tr><td title='{CANARY}'>{CANARY[:3]}<b>{CANARY[3:]}</b></td><td>a &lt; b</td></tr></table><br/>Well."
    )
    subject = Subject()
    output = deidentified(text={"status": "generated", "div": f"<div>{rows}<script>x</script></div>"}, by=subject)[0]
    assert subject.texts == [f"{CANARY}\ta < b\nWell."]
    assert output["text"] == {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>[X]\ta &lt; b</p><p>Well.</p></div>',
    }


def test_every_attachment_becomes_clean_text_and_the_note_is_read_from_them():
    note = f"{CANARY} was seen."
    attachment = plain_attachment(note) | {"title": CANARY, "url": "http://x", "creation": "2019-03-14", "size": 9}
    pdf = {"contentType": "application/pdf", "data": base64.b64encode(note.encode()).decode()}
    content = [{"attachment": attachment}, {"attachment": pdf}, {"attachment": plain_attachment("Second.")}]
    output, dropped = deidentified("DocumentReference", content=content)
    first, _, second = [c["attachment"] for c in output["content"]]
    assert first == plain_attachment("[X] was seen.") | {"creation": "2019"}
    assert note_text({"resourceType": "DocumentReference", "content": content}) == f"{note}\n\nSecond."
    assert note_text(output) == "[X] was seen.\n\nSecond."
    assert output["content"][1] == {"attachment": {"extension": MASKED}}
    assert second == plain_attachment("Second.")
    assert dropped == 4


def test_the_note_of_a_composition_is_in_its_sections():
    sections = [{"title": CANARY, "text": {"div": "<div>One</div>"}, "section": [{"text": {"div": "<div>Two</div>"}}]}]
    assert note_text({"resourceType": "Composition", "section": sections}) == "One\n\nTwo"


def test_names_numbers_and_organisations_go_unless_they_are_made_up_or_the_policy_keeps_them():
    people = {"name": [{"family": "Quist", "given": ["A"]}], "telecom": [{"system": "email", "value": "q@x.org"}]}
    assert kept("Patient", **people) == {}
    made_up = deidentified("Patient", Subject(made_up=True), **people)[0]
    assert made_up["name"] == [{"family": "Madeup", "given": ["Max"]}]
    assert made_up["telecom"] == [{"system": "email", "value": "a@example.com"}]
    assert kept("Organization", name="Mercy") == {}
    assert (
        deidentified("Organization", Subject(replaces_organisations=False), name=f"Mercy {CANARY}")[0]["name"]
        == "Mercy [X]"
    )


def test_race_and_ethnicity_stay():
    race = {
        "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
        "extension": [
            {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"}},
            {"url": "text", "valueString": "White"},
            {"url": CANARY, "valueString": "x"},
        ],
    }
    (output,) = kept("Patient", extension=[race])["extension"]
    assert output == {**race, "extension": race["extension"][:2]}


@pytest.mark.parametrize("value", [CANARY, "2019-3-14", "2019-03-14 to 2019-04-01", ""])
def test_what_is_no_date_is_dropped_without_asking_what_the_policy_keeps(value):
    assert kept("Condition", onsetDateTime=value, recordedDate="2019-03-14T09:00:00.123+01:00") == {
        "recordedDate": "2019"
    }


def test_what_is_required_and_dropped_is_said_to_be_masked():
    output = kept("Condition", subject={"reference": "Patient/p2"})
    assert output == {"subject": {"extension": MASKED}}
    late = deidentified("Provenance", recorded="2019-03-14T09:00:00Z", target=[{"display": CANARY}])[0]
    assert (late["_recorded"], late["target"]) == ({"extension": MASKED}, [{"extension": MASKED}])


def test_a_resource_nested_too_deeply_is_refused():
    section = {"title": "x"}
    for _ in range(3000):
        section = {"section": [section]}
    with pytest.raises(ValueError, match="deep"):
        deidentified("Composition", section=[section])


KEYS = [
    "coding", "code", "concept", "contained", "data", "display", "div", "extension", "identifier", "low", "reference",
    "resourceType", "start", "system", "text", "type", "unit", "url", "value",
]  # fmt: skip
words = st.sampled_from([CANARY, f"of {CANARY}", "Practitioner/x1", "final", "reference", "2019-03-14"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(known_types())), content=st.data())
def test_no_value_of_any_shape_carries_a_name_through(kind, content):
    names = content.draw(st.lists(st.sampled_from(sorted(rules_of(kind))), min_size=1, max_size=4))
    resource = {"resourceType": kind, "id": "r1", **{name: content.draw(anything) for name in names}}
    output, _ = deidentify_resource(resource, Subject())
    assert CANARY not in json.dumps(output)

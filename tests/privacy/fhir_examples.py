"""One resource of each kind with everything in it that its own model of `fhir.resources` knows."""

import re

CANARY = "Zebulon"
HOST = "http://mercy.example.org"
CODING = {"system": "urn:mercy:codes", "version": CANARY, "code": "c 1", "display": f"Name of {CANARY}"}
CONCEPT = {"coding": [CODING], "text": f"Words of {CANARY}"}
REFERENCE = {"reference": "Practitioner/x1", "display": f"Dr. {CANARY}"}
QUANTITY = {"value": 7.5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
PERIOD = {"start": "2019-03-14T09:00:00Z", "end": "2019-03-15"}
PRIMITIVES = {
    "Code": "active",
    "Boolean": True,
    "Integer": 3,
    "Decimal": 1.5,
    "PositiveInt": 3,
    "UnsignedInt": 3,
    "String": f"Seen by {CANARY} today",
    "Markdown": f"*{CANARY}*",
    "Date": "2019-03-14",
    "DateTime": "2019-03-14T09:00:00Z",
    "Instant": "2019-03-14T09:00:00Z",
    "Time": "09:00:00",
    "Uri": f"{HOST}/{CANARY}",
    "Url": f"{HOST}/{CANARY}",
    "Canonical": f"{HOST}/{CANARY}",
    "Base64Binary": "AAAA",
}
TYPES = {
    "Coding": CODING,
    "CodeableConcept": CONCEPT,
    "CodeableReference": {"concept": CONCEPT, "reference": REFERENCE},
    "Reference": REFERENCE,
    "Identifier": {"use": "official", "type": CONCEPT, "system": HOST, "value": f"{CANARY}-7", "period": PERIOD},
    "Period": PERIOD,
    "Quantity": QUANTITY,
    "Duration": QUANTITY,
    "Age": {"value": 93, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
    "Range": {"low": QUANTITY, "high": QUANTITY},
    "Ratio": {"numerator": QUANTITY, "denominator": QUANTITY},
    "Money": {"value": 5.0, "currency": "USD"},
    "HumanName": {"use": "official", "text": CANARY, "family": CANARY, "given": [CANARY], "prefix": [CANARY]},
    "ContactPoint": {"system": "email", "value": f"{CANARY}@mercy.example.org", "use": "work"},
    "Address": {"line": [CANARY], "city": CANARY, "state": "IL", "postalCode": "62704", "country": "US"},
    "Annotation": {"authorString": CANARY, "time": "2019-03-14T09:00:00Z", "text": f"{CANARY} called"},
    "Attachment": {"contentType": "text/plain", "data": "WmVidWxvbiBjYWxsZWQu", "title": CANARY, "url": HOST},
    "Narrative": {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><table><tr><td>{CANARY[:3]}<b>{CANARY[3:]}</b></td>'
        f'<td title="{CANARY}">a &lt; b</td></tr></table></div>',
    },
    "Timing": {"event": ["2019-03-14"], "repeat": {"boundsPeriod": PERIOD, "timeOfDay": ["09:00:00"], "when": ["AC"]}},
    "Extension": {"url": f"{HOST}/{CANARY}", "valueString": CANARY},
    "Meta": {"lastUpdated": "2019-03-14T09:00:00Z", "source": HOST, "profile": ["http://hl7.org/fhir/x"]},
}
_SKIPPED = ("fhir_comments", "implicitRules", "contained", "modifierExtension", "resource_type")


def example(kind, get_model, choice=0):
    """A resource of this type with every element, taking of each choice[x] the one that `choice` counts to."""
    whole = _example(get_model(kind), get_model, choice, (kind,))
    return {"resourceType": kind, **whole, "id": "r1", **_patient(kind, whole)}


def _patient(kind, whole):
    """The elements that name the patient do so, for Patient/p1."""
    named = {"reference": "Patient/p1", "display": CANARY}
    holders = [n for n in ("subject", "patient", "beneficiary") if "reference" in str(whole.get(n))]
    return {n: [named] if isinstance(whole[n], list) else named for n in holders if kind not in ("Location",)}


def elements(model):
    """(name in JSON, name of the type, whether it is a list, whether FHIR requires it, its choice[x])."""
    for name, field in model.model_fields.items():
        if not name.endswith("__ext") and name not in _SKIPPED:
            extra = field.json_schema_extra or {}
            required = field.is_required() or extra.get("element_required") or extra.get("one_of_many_required")
            yield field.alias, _type(field), "List[" in str(field.annotation), bool(required), extra.get("one_of_many")


def _type(field):
    annotation = str(field.annotation)
    if found := re.search(r"abc\.(\w+)Type\b", annotation):
        return found[1]
    if found := re.search(r"\b(Code|Integer|Decimal|PositiveInt|UnsignedInt|String|Markdown|Date|DateTime|Instant|"
                          r"Uri|Url|Canonical|Base64Binary|Id)\(", annotation):  # fmt: skip
        return found[1]
    return "Boolean" if "bool" in annotation else "Time" if "time" in annotation else "Base64Binary"


def _example(model, get_model, choice, above):
    whole, choices = {}, {}
    for name, type_, is_list, _, one_of in elements(model):
        value = _value(type_, get_model, choice, above)
        if value is None:
            continue
        if one_of:
            choices.setdefault(one_of, []).append((name, value))
        else:
            whole[name] = [value] if is_list else value
    return whole | dict(options[choice % len(options)] for options in choices.values())


def _value(type_, get_model, choice, above):
    if type_ in PRIMITIVES or type_ in TYPES:
        return PRIMITIVES.get(type_, TYPES.get(type_))
    if type_ == "Id" or above.count(type_) or len(above) > 5:
        return None
    return _example(get_model(type_), get_model, choice, (*above, type_))

import pytest

from privacy.identifiers import TableRecognizer, dea, luhn, rules, table_recognizers, vin

RULES = [pytest.param(rule, id=f"{rule.category} {rule.name}") for rule in rules()]

# What looks like an identifier and is medicine.
CLINICAL = [
    "Strength was 12/12 and 5/5 in all groups.",
    "A 2/6 systolic murmur at the left sternal border.",
    "Blood pressure 120/80, pulse 72, temperature 98.6.",
    "T1/T2 signal at L4-5 and C5-6.",
    "Closed with 2-0 Vicryl and 4-0 Monocryl.",
    "Take 1/2 tablet of metoprolol 25 mg, 500 mg of vancomycin, every 24 hr.",
    "Parkinson disease; a Foley catheter was placed; Bell palsy; Crohn disease.",
    "LA mildly dilated, RA normal, EF 55-60%.",
    "May repeat in 2 weeks; it may be weaned.",
    "Hemoglobin 12.4, WBC 8.2, sodium 140, glucose 110 mg/dL, INR 2.5.",
    "Vision 20/40 and 6/12. Apgar 8/9. Pain 3/10. GCS 15.",
    "Status post CABG x 3; grade 2-3 anaplasia; stage IIIB.",
    "A 54-year-old man with a 95% stenosis followed for 90 days.",
]


def found(rule, text):
    return [(r.start, r.end) for r in TableRecognizer(rule.category, [rule]).analyze(text, [])]


@pytest.mark.parametrize("rule", RULES)
def test_example_is_found_where_its_braces_are(rule):
    start, end = rule.example.index("{"), rule.example.index("}") - 1
    assert found(rule, rule.example.replace("{", "").replace("}", "")) == [(start, end)]


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_found_in_the_counter_example(rule):
    assert found(rule, rule.counter_example) == []


@pytest.mark.parametrize("rule", [p for p in RULES if p.values[0].needs])
def test_a_rule_is_not_skipped_on_its_own_example(rule):
    assert any(piece in rule.example.lower() for piece in rule.needs)


@pytest.mark.parametrize("text", CLINICAL)
def test_clinical_look_alikes_are_left_alone(text):
    assert [text[r.start : r.end] for recognizer in table_recognizers() for r in recognizer.analyze(text, [])] == []


def test_every_pattern_category_of_safe_harbor_has_a_rule():
    assert {rule.category for rule in rules()} == {
        "NAME", "ADDRESS", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE",
        "VEHICLE", "DEVICE", "URL", "IP", "BIOMETRIC", "PHOTO", "ID", "HOSPITAL",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("check", "good"), [(luhn, "4111 1111 1111 1111"), (dea, "AB1234563"), (vin, "1M8GDM9AXKP042788")]
)
def test_check_digits_refuse_any_other_last_digit(check, good):
    others = [good[:-1] + digit for digit in "0123456789" if digit != good[-1]]
    assert check(good)
    assert not any(map(check, others))


def test_a_rule_that_runs_out_of_time_raises(monkeypatch):
    monkeypatch.setattr("privacy.identifiers.TIMEOUT_SECONDS", 1e-9)
    recognizer = TableRecognizer("NAME", [rule for rule in rules() if rule.name == "before a degree"])
    with pytest.raises(TimeoutError):
        recognizer.analyze("Aa Bb Cc MD " * 50_000, [])

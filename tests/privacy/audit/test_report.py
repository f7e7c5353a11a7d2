"""What the report says, and when it says that the claim is false."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from policies.errors import TrainingError
from policies.files import canonical_json
from privacy.audit.inversion import Inversion
from privacy.audit.membership import Membership
from privacy.audit.one_run import OneRun
from privacy.audit.report import AuditReport, Drill

GUESSING = Membership(300, 1000, 0.512345, (0.47, 0.55), 0.01, (0.002, 0.03))
CAUGHT = Membership(60, 1000, 0.98, (0.97, 0.99), 0.4, (0.3, 0.5))
REPORT = AuditReport(
    plan="ab" * 32,
    encoder="tiny",
    settings={"sigma": "2.0"},
    patients={"north": 100},
    epsilon=3.0,
    delta=1e-5,
    private=Drill(OneRun(1000, 200, 180, 1.25, 5.45), GUESSING, GUESSING, Inversion(200, 1000, 0.0, (0.0, 0.02), 0.05)),
    plain=Drill(OneRun(1000, 200, 200, 3.83, 5.45), CAUGHT, CAUGHT, Inversion(200, 1000, 1.0, (0.98, 1.0), 1.0)),
    seconds=12.3,
)


def test_the_signed_form_keeps_what_a_certificate_needs() -> None:
    read = json.loads(canonical_json(REPORT.as_details()))
    assert read["plan"] == "ab" * 32
    assert read["delta"] == 1e-5
    assert read["private"]["one_run"] == {
        "canaries": 1000,
        "guesses": 200,
        "right": 180,
        "lower": 1.25,
        "ceiling": 5.45,
    }
    assert read["private"]["loss"]["auc"] == 0.5123
    assert read["private"]["loss"]["interval"] == [0.47, 0.55]


def test_the_table_sets_the_plan_beside_no_privacy() -> None:
    rows = {name: (private, plain) for name, private, plain in REPORT.rows()}
    assert rows["epsilon is at least"] == ("1.25", "3.83")
    assert rows["note found among 1,000"] == ("0.0% of 200", "100.0% of 200")


def test_the_words_say_what_could_not_be_seen() -> None:
    assert "could have shown 5.45" in REPORT.words()[0]
    assert "cannot refute this claim" in replace(REPORT, epsilon=7.9).words()[0]
    assert "not blind" in REPORT.words()[-1]
    assert "says nothing" in replace(REPORT, plain=REPORT.private).words()[-1]


def test_a_bound_over_the_claim_refutes_it() -> None:
    REPORT.check()
    with pytest.raises(TrainingError, match=r"at least 1\.25 and not 1\.20"):
        replace(REPORT, epsilon=1.2).check()

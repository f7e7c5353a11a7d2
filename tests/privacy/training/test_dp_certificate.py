"""A certificate is believed by its signature and by its own numbers, and by nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from policies.errors import ConfideError, InputError, IntegrityError, TrainingError
from policies.files import canonical_json
from policies.keys import KeyRing, create_keys
from policies.releases import GaussianRelease, PoissonSampled, epsilon_text
from policies.signed import signed
from privacy.training.accounting import pld_epsilon, prv_epsilon
from privacy.training.dp_certificate import (
    KIND,
    NEIGHBOURING,
    OTHER_SAMPLER,
    POISSON,
    PUBLIC_CHECK,
    AuditBound,
    DpCertificate,
    claimed_site,
    epsilons,
    sign_certificate,
    unit_of,
    verify_certificate,
)
from privacy.training.randomness import CHACHA20, UNSAFE
from tests.privacy.audit.test_report import REPORT

PLAN = "ab" * 32
PRV, PLD = epsilons("0.9", "2.0", 2, "1e-05")
BODY: dict[str, Any] = {
    "model": "5f0c2a9be417d3a8",
    "weights_sha256": "12" * 32,
    "study": "tiny",
    "plan": PLAN,
    "site": "north",
    "encoder": "tiny",
    "encoder_sha256": "34" * 32,
    "unit": unit_of("north"),
    "neighbouring": NEIGHBOURING,
    "sampler": POISSON,
    "q": "0.9",
    "sigma": "2.0",
    "clip": "1.0",
    "rounds": 2,
    "steps": 2,
    "count_sigma": "20",
    "delta": "1e-05",
    "epsilon_prv": PRV,
    "epsilon_pld": PLD,
    "epsilon_all": "5.000",
    "studies": 2,
    "noise": CHACHA20,
    "guards": [PUBLIC_CHECK],
    "audit": {
        "canaries": 1000,
        "guesses": 200,
        "right": 180,
        "lower": 1.25,
        "ceiling": 5.45,
        "report_sha256": "5" * 64,
    },
    "date": "2026-01-02",
}


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return create_keys(tmp_path / "keys", "north")


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "certificate.json"
    path.write_bytes(data)
    return path


def by_hand(tmp_path: Path, keys: KeyRing, **changes: Any) -> Path:
    """Signed by the hospital's own key without a look at what it says."""
    return written(tmp_path, signed(keys, KIND, BODY | changes))


def test_a_copy_verifies_with_the_public_key_alone(tmp_path: Path, keys: KeyRing) -> None:
    certificate = DpCertificate.model_validate(BODY)
    copy = written(tmp_path, sign_certificate(certificate, keys) + b"\n")
    assert claimed_site(copy) == "north"
    assert verify_certificate(copy, keys.public) == certificate


def test_both_accountants_say_what_is_certified() -> None:
    steps = PoissonSampled("0.9", GaussianRelease("2.0", 2))
    for accountant, said in ((prv_epsilon, PRV), (pld_epsilon, PLD)):
        assert epsilon_text(accountant([GaussianRelease("20"), steps], 1e-5)) == said
        assert float(said) > accountant([steps], 1e-5) + 0.001  # the count costs something


def test_any_flipped_digit_is_refused(tmp_path: Path, keys: KeyRing) -> None:
    whole = by_hand(tmp_path, keys).read_text()
    flipped = 0
    for found in re.finditer("[0-8]", whole[: whole.index('"signature"')]):
        place = found.start()
        path = written(tmp_path, f"{whole[:place]}{int(whole[place]) + 1}{whole[place + 1 :]}".encode())
        with pytest.raises(ConfideError):
            verify_certificate(path, keys.public)
        flipped += 1
    assert flipped > 100


@pytest.mark.parametrize("key", ["epsilon_prv", "epsilon_pld"])
@pytest.mark.parametrize("change", [-0.01, 0.01, 1.0])
def test_a_forged_epsilon_is_refused_though_the_hospital_signed_it(
    tmp_path: Path, keys: KeyRing, key: str, change: float
) -> None:
    path = by_hand(tmp_path, keys, **{key: f"{float(BODY[key]) + change:.3f}"})
    with pytest.raises(IntegrityError, match=r"says epsilon .* and 2 steps .* cost"):
        verify_certificate(path, keys.public)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sigma": "1.9"}, "cost"),
        ({"q": "0.8"}, "cost"),
        ({"steps": 3}, "cost"),
        ({"count_sigma": "200"}, "cost"),
        ({"rounds": 3}, "fewer than its 3 rounds"),
        ({"delta": "1e-06"}, "cost"),
        ({"sampler": OTHER_SAMPLER}, "Poisson sampling"),
        ({"noise": UNSAFE}, "UNSAFE: seeded"),
        ({"noise": f"{CHACHA20}, {UNSAFE}"}, "UNSAFE: seeded"),
        ({"guards": []}, PUBLIC_CHECK),
        ({"audit": BODY["audit"] | {"lower": 5.0}}, "refutes the claim"),
        ({"sigma": "-1"}, "wrong keys: sigma"),
        ({"epsilon_prv": "NaN"}, "wrong keys: epsilon_prv"),
        ({"more": 1}, "wrong keys: more"),
    ],
)
def test_what_does_not_hold_by_its_own_numbers_is_refused(
    tmp_path: Path, keys: KeyRing, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(IntegrityError, match=reason):
        verify_certificate(by_hand(tmp_path, keys, **change), keys.public)


def test_nothing_is_signed_that_would_not_verify(keys: KeyRing) -> None:
    with pytest.raises(TrainingError, match="Poisson"):
        sign_certificate(DpCertificate.model_validate(BODY | {"sampler": OTHER_SAMPLER}), keys)


def test_another_key_and_another_kind_of_document(tmp_path: Path, keys: KeyRing) -> None:
    with pytest.raises(IntegrityError, match="signed by another"):
        verify_certificate(by_hand(tmp_path, keys), create_keys(tmp_path / "other", "north").public)
    for data in (b"{", b"[]", canonical_json({"certificate": BODY})):
        with pytest.raises(InputError, match="no privacy certificate"):
            claimed_site(written(tmp_path, data))


def test_an_audit_enters_for_its_own_plan_alone(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_bytes(canonical_json(REPORT.as_details()))
    bound = AuditBound.read(path, PLAN)
    assert (bound.canaries, bound.lower, bound.ceiling) == (1000, 1.25, 5.45)
    with pytest.raises(TrainingError, match="another plan"):
        AuditBound.read(path, "cd" * 32)
    path.write_text(json.dumps({"plan": PLAN}))
    with pytest.raises(InputError, match="no report"):
        AuditBound.read(path, PLAN)


def test_the_words_name_unit_steps_and_both_accountants() -> None:
    certificate = DpCertificate.model_validate(BODY)
    rows = dict(certificate.rows())
    assert rows["whose presence is hidden"] == "each patient of north; a patient of two hospitals adds both up"
    assert rows["epsilon of this model"] == f"{PRV} by PRV, {PLD} by PLD, at delta 1e-05"
    assert "could have shown 5.45" in rows["attack on the synthetic twin"]
    assert f"exp({max(PRV, PLD)})" in certificate.words()

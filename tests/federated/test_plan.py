"""The plan: one document, one hash, and caps that a site enforces whatever it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from federated.plan import Plan, SiteShare, check_caps, read_plan
from policies.errors import TrainingError
from policies.policy import Federation, Training
from policies.releases import PATIENT_COUNT, GaussianRelease, PoissonSampled

CAPS = Training(
    smallest_cohort=100,
    epsilon=8,
    delta=1e-5,
    smallest_noise=0.5,
    largest_clip=1.0,
    most_rounds=60,
    threads=2,
    largest_cache_bytes=10**10,
)
FEDERATION = Federation()


def made(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "study": "s",
        "encoder": "e",
        "encoder_sha256": "0" * 64,
        "labels": ("a", "b"),
        "label_source": "category",
        "seed": 7,
        "rounds": 12,
        "sampling_rate": "0.9",
        "clip": "1.0",
        "sigma": "1.95",
        "delta": "1e-05",
        "learning_rate": 3.0,
        "momentum": 0.9,
        "held_back": 0.25,
        "split_key": "k",
        "sites": [
            {"name": "north", "patients": 200, "weight": "0.4"},
            {"name": "river", "patients": 300, "weight": "0.6"},
        ],
    }
    return Plan.model_validate(values | changes)


def test_the_digest_is_that_of_the_content_and_survives_json(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(made().model_dump(mode="json"), indent=4))
    assert read_plan(file).digest == made().digest
    for change in ({"rounds": 13}, {"split_key": "l"}, {"sigma": "1.950"}, {"labels": ("b", "a")}, {"seed": 8}):
        assert made(**change).digest != made().digest


def test_a_plan_within_the_caps_passes() -> None:
    check_caps(made(), CAPS, FEDERATION)
    check_caps(made(sigma="0.5", rounds=60, sampling_rate="1"), CAPS, FEDERATION)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("sigma", "0.49", "at least 0.5"),
        ("sigma", "0", "at least 0.5"),
        ("clip", "1.01", "at most 1"),
        ("clip", "0", "over 0"),
        ("rounds", 61, "at most 60"),
        ("delta", "1.01e-05", "the cohort's own"),
        ("delta", "1e-06", "the cohort's own"),
        ("sampling_rate", "0", "over 0"),
        ("sampling_rate", "1.1", "at most 1"),
    ],
)
def test_a_plan_outside_a_cap_is_refused_with_key_value_and_range(key: str, value: Any, allowed: str) -> None:
    with pytest.raises(TrainingError, match=f"{key} is {value}; .* {allowed}"):
        check_caps(made(**{key: value}), CAPS, FEDERATION)


def test_delta_stays_far_below_one_over_the_patients() -> None:
    many = (SiteShare(name="north", patients=10_001, weight="1"),)
    with pytest.raises(TrainingError, match="delta is 1e-05"):
        check_caps(made(sites=many), CAPS, Federation(fewest_sites=1))
    check_caps(made(sites=(SiteShare(name="north", patients=10_000, weight="1"),)), CAPS, Federation(fewest_sites=1))


@pytest.mark.parametrize("weight", ["0.5", "0.7"])
def test_weights_that_do_not_sum_to_one_are_refused(weight: str) -> None:
    sites = [{"name": "north", "patients": 1, "weight": weight}, {"name": "river", "patients": 1, "weight": "0.4"}]
    with pytest.raises(TrainingError, match="sum to 1"):
        check_caps(made(sites=sites), CAPS, FEDERATION)


def federation(count: int) -> list[dict[str, Any]]:
    return [{"name": f"site {place}", "patients": 200, "weight": str(1 / count)} for place in range(count)]


ROBUST = {"aggregation": "multi_krum", "bad_sites": 1, "sites": federation(5)}


@pytest.mark.parametrize(
    ("changes", "caps", "why"),
    [
        ({"aggregation": "secure"}, {}, "secure aggregation needs 3 sites"),
        ({"aggregation": "median", "bad_sites": 1}, {}, "the median with 1 bad needs 3 sites"),
        ({"aggregation": "median", "sites": federation(5)}, {}, "must bear at least one"),
        ({"bad_sites": 1}, {}, "a mean bears no bad site"),
        ({**ROBUST, "sites": federation(4)}, {}, "needs 5 sites in every round, and may have 4"),
        ({**ROBUST, "min_sites": 4}, {}, "needs 5 sites in every round, and may have 4"),
        ({"min_sites": 3}, {}, "min_sites is 3; .* at most 2"),
        ({"min_sites": 1}, {}, "need 1 of its sites; this site's policy asks for 2"),
        (ROBUST, {"aggregations": ("mean", "secure")}, "aggregation is multi_krum; .* mean or secure"),
        (ROBUST, {"secure_aggregation_required": True}, "aggregation is multi_krum; .* allows secure"),
        ({"sites": federation(4)}, {"fewest_sites": 5}, "need 4 of its sites; this site's policy asks for 5"),
        ({"server": "fedprox"}, {}, "that pull is zero"),
        ({"server": "sgd"}, {}, "no server's step"),
        ({"patience": 2}, {}, "of which public notes"),
    ],
)
def test_an_aggregation_that_a_site_or_the_rule_itself_does_not_bear_is_refused(
    changes: dict[str, Any], caps: dict[str, Any], why: str
) -> None:
    with pytest.raises(TrainingError, match=why):
        check_caps(made(**changes), CAPS, Federation(**caps))


@pytest.mark.parametrize(
    "changes",
    [
        ROBUST,
        {"aggregation": "secure", "sites": federation(4), "min_sites": 3},
        {"aggregation": "trimmed_mean", "bad_sites": 1, "sites": federation(5), "min_sites": 3},
        {"server": "adam", "patience": 2, "validation_sha256": "0" * 64},
    ],
)
def test_one_that_holds_passes(changes: dict[str, Any]) -> None:
    check_caps(made(**changes), CAPS, FEDERATION)
    if changes.get("aggregation") == "secure":
        check_caps(made(**changes), CAPS, Federation(secure_aggregation_required=True))


@pytest.mark.parametrize(
    "change",
    [
        {"sigma": "-1"},
        {"sigma": "nan"},
        {"sigma": "inf"},
        {"clip": "1e5"},
        {"delta": 1e-5},
        {"labels": ["a"]},
        {"momentum": 1.0},
        {"sites": []},
        {"poisson_sampling": False},
        {"window": 4096},
        {"aggregation": "bulyan"},
        {"bad_sites": -1},
    ],
)
def test_what_is_no_plan_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made(**change)


def test_the_whole_is_a_count_and_so_many_rounds() -> None:
    once = made().release_of_round()
    assert (once.release, once.rate) == (GaussianRelease(made().sigma), made().sampling_rate)
    assert made().releases() == (PATIENT_COUNT, PoissonSampled(once.rate, GaussianRelease(made().sigma, 12)))


def test_words_say_what_a_hospital_agrees_to() -> None:
    words = made().in_words("river")
    for part in ("'category'", "12 rounds", "about 300", "0.9", "norm 1.0", "1.95 times", "1e-05", made().digest[:16]):
        assert part in words
    assert "ends early" not in words
    for aggregation, said in (("mean", "sees each site's noisy update"), ("secure", "sees no site's update")):
        assert said in made(aggregation=aggregation, min_sites=1).in_words("river")
    assert "updates of 1 sites" in made(min_sites=1).in_words("river")
    assert "after 3 rounds" in made(patience=3, validation_sha256="ab" * 32).in_words("river")
    with pytest.raises(TrainingError, match="names no site 'summit'"):
        made().in_words("summit")


def test_words_name_the_labels_their_titles_and_the_codes_behind_them() -> None:
    few = made(labels=("a", "b"), label_titles={"b": "both lungs"}, label_mapping={"x1": "a"}).in_words("river")
    assert "Labels: a, b (both lungs).\n" in few
    assert "Codes that count as one of them: x1 as a.\n" in few
    labels = tuple(f"label{number:02}" for number in range(30))
    many = made(labels=labels, label_mapping={f"x{label}": label for label in labels}).in_words("river")
    assert many.count("label11") == 3
    assert "label12" not in many
    assert many.count(" and 18 more.") == 2
    assert "Codes that count" not in made(label_mapping={}).in_words("river")


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "no JSON"), ("[]", "no plan of this version"), ('{"study": ""}', "study.*rounds|rounds.*study")],
)
def test_a_file_that_is_no_plan_is_said(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(TrainingError, match=said):
        read_plan(file)
    with pytest.raises(TrainingError, match="no plan here"):
        read_plan(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"north": (200, "0.8"), "river": (200, "0.1"), "summit": (200, "0.1")}, "'north' has 0.8 of the weight"),
        (
            {"north": (100, "0.34"), "river": (5000, "0.33"), "summit": (5000, "0.33")},
            "times as much as one of another",
        ),
        ({"north": (500, "0.6"), "river": (100, "0.2"), "summit": (100, "0.2")}, ""),
    ],
)
def test_a_secure_sum_that_is_little_else_than_one_sites_update_is_refused(
    parts: dict[str, tuple[int, str]], says: str
) -> None:
    sites = [{"name": name, "patients": count, "weight": weight} for name, (count, weight) in parts.items()]
    check_caps(made(sites=sites), CAPS, FEDERATION)  # who sees each update learns nothing more by weights
    secure = made(sites=sites, aggregation="secure")
    if not says:
        check_caps(secure, CAPS, FEDERATION)
        return
    with pytest.raises(TrainingError, match=says):
        check_caps(secure, CAPS, FEDERATION)


@pytest.mark.parametrize("text", ["pilot\x1b[8m", "pilot\nNoise of 9 times", "pilot\u202e", "", "x" * 301])
@pytest.mark.parametrize("key", ["study", "encoder", "label_source"])
def test_words_that_would_hide_others_from_the_approver_are_no_plan(key: str, text: str) -> None:
    with pytest.raises(ValidationError, match=key):
        made(**{key: text})


def test_every_sites_weight_is_told_to_whoever_approves() -> None:
    assert "north 200 (0.4), river 300 (0.6)" in made().in_words("north")

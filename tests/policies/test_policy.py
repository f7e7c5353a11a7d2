"""No policy, no run; and every wrong key is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.errors import PolicyError
from policies.files import sha256_hex
from policies.keys import PublicKey
from policies.notes import Verifier
from policies.policy import LegalBasis, Role, default_policy_text, load_policy, odd_values

DEFAULT = default_policy_text("alice")


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def test_the_default_loads_and_knows_the_hash_of_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, DEFAULT)
    policy = load_policy(path)
    assert policy.people == {"alice": frozenset(Role)}
    assert policy.deidentification.legal_basis is LegalBasis.EXPERT_DETERMINATION
    assert (policy.training.epsilon, policy.training.delta) == (8.0, 1e-5)
    assert policy.digest == sha256_hex(path.read_bytes())
    path.write_text(DEFAULT + "# read\n")
    assert load_policy(path).digest != policy.digest


@pytest.mark.parametrize("user", ['bo"b', "CLINIC\\alice", "o'neil", "zoë", "a.b@c"])
def test_the_default_loads_for_any_account(tmp_path: Path, user: str) -> None:
    assert set(load_policy(written(tmp_path, default_policy_text(user))).people) == {user}


def test_a_policy_cannot_be_changed_once_read(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, DEFAULT))
    with pytest.raises(ValidationError):
        policy.training.epsilon = 100.0  # type: ignore[misc]


def test_no_file_no_run(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"gone\.toml: no policy file, so nothing runs") as caught:
        load_policy(tmp_path / "gone.toml")
    assert "confide init" in caught.value.hint


def test_a_folder_in_its_place_is_a_policy_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("threads = 2", "threads = 2\nsecret = 1", "unknown key 'training.secret'"),
        ("version = 1", "version = 1\nsecret = 1", "unknown key 'secret'"),
        ("threads = 2", "", "missing key 'training.threads'"),
        ("version = 1", "version = 2", "key 'version'"),
        ("epsilon = 8.0", 'epsilon = "eight"', "key 'training.epsilon'"),
        ("epsilon = 8.0", "epsilon = nan", "key 'training.epsilon'"),
        ("epsilon = 8.0", "epsilon = inf", "key 'training.epsilon'"),
        ("epsilon = 8.0", "epsilon = -1", "key 'training.epsilon'"),
        ("delta = 1e-5", "delta = 1.01e-5", "key 'training.delta': input should be less than or equal to 0.00001"),
        ("delta = 1e-5", "delta = 0", "key 'training.delta'"),
        ("smallest_cohort = 100", "smallest_cohort = 1", "key 'training.smallest_cohort'"),
        ("smallest_noise = 0.5", "smallest_noise = 0", "key 'training.smallest_noise'"),
        ("largest_clip = 1.0", "largest_clip = inf", "key 'training.largest_clip'"),
        ("most_rounds = 60", "most_rounds = [60]", "key 'training.most_rounds'"),
        ('mode = "tag"', 'mode = "off"', "key 'deidentification.mode': input should be 'tag', 'redact', 'surr"),
        ('"hospital_it", ', '"admin", ', "key 'people.alice.1'"),
        ('"mean", "secure"', '"average", "secure"', "key 'federation.aggregations.0'"),
        ("fewest_sites = 2", "fewest_sites = 0", "key 'federation.fewest_sites'"),
        ("hospitals = []", 'hospitals = ["river"]', "key 'witnesses.hospitals': number 1 is no key as"),
        ('"the compliance officer"', '""', "key 'contact.compliance_officer'"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in DEFAULT
    with pytest.raises(PolicyError) as caught:
        load_policy(written(tmp_path, DEFAULT.replace(old, new, 1)))
    assert says in str(caught.value)


def test_all_wrong_keys_are_named_at_once(tmp_path: Path) -> None:
    text = DEFAULT.replace("threads = 2", "thread = 2").replace("delta = 1e-5", "delta = 1")
    with pytest.raises(PolicyError) as caught:
        load_policy(written(tmp_path, text))
    for key in ("training.threads", "training.thread", "training.delta"):
        assert f"'{key}'" in str(caught.value)


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    line = DEFAULT.splitlines().index("[training]") + 1
    with pytest.raises(PolicyError, match=rf"policy\.toml: .*at line {line}\b"):
        load_policy(written(tmp_path, DEFAULT.replace("[training]", "[training")))


def test_what_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(DEFAULT.replace("compliance officer", "Söhne").encode("latin-1"))
    with pytest.raises(PolicyError, match="not UTF-8"):
        load_policy(path)


@given(st.floats(allow_nan=False).filter(lambda delta: not 0 < delta <= 1e-5))
def test_no_delta_over_the_limit_ever_loads(tmp_path_factory: pytest.TempPathFactory, delta: float) -> None:
    path = written(tmp_path_factory.getbasetemp(), DEFAULT.replace("delta = 1e-5", f"delta = {delta!r}"))
    with pytest.raises(PolicyError, match=r"training\.delta"):
        load_policy(path)


KEY = Verifier(PublicKey("river", bytes(32))).vkey


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("epsilon = 8.0", "epsilon = 10.1", "training.epsilon is 10.1: over 10"),
        ("epsilon = 8.0", "epsilon = 10", ""),
        ("smallest_cohort = 100", "smallest_cohort = 9", "training.smallest_cohort is 9"),
        ("smallest_cohort = 100", "smallest_cohort = 10", ""),
        ("threads = 2", "threads = 2\nUNSAFE_noise_seed = 1", "training.UNSAFE_noise_seed is set"),
        ("keep_years = 6", "keep_years = 5", "audit.keep_years is 5"),
        ("keep_years = 6", "keep_years = 7", ""),
        (f'hospitals = ["{KEY}"]', "hospitals = []", "witnesses.hospitals is empty"),
        ("needed = 0", "needed = 2", "witnesses.needed is 2, of which only 1 can sign"),
        ("needed = 0", "needed = 1", ""),
    ],
)
def test_a_value_that_is_likely_a_mistake_is_said(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = DEFAULT.replace("hospitals = []", f'hospitals = ["{KEY}"]')
    assert old in text
    found = odd_values(load_policy(written(tmp_path, text.replace(old, new))))
    assert len(found) == bool(says) and "".join(found).startswith(says)

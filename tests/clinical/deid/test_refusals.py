"""What is refused before there is a site, and that asking makes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clinical.deid.refusals import check_request
from clinical.manifest import write_manifest
from policies.errors import InputError, PolicyError
from policies.keys import create_keys
from policies.policy import Dates, Deidentification, LegalBasis, default_policy_text, load_policy
from tests.clinical.exports import patient, write_export


@pytest.fixture
def rules(tmp_path: Path) -> Deidentification:
    (tmp_path / "policy.toml").write_text(default_policy_text("alice"))
    return load_policy(tmp_path / "policy.toml").deidentification


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_export(tmp_path / "in", patient("p1"))


def test_what_can_be_begun_is_not_refused(rules: Deidentification, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for out in ("out", "new"):
        check_request(rules, source, tmp_path / out, None)
    assert not (tmp_path / "new").exists()


def _empty(source: Path) -> None:
    (source / "everything.ndjson").write_bytes(b"")


def _nobodys(source: Path) -> None:
    (source / "everything.ndjson").write_text("a,b,c\n1,2,3\n4,5,6\n")


@pytest.mark.parametrize("spoil", [_empty, _nobodys, lambda source: (source / "everything.ndjson").unlink()])
def test_records_that_nobody_can_read(
    rules: Deidentification, source: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(source)
    for each in (source, source / "everything.ndjson"):
        with pytest.raises(InputError) as refused:
            check_request(rules, each, tmp_path / "out", None)
        assert refused.value.hint != InputError.hint


def test_an_out_that_must_stay(rules: Deidentification, source: Path, tmp_path: Path) -> None:
    keys, out = create_keys(tmp_path / "keys", "north"), tmp_path / "out"
    for inside in (source, source / "out"):
        with pytest.raises(InputError, match="in one another"):
            check_request(rules, source, inside, keys.public)
    out.mkdir()
    write_manifest(out, keys, {})
    with pytest.raises(InputError, match="already"):
        check_request(rules, source, out, keys.public)
    check_request(rules, source, out, keys.public, overwrite=True)
    with pytest.raises(InputError, match="not signed by this site"):
        check_request(rules, source, out, None, overwrite=True)  # a site that is not there has no output


def test_a_policy_that_its_legal_basis_forbids(rules: Deidentification, source: Path, tmp_path: Path) -> None:
    forbidden = rules.model_copy(update={"legal_basis": LegalBasis.SAFE_HARBOR, "dates": Dates.SHIFT})
    with pytest.raises(PolicyError):
        check_request(forbidden, source, tmp_path / "out", None)

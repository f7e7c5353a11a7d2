"""A calibration comes back as it was kept, at its hospital and for its model alone."""

from __future__ import annotations

import math
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clinical.diagnosis.calibration import Calibration, Scaling
from clinical.diagnosis.familiar import Familiar, Shape
from clinical.diagnosis.kept import keep, kept
from policies.errors import IntegrityError
from policies.guard import Site, open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace

MADE = Calibration(
    "m1",
    40,
    Scaling(1.9, 1.4),
    0.9,
    -math.inf,
    (0.1, 0.05, 0.2),
    Familiar(Shape(np.arange(3.0), np.arange(9.0).reshape(3, 3)), 0.99, 1.5),
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    place = Workspace(tmp_path / "w")
    place.root.mkdir()
    place.policy.write_text(default_policy_text("alice"))
    return place


@pytest.fixture
def site(workspace: Workspace) -> Site:
    return open_site(workspace, "north", "alice")


@pytest.mark.parametrize("threshold", [-math.inf, -1.5])
def test_it_comes_back_whole(site: Site, threshold: float) -> None:
    made = replace(MADE, threshold=threshold)
    keep(site, made)
    found = kept(site, "m1")
    assert found
    assert replace(found, familiar=MADE.familiar) == made
    np.testing.assert_array_equal(found.familiar.shape.centre, MADE.familiar.shape.centre)
    np.testing.assert_array_equal(found.familiar.shape.precision, MADE.familiar.shape.precision)
    assert (found.familiar.quantile, found.familiar.furthest) == (0.99, 1.5)
    assert kept(site, "m2") is None


def test_nobody_else_can_read_it(site: Site) -> None:
    written = keep(site, MADE)
    path = site.home.calibration("m1")
    assert path.read_bytes() == written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"m1" not in written and b"scaling" not in written


@pytest.mark.parametrize("how", ["altered", "of another model", "of another hospital"])
def test_what_is_not_its_own_is_refused(workspace: Workspace, site: Site, how: str) -> None:
    written = bytearray(keep(site, MADE))
    if how == "altered":
        written[-1] ^= 1
        site.home.calibration("m1").write_bytes(written)
    elif how == "of another model":
        site.home.calibration("m2").write_bytes(written)
    else:
        other = open_site(workspace, "river", "alice")
        site.home.calibration("m1").write_bytes(keep(other, MADE))
    with pytest.raises(IntegrityError, match="sealed was altered") as caught:
        kept(site, "m2" if how == "of another model" else "m1")
    assert "calibrate" in caught.value.hint

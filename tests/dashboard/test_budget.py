"""What 'confide budget show' says: spent, left, and for which study."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from dashboard.cli import app
from policies.errors import IntegrityError
from policies.releases import GaussianRelease, epsilon_text
from privacy.training.accounting import epsilon
from privacy.training.budget import one_training, open_ledger, spending
from tests.dashboard.conftest import the_plan


def shown():
    found = CliRunner().invoke(app, ["budget", "show", "--json"], catch_exceptions=False)
    (row,) = json.loads(found.stdout)
    return row


def test_what_was_spent_what_is_left_and_on_which_study(site):
    row, alone = shown(), epsilon([[the_plan().release_of_round()] * 3], 1e-5)
    assert (row["site"], row["spent"], row["cap"], row["delta"]) == ("north", epsilon_text(alone), "8", "1e-05")
    assert Decimal(row["spent"]) + Decimal(row["left"]) == 8
    (study,) = row["studies"]
    since = open_ledger(site).bookings()[0].time
    assert study == {
        "plan": the_plan().digest[:12], "spent": 3, "reserved": 0, "refunded": 0,
        "epsilon alone": epsilon_text(alone), "since": since[:19].replace("T", " "),
    }  # fmt: skip


def test_studies_add_up_and_what_was_refunded_is_shown_and_does_not_count(site):
    with one_training(site), spending(site, "other", 1, GaussianRelease("9.0"), "dice"):
        pass
    with pytest.raises(OSError), one_training(site), spending(site, "other", 2, GaussianRelease("9.0"), "dice"):
        raise OSError
    open_ledger(site).reserve("other", 3, GaussianRelease("9.0"))
    row = shown()
    assert [(study["spent"], study["reserved"], study["refunded"]) for study in row["studies"]] == [
        (3, 0, 0),
        (1, 1, 1),
    ]
    first, other = (Decimal(study["epsilon alone"]) for study in row["studies"])
    assert Decimal(row["spent"]) > first + other / 2 > first
    assert other == Decimal(epsilon_text(epsilon([[GaussianRelease("9.0", 2)]], 1e-5)))


def test_the_tables_for_people_and_a_lost_ledger(site, workspace):
    found = CliRunner().invoke(app, ["budget", "show"], catch_exceptions=False)
    assert "what it went to" in found.stdout
    site.home.ledger.unlink()
    with pytest.raises(IntegrityError, match="lacks 3 bookings"):
        CliRunner().invoke(app, ["budget", "show"], catch_exceptions=False)

"""A home says which version laid it out: another one's is not used, an empty one gets this version's."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.errors import PolicyError
from policies.guard import open_server, open_site
from policies.layout import LAYOUT, layout_of, say_layout
from policies.policy import default_policy_text
from policies.workspace import Workspace


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.policy.write_text(default_policy_text("alice"))
    return made


def test_what_this_version_makes_it_opens_again(place: Workspace) -> None:
    for _ in range(2):
        assert layout_of(open_site(place, "north", "alice").home) == LAYOUT
        assert layout_of(open_server(place, "alice").home) == LAYOUT


@pytest.mark.parametrize(
    ("written", "said"),
    [("", "earlier version (layout 1, not"), (str(LAYOUT + 1), "later version"), ("two\n", "no number of a layout")],
)
def test_what_another_version_made_is_not_used(place: Workspace, written: str, said: str) -> None:
    home = open_site(place, "north", "alice").home
    before = sorted(home.audit.rglob("*"))
    home.layout.write_text(written) if written else home.layout.unlink()
    with pytest.raises(PolicyError) as refused:
        open_site(place, "north", "alice")
    assert said in refused.value.message
    assert sorted(home.audit.rglob("*")) == before
    assert bool(written) == home.layout.exists()  # it was not taken for one of this version


def test_one_that_was_brought_up_to_date_is_used(place: Workspace) -> None:
    home = open_site(place, "north", "alice").home
    home.layout.unlink()
    say_layout(open_site(place, "north", "alice", any_layout=True).home)
    assert open_site(place, "north", "alice").home == home

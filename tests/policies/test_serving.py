"""A hospital uses the newest model until somebody chooses, and then that one alone."""

from __future__ import annotations

import pytest

from policies.audit import read_entries
from policies.errors import AccessDenied, IntegrityError
from policies.events import Event
from policies.guard import Site, open_server, open_site
from policies.models import SignedModel, sign_model, trust
from policies.policy import default_policy_text
from policies.serving import choose, in_use
from policies.workspace import Workspace


@pytest.fixture
def site(workspace: Workspace) -> Site:
    people = '[people]\nivy = ["hospital_it"]\nanna = ["clinician"]\n'
    workspace.policy.write_text(default_policy_text("nobody").replace("[people]\n", people))
    return open_site(workspace, "north", "ivy")


@pytest.fixture
def models(workspace: Workspace, site: Site) -> tuple[SignedModel, SignedModel]:
    """An older one and a newer one."""
    keys = open_server(workspace, "ivy").keys
    trust(workspace.trusted, keys.public)
    old, new = (
        sign_model(workspace.models, day.encode(), {"created": day}, keys) for day in ("2026-01-01", "2026-02-01")
    )
    return old, new


def chosen(site: Site) -> list[tuple[Event, str, str]]:
    found = read_entries(site.home.audit, site.keys.public)
    kinds = (Event.MODEL_CHOSEN, Event.MODEL_ROLLED_BACK)
    return [(one.event, one.details["before"], one.details["model"]) for one in found if one.event in kinds]


def test_without_a_choice_it_is_the_newest_and_without_a_model_none(
    workspace: Workspace, site: Site, request: pytest.FixtureRequest
) -> None:
    assert in_use(site, workspace) is None
    _, new = request.getfixturevalue("models")
    assert in_use(site, workspace) == new


def test_a_choice_holds_and_going_back_is_logged_as_that(
    workspace: Workspace, site: Site, models: tuple[SignedModel, SignedModel]
) -> None:
    old, new = models
    choose(site, workspace, old)
    assert in_use(site, workspace) == old
    choose(site, workspace, new)
    assert in_use(site, workspace) == new
    assert in_use(open_site(workspace, "river", "ivy"), workspace) == new
    assert chosen(site) == [
        (Event.MODEL_ROLLED_BACK, new.name, old.name),
        (Event.MODEL_CHOSEN, old.name, new.name),
    ]


def test_who_may_not_choose_changes_nothing(
    workspace: Workspace, site: Site, models: tuple[SignedModel, SignedModel]
) -> None:
    with pytest.raises(AccessDenied):
        choose(open_site(workspace, "north", "anna"), workspace, models[0])
    assert in_use(site, workspace) == models[1]
    assert chosen(site) == []


def test_a_choice_that_was_edited_or_whose_model_was_altered_gives_none(
    workspace: Workspace, site: Site, models: tuple[SignedModel, SignedModel]
) -> None:
    old, new = models
    choose(site, workspace, old)
    said = site.home.model_in_use.read_bytes()
    site.home.model_in_use.write_bytes(said.replace(old.name.encode(), new.name.encode()))
    with pytest.raises(IntegrityError, match="edited"):
        in_use(site, workspace)
    site.home.model_in_use.write_bytes(said)
    old.weights.write_bytes(b"others")
    with pytest.raises(IntegrityError):
        in_use(site, workspace)

"""Signing in with the hospital's own directory: a provider of OpenID Connect as a server of its own, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from oidc_provider_mock import User, run_server_in_thread

from dashboard.launch import address, free_port, start
from policies.audit import read_entries
from policies.events import Event
from policies.guard import open_site
from policies.workspace import Workspace
from tests.dashboard.browser.conftest import Visitor

Come = Callable[..., Visitor]
PEOPLE = [
    User(sub="1", claims={"preferred_username": "dr.adeyemi", "groups": ["wards", "confide-clinicians"]}),
    User(sub="2", claims={"preferred_username": "porter", "groups": ["wards"]}),
    User(sub="3", claims={"groups": ["confide-clinicians"]}),
]


@pytest.fixture(scope="module")
def served(made_once: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    """A dashboard that knows a directory, whose group of clinicians has a role."""
    place = Workspace(tmp_path_factory.mktemp("openid") / "workspace")
    shutil.copytree(made_once.root, place.root)
    with place.policy.open("a") as policy:
        policy.write('\n[signin.openid.roles]\n"confide-clinicians" = ["clinician"]\n')
    with run_server_in_thread(user_claims=PEOPLE, require_nonce=True) as provider:
        place.openid.write_text(
            f'client_id = "confide"\nclient_secret = "of this test"\nserver_metadata_url = '
            f'"http://localhost:{provider.server_port}/.well-known/openid-configuration"\n'
        )
        place.openid.chmod(0o600)
        process = start(place, port := free_port(9200))
        yield place, address(port)
        process.terminate()
        process.wait(timeout=20)


def come_as(here: Visitor, subject: str) -> None:
    """From the form to the directory's own page, and back."""
    here.page.goto(here.url)
    here.page.get_by_role("link", name="Use ").click()
    here.page.get_by_placeholder("sub").fill(subject)
    here.page.get_by_role("button", name="Authorize", exact=True).click()
    here.page.get_by_test_id("stApp").wait_for()
    here.complaints.clear()  # those about the directory's page are not about ours


def test_the_directory_s_group_gives_the_role_and_signing_out_ends_it(
    visitor: Come, served: tuple[Workspace, str]
) -> None:
    here = visitor()
    come_as(here, "1")
    here.choose("Clinician", "treatment of the patient")
    assert "dr.adeyemi" in here.page.get_by_test_id("stSidebar").inner_text()
    site = open_site(served[0], served[0].sites()[0].name)
    (began,) = [e for e in read_entries(site.home.audit, site.keys.public) if e.event is Event.SIGNIN]
    assert (began.actor, began.details["method"], began.details["roles"]) == ("dr.adeyemi", "openid", ["clinician"])
    here.open("audit-log")
    assert "no policy lets 'dr.adeyemi' (roles: clinician) view_audit" in here.text
    here.page.get_by_role("button", name="Sign out").click()
    here.page.get_by_role("button", name="End session").click()  # of the directory, which asks
    here.page.get_by_label("Account").wait_for()
    here.complaints.clear()


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("2", "the policy file gives this account no role"),
        ("3", "the hospital's directory gave no 'preferred_username'"),
    ],
)
def test_whom_the_directory_knows_and_the_policy_does_not_sees_no_page(visitor: Come, subject: str, said: str) -> None:
    here = visitor()
    come_as(here, subject)
    here.page.get_by_text(said).wait_for()
    assert "Patients" not in here.page.content()

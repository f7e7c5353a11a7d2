"""What each role meets in a real browser: sign-in, its pages at two widths, and a page that is not its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.signin import sessions
from dashboard.view.visit import PAGES
from policies.access import decide
from policies.decisions import role_text
from policies.guard import account_name
from policies.policy import Role
from tests.dashboard.browser.conftest import NARROW, WIDE, Visitor

Come = Callable[..., Visitor]
MAIN = {
    Role.CLINICIAN: "treatment of the patient",
    Role.COMPLIANCE_OFFICER: "hospital operations",
    Role.HOSPITAL_IT: "hospital operations",
    Role.DATA_STEWARD: "research",
}


def test_a_wrong_password_is_said_and_the_right_one_opens(visitor: Come) -> None:
    here = visitor()
    here.sign_in("wrong")
    assert "name or password is wrong" in here.page.get_by_role("alert").inner_text()
    here.sign_in()
    here.page.get_by_role("heading", name="What are you here for?").wait_for()
    cookies = {cookie["name"]: cookie for cookie in here.page.context.cookies()}
    assert cookies["confide-session"]["httpOnly"] and cookies["confide-session"]["sameSite"] == "Lax"
    assert here.page.evaluate("document.cookie").find("confide-session") == -1


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "390"])
@pytest.mark.parametrize("role", MAIN)
def test_every_page_of_a_role_draws_and_fits(visitor: Come, role: Role, size: tuple[int, int]) -> None:
    here = visitor(size)
    here.sign_in()
    here.choose(role_text(role), MAIN[role])
    purpose = {"treatment": "TREAT", "hospital": "HOPERAT", "research": "HRESCH"}[MAIN[role].split()[0]]
    from policies.access import Purpose

    own = [page for page in PAGES if decide(account_name(), [role], page.action, Purpose(purpose)).permitted]
    assert own
    for page in own:
        here.open(page.address)
        assert page.title in here.page.get_by_role("heading", level=1).first.inner_text() or page.title in here.text
        assert not here.page.get_by_text("A fault of Confide").count(), page.name
        overflow = here.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, (page.name, overflow)


def test_a_page_of_another_role_says_which_rule_denies_it_and_whom_to_ask(visitor: Come) -> None:
    here = visitor()
    here.sign_in()
    here.choose("Hospital IT")
    here.open("audit-log")
    assert "no policy lets" in here.text and "Ask the compliance officer" in here.text
    assert not here.page.get_by_test_id("stDataFrame").count()


def test_a_session_that_ends_takes_the_page_off_the_screen(visitor: Come, served) -> None:
    here = visitor()
    here.sign_in()
    here.choose("Compliance officer")
    here.open("audit-log")
    assert "Verified" in here.text
    sessions(served[0]).end_all(account_name())
    here.page.get_by_text("session ended").wait_for(timeout=40_000)  # nobody touched anything
    assert "Verified" not in here.text
    here.page.get_by_role("link", name="Sign in").click()
    here.page.get_by_label("Password").wait_for()


def test_signing_out_needs_a_new_sign_in(visitor: Come) -> None:
    here = visitor()
    here.sign_in()
    here.choose("Compliance officer")
    here.page.get_by_role("button", name="Sign out").click()
    here.page.get_by_text("not signed in").wait_for()
    here.page.goto(here.url)
    here.page.get_by_label("Password").wait_for()

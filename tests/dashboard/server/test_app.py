"""The dashboard over HTTP, as a process of its own: the form, the cookie, and what is let through."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from dashboard.launch import address, free_port, start
from dashboard.server.app import build
from dashboard.server.headers import HEADERS
from dashboard.signin import COOKIE, accounts, cookie_of, sessions
from policies.errors import IntegrityError, PolicyError
from policies.files import write_whole
from policies.guard import account_name
from policies.policy import default_policy_text
from policies.workspace import Workspace

PASSWORD = "a long walk home in rain"
PAGE = {"Accept": "text/html"}


def made(root: Path) -> Workspace:
    place = Workspace(root)
    text = default_policy_text(account_name()).replace("[people]", '[people]\nanna = ["clinician"]')
    write_whole(place.policy, text.replace("tries = 5 ", "tries = 2 ").encode())
    accounts(place).add("anna", PASSWORD)
    return place


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, str]]:
    place, port = made(tmp_path_factory.mktemp("served")), free_port(8750)
    process: subprocess.Popen[bytes] = start(place, port)
    yield place, address(port)
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture
def browser(running: tuple[Workspace, str]) -> Iterator[httpx.Client]:
    accounts(running[0]).unlock("anna")
    with httpx.Client(base_url=running[1], timeout=30) as client:
        yield client


def sign_in(browser: httpx.Client, password: str = PASSWORD, **headers: str) -> httpx.Response:
    given = {"Origin": str(browser.base_url).rstrip("/")} | headers
    return browser.post("/signin", data={"name": "anna", "password": password}, headers=given)


def test_whoever_is_not_signed_in_is_sent_to_the_form(browser: httpx.Client) -> None:
    for path in ("/", "/patient-note", "/audit-log", "/anything"):
        answer = browser.get(path, headers=PAGE)
        assert (answer.status_code, answer.headers["location"]) == (303, "/signin")
    form = browser.get("/signin", headers=PAGE)
    assert form.status_code == 200 and 'type="password"' in form.text and "the compliance officer" in form.text


def test_the_right_password_gives_a_cookie_that_no_script_reads_and_no_other_site_sends(
    browser: httpx.Client, running: tuple[Workspace, str]
) -> None:
    answer = sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie and "Secure" not in cookie
    assert sessions(running[0]).find(browser.cookies[COOKIE]).account == "anna"
    assert browser.get("/", headers=PAGE).status_code == 200
    assert browser.get("/signin", headers=PAGE).headers["location"] == "/"
    sessions(running[0]).end_all("anna")
    assert browser.get("/", headers=PAGE).status_code == 303


def test_a_wrong_password_is_said_in_one_sentence_and_locks_after_the_policys_tries(browser: httpx.Client) -> None:
    for _ in range(2):
        answer = sign_in(browser, "wrong")
        assert answer.status_code == 401 and "name or password is wrong" in answer.text
        assert COOKIE not in browser.cookies and "wrong</" not in answer.text
    assert sign_in(browser).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": ""}]
)
def test_a_form_of_another_site_signs_nobody_in(browser: httpx.Client, headers: dict[str, str]) -> None:
    assert sign_in(browser, **headers).status_code == 403 and COOKIE not in browser.cookies


def test_what_was_typed_shows_as_text_or_not_at_all(browser: httpx.Client) -> None:
    hostile = "<script>alert(1)</script>"
    answer = browser.post(
        "/signin", data={"name": hostile, "password": hostile}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 401 and "<script" not in answer.text


def test_a_form_that_is_too_large_is_not_read(browser: httpx.Client) -> None:
    assert sign_in(browser, "x" * 100_000).status_code == 401


def test_every_answer_has_the_headers(browser: httpx.Client) -> None:
    for path in ("/", "/signin", "/_stcore/health", "/static/none.js", "/_stcore/host-config"):
        answer = browser.get(path, headers=PAGE)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
        policy = answer.headers["content-security-policy"]
        assert "'unsafe-eval'" not in policy and "frame-ancestors 'none'" in policy
        assert not re.search(r"script-src[^;]*'unsafe-inline'", policy)
    assert browser.get("/signin").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/_stcore/upload_file/a/b", "/media/0123.csv"])
def test_uploads_and_downloads_are_of_those_who_are_signed_in(browser: httpx.Client, path: str) -> None:
    """Else strangers could fill the memory, and an address from somebody's history would still give the file."""
    assert browser.put(path, content=b"x").status_code == browser.get(path).status_code == 403
    sign_in(browser)
    assert browser.get(path).status_code != 403
    browser.cookies.set(COOKIE, "made up")
    assert httpx.get(f"{browser.base_url}{path}", cookies={"_streamlit_user": "x"}).status_code == 403


def test_a_websocket_of_another_origin_or_host_or_of_nobody_is_refused(
    browser: httpx.Client, running: tuple[Workspace, str]
) -> None:
    """Else another site's page could talk to the dashboard with the cookie of whoever visits it."""
    sign_in(browser)
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect
    from websockets.typing import Origin

    url = running[1].replace("http", "ws") + "/_stcore/stream"
    host = running[1].removeprefix("http://")
    with connect(url, origin=Origin(running[1]), additional_headers=cookie):
        pass
    evil = {"Origin": "http://evil.example"}
    for headers in (cookie | evil, cookie | evil | {"Host": "evil.example"}, {}, {"Cookie": f"{COOKIE}=made-up"}):
        with pytest.raises(InvalidStatus), connect(url, additional_headers=headers):
            pytest.fail(f"{headers} at {host}")


def test_many_sign_ins_at_once_are_all_answered(browser: httpx.Client, running: tuple[Workspace, str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        origin = {"Origin": running[1]}
        data = {"name": "anna", "password": PASSWORD}
        answers = list(
            pool.map(lambda _: httpx.post(f"{running[1]}/signin", data=data, headers=origin, timeout=60), range(8))
        )
    assert {answer.status_code for answer in answers} <= {303, 401} and any(a.status_code == 303 for a in answers)


@pytest.fixture(scope="module")
def behind_https(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, TestClient]:
    """The application without a server; Streamlit lets a process have one."""
    place, url = made(tmp_path_factory.mktemp("https")), "https://confide.hospital.org"
    return place, TestClient(build(place, url), base_url=url, headers={"Origin": url})


def test_behind_https_the_cookie_travels_by_https_alone(behind_https: tuple[Workspace, TestClient]) -> None:
    answer = behind_https[1].post("/signin", data={"name": "anna", "password": PASSWORD}, follow_redirects=False)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == "__Host-confide-session" and "Secure" in rest and "Path=/" in rest and "domain" not in rest.lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")


def test_behind_https_no_cookie_of_a_neighbour_is_taken(behind_https: tuple[Workspace, TestClient]) -> None:
    """Any host of the same domain can set a cookie without the prefix, with a session of its own."""
    place, client = behind_https
    token = sessions(place).begin("anna")
    for name, status in ((COOKIE, 403), (cookie_of("https://confide.hospital.org"), 404)):
        client.cookies.clear()
        assert client.get("/media/0123.csv", headers={"Cookie": f"{name}={token}"}).status_code == status


def test_what_is_broken_is_told_to_nobody_who_is_not_signed_in(behind_https: tuple[Workspace, TestClient]) -> None:
    place, client = behind_https
    policy = place.policy.read_text()
    place.policy.write_text("no policy")
    client.cookies.clear()
    answer = client.post("/signin", data={"name": "anna", "password": PASSWORD})
    form = client.get("/signin")
    place.policy.write_text(policy)
    assert answer.status_code == 503 and "cannot be used now" in answer.text
    assert str(place.root) not in answer.text + form.text


def test_openid_is_offered_once_it_is_set_up_and_its_secret_is_kept(tmp_path: Path) -> None:
    from dashboard.server.app import _openid

    file, url = tmp_path / "openid.toml", "https://confide.hospital.org"
    assert _openid(file, url) == {}
    write_whole(file, b'client_id = "a"\nclient_secret = "b"\nserver_metadata_url = "https://id.hospital.org/x"\n')
    with pytest.raises(IntegrityError):
        _openid(file, url)
    file.chmod(0o600)
    found = _openid(file, url)
    assert found["redirect_uri"] == f"{url}/oauth2callback" and len(found["cookie_secret"]) == 64
    assert _openid(file, url)["cookie_secret"] != found["cookie_secret"]
    file.write_text('client_id = "a"\n')
    with pytest.raises(PolicyError, match="KeyError"):
        _openid(file, url)

"""deploy/dashboard.nginx.conf in a real nginx before a real dashboard: HTTPS, headers, websockets, slowed guessing."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dashboard.launch import free_port, start
from dashboard.server.headers import HEADERS
from dashboard.signin import accounts
from tests.dashboard.server.test_app import PAGE, PASSWORD, made

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIG = Path(__file__).parents[3] / "deploy" / "dashboard.nginx.conf"
HOST = "confide.hospital.org"
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: apt-get install nginx-light)")


def certificate(folder: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made_ = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "dashboard.pem").write_bytes(made_.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "dashboard.key").write_bytes(key.private_bytes(*form))


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, Path]]:
    """Ports of HTTPS and of HTTP, and the folder with the certificate."""
    root = tmp_path_factory.mktemp("proxy")
    certificate(root)
    (root / "place").mkdir()
    place, port = made(root / "place"), free_port(8800)
    https, http = free_port(8900), free_port(9000)
    text = CONFIG.read_text().replace("127.0.0.1:8501", f"127.0.0.1:{port}").replace("/etc/confide/", f"{root}/")
    text = text.replace("listen 443", f"listen 127.0.0.1:{https}").replace("listen 80;", f"listen 127.0.0.1:{http};")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {root}/{kind};\n" for kind in kinds)
    whole = f"daemon off; pid {root}/pid; error_log {root}/log;\nevents {{}}\nhttp {{\n{temporary}{text}\n}}\n"
    (root / "nginx.conf").write_text(whole)
    assert accounts(place).all()
    pages = start(place, port, f"https://{HOST}")
    assert NGINX
    checked = subprocess.run([NGINX, "-t", "-c", str(root / "nginx.conf")], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    proxy = subprocess.Popen([NGINX, "-c", str(root / "nginx.conf")])
    time.sleep(0.5)
    try:
        yield https, http, root
    finally:
        for process in (proxy, pages):
            process.terminate()
            process.wait(timeout=20)


def client(proxied: tuple[int, int, Path]) -> httpx.Client:
    trusted = ssl.create_default_context(cafile=str(proxied[2] / "dashboard.pem"))
    transport = httpx.HTTPTransport(verify=trusted)
    return httpx.Client(
        base_url=f"https://127.0.0.1:{proxied[0]}",
        transport=transport,
        headers={"Host": HOST, "Origin": f"https://{HOST}"},
        timeout=30,
    )


def get(browser: httpx.Client, path: str) -> httpx.Response:
    return browser.get(path, headers=PAGE, extensions={"sni_hostname": HOST})


def sign_in(browser: httpx.Client, password: str) -> httpx.Response:
    data = {"name": "anna", "password": password}
    return browser.post("/signin", data=data, extensions={"sni_hostname": HOST})


def test_every_answer_has_what_a_baseline_scan_asks_for(proxied: tuple[int, int, Path]) -> None:
    with client(proxied) as browser:
        for path in ("/signin", "/", "/_stcore/health"):
            headers = get(browser, path).headers
            assert {name: headers.get(name) for name in HEADERS} == HEADERS
            assert headers["strict-transport-security"].startswith("max-age=31536000")
            assert "server" not in headers or headers["server"] == "nginx"  # no version
            assert "x-powered-by" not in headers and "content-security-policy" in headers
        for path in ("/_stcore/metrics", "/_stcore/agent/x"):
            assert get(browser, path).status_code == 404


def test_plain_http_leads_to_https(proxied: tuple[int, int, Path]) -> None:
    answer = httpx.get(f"http://127.0.0.1:{proxied[1]}/audit-log", headers={"Host": HOST})
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{HOST}/audit-log")


def test_a_session_and_its_websocket_go_through(proxied: tuple[int, int, Path]) -> None:
    from websockets.sync.client import connect
    from websockets.typing import Origin

    with client(proxied) as browser:
        answer = sign_in(browser, PASSWORD)
        assert answer.status_code == 303 and "Secure" in answer.headers["set-cookie"]
        cookie = answer.headers["set-cookie"].partition(";")[0]
    trusted = ssl.create_default_context(cafile=str(proxied[2] / "dashboard.pem"))
    url = f"wss://{HOST}/_stcore/stream"
    headers = {"Cookie": cookie}
    way = socket.create_connection(("127.0.0.1", proxied[0]))
    origin = Origin(f"https://{HOST}")
    with connect(url, sock=way, ssl=trusted, origin=origin, additional_headers=headers) as opened:
        assert opened.response and opened.response.status_code == 101


def test_whoever_guesses_is_slowed_before_the_account_is_locked_for_others(proxied: tuple[int, int, Path]) -> None:
    with client(proxied) as browser:
        assert 429 in {sign_in(browser, f"wrong {number}").status_code for number in range(16)}

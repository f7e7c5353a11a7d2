"""Keys as they are kept, and certificates before they end."""

from __future__ import annotations

import pytest

from dashboard.view import keys as view
from federated.provision.authority import issue_certificate, make_authority
from policies.errors import IntegrityError
from policies.events import Event


@pytest.fixture
def server(workspace):
    """The folder of a server in this workspace, with an authority."""
    folder = workspace.server.federation
    make_authority(folder, "cardio")
    return folder


@pytest.mark.parametrize(
    ("days", "said"),
    [(397, ""), (view.WARN_DAYS + 1, ""), (30, "ends in 29 days. 'confide server start'"), (-1, "ended on")],
)
def test_a_certificate_is_said_before_it_ends(workspace, site, server, days, said):
    issue_certificate(server, "localhost", days)
    authority, own = view.certificates(workspace, site)
    assert said in own.warning and bool(own.warning) == bool(said) and not authority.warning
    assert own.row()["Of"] == "localhost" and int(authority.row()["Days left"]) > 3000


def test_a_file_that_is_no_certificate_is_an_error(workspace, site, server):
    server.certificate.write_text("other")
    with pytest.raises(IntegrityError, match="no certificate"):
        view.certificates(workspace, site)


def test_keys_are_told_without_a_secret(workspace, site):
    rows = view.key_rows(workspace, site)
    assert [row["Holder"] for row in rows] == ["north", "server"] and {row["Kept"] for row in rows} == {"file"}
    shown = str(rows)
    assert not any(secret.hex() in shown for secret in (site.keys.wrapping, site.keys.pseudonyms))
    site.guard.record(Event.KEY_ROTATED, kind="protection", kept="passphrase")
    assert view.changes(site)[0]["Key"] == "protection"

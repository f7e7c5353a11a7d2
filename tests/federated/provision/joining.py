"""A server and three hospitals, each in a workspace of its own, that join as people would."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from federated.provision.documents import read_invitation
from federated.provision.founding import admit, found, invite, read_roster
from federated.provision.membership import confirm, make_node, reply_to
from policies.guard import Server, Site, open_server, open_site
from policies.workspace import Workspace
from tests.federated.hospitals import SITES, set_policy


@dataclass(frozen=True)
class Joined:
    """The workspaces of a federation, and what was sent between them."""

    root: Path

    def workspace(self, name: str) -> Workspace:
        return Workspace(self.root / name)

    @property
    def server(self) -> Server:
        return open_server(self.workspace("server"))

    def site(self, name: str) -> Site:
        return open_site(self.workspace(name), name)

    def invitation(self, name: str) -> Path:
        path = self.root / f"{name}.invitation"
        path.write_bytes(invite(self.server, name))
        return path

    def reply(self, name: str) -> Path:
        path = self.root / f"{name}.reply"
        path.write_bytes(reply_to(self.site(name), read_invitation(self.invitation(name))))
        return path

    def confirm(self, name: str) -> None:
        fingerprint = read_roster(self.server).fingerprint
        confirm(self.site(name), self.workspace(name), read_invitation(self.invitation(name)), fingerprint)


def founded(root: Path, host: str = "localhost", port: int = 9092) -> Joined:
    joined = Joined(root)
    for name in ("server", *SITES):
        joined.workspace(name).root.mkdir(parents=True)
        set_policy(joined.workspace(name))
    found(joined.server, "cardio", host, port)
    for name in SITES:
        make_node(joined.site(name))
        joined.invitation(name)
    return joined


def all_joined(root: Path, host: str = "localhost", port: int = 9092) -> Joined:
    joined = founded(root, host, port)
    for name in SITES:
        admit(joined.server, joined.reply(name))
    for name in SITES:
        joined.confirm(name)
    return joined

"""What a policy said before: a copy of each, and an entry with the old and the new value of every key that changed.

What was in force is what the log says: nobody can edit it unseen.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from policies.access import Access
from policies.audit import AuditLog
from policies.events import Event
from policies.files import OWNER_ONLY, sha256_hex, write_whole
from policies.logview import LogView, look
from policies.workspace import Home

_STEP = 16  # entries that are read at once, from the end of the log
_KEYS_OF_AN_ENTRY = 100  # so that a policy of thousands of people still fits into entries


def note_policy(home: Home, log: AuditLog, policy: bytes, access: Access) -> None:
    """Keep copies of the policy file and the access policy in force, and log what is not what the log says.

    The first policy of a log is a change of every key.

    Raises:
        IntegrityError: the log does not verify.
    """
    now = sha256_hex(policy), access.digest
    before = _logged(look(log.folder, log.key))
    if before == now:
        return
    for digest, data in zip(now, (policy, access.text.encode()), strict=True):
        write_whole(home.policy_copy(digest), data, OWNER_ONLY)
    changes = list(_changes(_values(_copy(home, before[0])), _values(policy)))
    for start in range(0, max(len(changes), 1), _KEYS_OF_AN_ENTRY):
        log.append(
            Event.POLICY_CHANGED, policy=now[0], policy_before=before[0], access=now[1], access_before=before[1],
            changes=changes[start : start + _KEYS_OF_AN_ENTRY],
        )  # fmt: skip


def _logged(view: LogView) -> tuple[str, str]:
    """The digests of the newest policy and access policy that entries name, each empty where none does."""
    policy = access = ""
    for end in range(view.size, view.first, -_STEP):
        for entry in reversed([*view.entries(end - _STEP, end)]):
            policy = policy or entry.details.get("policy", "")
            access = access or entry.details.get("access", "") or entry.details.get("policy_set", "")
            if policy and access:
                return policy, access
    return policy, access


def _copy(home: Home, digest: str) -> bytes:
    """A copy that was edited, or that is missing, says nothing of what was."""
    path = home.policy_copy(digest) if digest else None
    data = path.read_bytes() if path and path.exists() else b""
    return data if sha256_hex(data) == digest else b""


def _values(policy: bytes) -> dict[str, str]:
    """Every key of a policy file by its dotted name, its value as JSON: the log holds no floats."""
    return {name: json.dumps(value, ensure_ascii=False) for name, value in _leaves(tomllib.loads(policy.decode()), "")}


def _leaves(table: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield above + key, sorted(value) if isinstance(value, list) else value


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[dict[str, str | None]]:
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            yield {"key": key, "old": before.get(key), "new": now.get(key)}

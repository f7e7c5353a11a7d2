"""What a policy said before: a copy of each, and an entry with the old and the new value of every key that changed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from policies.access import Access
from policies.audit import AuditLog
from policies.events import Event
from policies.files import OWNER_ONLY, canonical_json, sha256_hex, write_whole
from policies.workspace import Home

_KEYS_OF_AN_ENTRY = 100  # so that a policy of thousands of people still fits into entries


def note_policy(home: Home, log: AuditLog, policy: bytes, access: Access) -> None:
    """Keep copies of the policy file and the access policy in force, and log what changed since the last opening.

    What was in force at the first opening is kept and not logged: nothing changed.
    """
    now = {"policy": sha256_hex(policy), "access": access.digest}
    before = _seen(home)
    if before == now:
        return
    for digest, data in ((now["policy"], policy), (now["access"], access.text.encode())):
        write_whole(home.policy_copy(digest), data, OWNER_ONLY)
    if before:
        changes = list(_changes(_values(_copy(home, before["policy"])), _values(policy)))
        for start in range(0, max(len(changes), 1), _KEYS_OF_AN_ENTRY):
            log.append(
                Event.POLICY_CHANGED, policy=now["policy"], policy_before=before["policy"], access=now["access"],
                access_before=before["access"], changes=changes[start : start + _KEYS_OF_AN_ENTRY],
            )  # fmt: skip
    write_whole(home.seen_policy, canonical_json(now), OWNER_ONLY)


def _seen(home: Home) -> dict[str, str]:
    try:
        kept = json.loads(home.seen_policy.read_bytes())
        return {"policy": kept["policy"], "access": kept["access"]}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError):
        return {"policy": "unreadable", "access": "unreadable"}  # so that what is in force now is logged whole


def _copy(home: Home, digest: str) -> bytes:
    path = home.policy_copy(digest)
    return path.read_bytes() if path.exists() else b""


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

"""From one signing key to the next, in the log: the old key signs the new one, and both sign the last checkpoint.

That checkpoint stands in the first entry under the new key, so that whoever knew the old key can follow. A process that
still holds the old key cannot write to the log after it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policies.audit import AuditLog, add_signatures
from policies.errors import IntegrityError
from policies.events import Event
from policies.files import canonical_json
from policies.keys import KeyRing, PublicKey
from policies.logview import read_checkpoint, read_note
from policies.notes import Verifier, open_note, signature_line

_TRIES = 5


def hand_over(audit: Path, old: KeyRing, new: KeyRing, actor: str, facts: Mapping[str, Any]) -> None:
    """Bring the log under the new key, from wherever an earlier call was killed.

    Args:
        facts: for both entries, such as the policy's hash.

    Raises:
        IntegrityError: the log does not verify.
    """
    signers = _signers(audit, old, new)
    if new.public not in signers:
        AuditLog(audit, old, actor).append(Event.KEY_ROTATED, kind="signing", **succession(old, new), **facts)
    elif old.public not in signers:
        return
    for left in reversed(range(_TRIES)):  # a process under the old key may append in between
        note = _cosigned(audit, old, new)
        try:
            AuditLog(audit, new, actor).append(
                Event.KEY_CREATED, kind="signing", key=_text(new.public.raw), checkpoint=note, **facts
            )
        except IntegrityError:
            if not left:
                raise
        else:
            return


def succession(old: KeyRing, new: KeyRing) -> dict[str, Any]:
    """For the log: both public keys in base64, and the old key's signature over the new one."""
    keys = {"old": _text(old.public.raw), "new": _text(new.public.raw)}
    return {**keys, "signature": _text(old.sign(_statement(old.name, keys)))}


def check_succession(name: str, details: Mapping[str, Any]) -> PublicKey:
    """The new key of a logged succession, with the old one as its former; raises IntegrityError where it is forged."""
    try:
        keys = {part: details[part] for part in ("old", "new")}
        old, new, signature = (base64.b64decode(details[part]) for part in ("old", "new", "signature"))
    except (KeyError, TypeError, binascii.Error):
        raise IntegrityError(f"no succession of a key of '{name}'") from None
    PublicKey(name, old).verify(signature, _statement(name, keys))
    return PublicKey(name, new, (old,))


def _statement(name: str, keys: Mapping[str, str]) -> bytes:
    return canonical_json({"type": "confide-key-succession-v1", "holder": name, **keys})


def _signers(audit: Path, old: KeyRing, new: KeyRing) -> set[PublicKey]:
    note = read_note(audit)
    verifiers = [Verifier(keys.public) for keys in (old, new)]
    return {signer.key for signer in open_note(note, verifiers)[1]} if note else {old.public}


def _cosigned(audit: Path, old: KeyRing, new: KeyRing) -> str:
    """The log's checkpoint, signed by both keys."""
    if new.public not in _signers(audit, old, new):
        checkpoint = read_checkpoint(audit, old.public)
        text = checkpoint.text() if checkpoint else b""
        add_signatures(audit, old.public, text, signature_line(text, new))
    return read_note(audit).decode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

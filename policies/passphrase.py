"""A key under a passphrase: where the passphrase comes from, and Argon2id, which makes guessing it expensive."""

from __future__ import annotations

import base64
import getpass
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from policies.errors import InputError, IntegrityError
from policies.files import refuse_readable
from policies.sealing import seal, unseal

PASSPHRASE_VARIABLE, PASSPHRASE_FILE_VARIABLE = "CONFIDE_PASSPHRASE", "CONFIDE_PASSPHRASE_FILE"
SHORTEST_PASSPHRASE = 12
# RFC 9106, section 4, second recommended option.
_COST = {"iterations": 3, "lanes": 4, "memory_kib": 64 * 1024}
_SALT_BYTES, _KEY_BYTES = 16, 32


def lock(secret: bytes, passphrase: str, context: bytes) -> dict[str, Any]:
    """A secret under AES-256-GCM with a key that Argon2id (RFC 9106) makes of a passphrase and a fresh salt.

    Args:
        context: whose secret it is; `unlock` needs the same.

    Returns:
        What to keep: salt, cost and ciphertext, all of which may be read by anybody.
    """
    salt = os.urandom(_SALT_BYTES)
    return {"salt": _text(salt), **_COST, "sealed": _text(seal(_derived(passphrase, salt, **_COST), secret, context))}


def unlock(kept: Mapping[str, Any], passphrase: str, context: bytes) -> bytes:
    """What `lock` locked.

    Raises:
        IntegrityError: the passphrase is another, or what was kept was altered.
    """
    try:
        cost = {name: int(kept[name]) for name in _COST}
        key = _derived(passphrase, base64.b64decode(kept["salt"]), **cost)
        return unseal(key, base64.b64decode(kept["sealed"]), context)
    except (ValueError, KeyError, TypeError, MemoryError):
        raise IntegrityError(
            "wrong passphrase, or the file was altered",
            "Give the passphrase again; if it surely is the right one, restore the file from its backup.",
        ) from None


def given_passphrase() -> str | None:
    """The passphrase from $CONFIDE_PASSPHRASE, or from the file that $CONFIDE_PASSPHRASE_FILE names.

    Raises:
        IntegrityError: others than its owner may read that file.
        InputError: it cannot be read.
    """
    if found := os.environ.get(PASSPHRASE_VARIABLE):
        return found
    file = os.environ.get(PASSPHRASE_FILE_VARIABLE)
    return read_passphrase(Path(file)) if file else None


def read_passphrase(file: Path) -> str:
    """The first line of a file that only its owner may read; raises as `given_passphrase`."""
    try:
        refuse_readable(file, "passphrase")
        return file.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise InputError("no passphrase can be read from it", "Name a text file.", file=file) from None


def needed_passphrase(holder: str) -> str:
    """The passphrase from the environment, or asked at the terminal once a process.

    Raises:
        IntegrityError: there is none, and nobody to ask.
    """
    found = given_passphrase()
    if found is None and sys.stdin and sys.stdin.isatty():
        found = _asked(holder)
    if not found:
        raise IntegrityError(
            f"the keys of '{holder}' are under a passphrase, and none was given",
            f"Set ${PASSPHRASE_VARIABLE} or ${PASSPHRASE_FILE_VARIABLE}, or run the command at a terminal.",
        )
    return found


def new_passphrase() -> str:
    """A passphrase asked twice at the terminal; raises InputError where both differ or nobody can be asked."""
    if not (sys.stdin and sys.stdin.isatty()):
        raise InputError("no new passphrase was given", "Use --passphrase-file FILE, or run the command at a terminal.")
    first = getpass.getpass("New passphrase: ")
    if first != getpass.getpass("Once more: "):
        raise InputError("the two passphrases differ", "Run the command again.")
    return first


def checked_passphrase(passphrase: str) -> str:
    """Raises InputError where it is too short to withstand guessing."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise InputError("the passphrase is too short", f"Use at least {SHORTEST_PASSPHRASE} characters.")
    return passphrase


@cache
def _asked(holder: str) -> str:
    return getpass.getpass(f"Passphrase of the keys of '{holder}': ")


@cache  # a process opens the same keys many times
def _derived(passphrase: str, salt: bytes, iterations: int, lanes: int, memory_kib: int) -> bytes:
    kdf = Argon2id(salt=salt, length=_KEY_BYTES, iterations=iterations, lanes=lanes, memory_cost=memory_kib)
    return kdf.derive(passphrase.encode())


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

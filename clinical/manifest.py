"""What a hospital signs about a folder of de-identified records: how it was made, and the hash of every file."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from policies.errors import InputError, IntegrityError
from policies.files import canonical_json, file_sha256, sha256_hex
from policies.keys import KeyRing, PublicKey

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1


def write_manifest(folder: Path, keys: KeyRing, facts: Mapping[str, Any]) -> str:
    """Sign what a folder holds: facts about it and the SHA-256 of each file; returns the manifest's own SHA-256."""
    body = {
        **facts,
        "version": MANIFEST_VERSION,
        "tool": "confide",
        "tool_version": version("confide"),
        "site": keys.name,
        "files": {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST},
    }
    signature = base64.b64encode(keys.sign(canonical_json(body))).decode()
    sealed = canonical_json({"manifest": body, "signature": signature, "signed_by": keys.name})
    (folder / MANIFEST).write_bytes(sealed)
    return sha256_hex(sealed)


def signed_site(folder: Path) -> str:
    """Which site a folder says that it is from; `read_manifest` with that site's key proves it.

    Raises:
        InputError: the folder has no manifest.
    """
    try:
        return str(json.loads((folder / MANIFEST).read_bytes())["manifest"]["site"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError("no manifest here", "Run 'confide deid IN OUT' first.", file=folder) from None


def read_manifest(folder: Path, key: PublicKey) -> dict[str, Any]:
    """The manifest of a de-identified export, after its signature and all its files were verified.

    Raises:
        InputError: the folder has no manifest.
        IntegrityError: the signature is not this site's, or a file is not the one that was signed.
    """
    try:
        sealed = json.loads((folder / MANIFEST).read_bytes())
        body, signature = sealed["manifest"], base64.b64decode(sealed["signature"])
    except FileNotFoundError:
        raise InputError("no manifest here", "Run 'confide deid IN OUT' first.", file=folder) from None
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"{folder / MANIFEST}: not a manifest of Confide") from None
    key.verify_document(signature, canonical_json(body))
    on_disk = {path.name: file_sha256(path) for path in folder.iterdir() if path.name != MANIFEST}
    for name in sorted(on_disk.keys() | body["files"].keys()):
        if on_disk.get(name) != body["files"].get(name):
            raise IntegrityError(f"{folder / name}: not what the manifest was signed over")
    return dict(body)

"""Small signed outputs, as 'confide deid' leaves them."""

from __future__ import annotations

import base64
import json

from clinical.manifest import write_manifest

FACTS = {"policy": "p" * 64, "legal_basis": "expert_determination", "mode": "tag", "findings": {"NAME": 9, "DATE": 4},
         "dates": "year", "organisations": "replace"}  # fmt: skip


def document(number, text, kind="progress"):
    data = base64.b64encode(text.encode()).decode()
    content = [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}]
    return {
        "resourceType": "DocumentReference",
        "id": f"d{number}",
        "type": {"coding": [{"code": kind}]},
        "content": content,
    }


def write_output(folder, keys, texts, **facts):
    """A folder with one document for each text, and its manifest."""
    folder.mkdir(parents=True)
    lines = [json.dumps(document(number, text)) for number, text in enumerate(texts)]
    (folder / "DocumentReference.ndjson").write_text("\n".join(lines) + "\n")
    write_manifest(folder, keys, FACTS | facts)
    return folder

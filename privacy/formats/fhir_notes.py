"""The notes that FHIR resources hold: attachments with plain text, and narratives."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from privacy.formats.fhir_rules import Rule, known_types, rules_of, rules_of_type
from privacy.formats.narrative import html_text

PLAIN = "text/plain; charset=utf-8"


def plain_attachment(text: str) -> dict[str, str]:
    """An Attachment (FHIR R4, 2.24.0.2) that holds this text."""
    return {"contentType": PLAIN, "data": base64.b64encode(text.encode()).decode()}


def attached_text(attachment: Mapping[str, Any]) -> str:
    """The text of an Attachment as `plain_attachment` writes it; empty for any other."""
    content_type, data = str(attachment.get("contentType", "")), attachment.get("data")
    if content_type.replace(" ", "").lower() not in ("text/plain", PLAIN.replace(" ", "")) or not isinstance(data, str):
        return ""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def narrative_text(div: Any) -> str:
    """The lines of a Narrative's XHTML, cells apart by tabs; empty where it cannot be read."""
    try:
        lines = html_text(div).splitlines() if isinstance(div, str) else []
    except ValueError:
        return ""
    return "\n".join(line.strip() for line in lines if line.strip())


def attachments(resource: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The Attachments of a resource, and of those that it contains, that may hold text for people."""
    for held in (resource, *contained_in(resource)):
        yield from _held(held, rules_of(str(held["resourceType"])), "attachment")


def note_text(resource: Mapping[str, Any]) -> str:
    """The note of a resource: its plain attachments and the narratives of its sections; the same text counts once."""
    texts = [attached_text(a) for a in attachments(resource)]
    texts += [
        narrative_text(section.get("div"))
        for section in _held(resource.get("section"), rules_of_type("Section"), "narrative")
    ]
    return "\n\n".join(dict.fromkeys(text for text in texts if text))


def contained_in(resource: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources within this one whose types the table knows."""
    contained = resource.get("contained")
    items = [c for c in contained if isinstance(c, dict)] if isinstance(contained, list) else []
    return [c for c in items if str(c.get("resourceType")) in known_types()]


def _held(value: Any, rules: Mapping[str, Rule], wanted: str) -> Iterator[dict[str, Any]]:
    """Objects at the places that fall under the wanted rule."""
    for item in value if isinstance(value, list) else [value]:
        for name, within in item.items() if isinstance(item, dict) else ():
            rule = rules.get(name)
            for inner in within if isinstance(within, list) else [within]:
                if rule and isinstance(inner, dict):
                    yield from [inner] if wanted in rule.leaves else _held(inner, rule.fields(inner) or {}, wanted)

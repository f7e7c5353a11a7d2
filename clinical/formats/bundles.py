"""Resources out of a FHIR Bundle, and the patients whom a resource names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Where the types that are known here name their patient, in R4 and in R5.
_HOLDERS = ("subject", "patient", "beneficiary", "target")
_PATIENT = re.compile(r"(?:.*/)?Patient/([^/?#|\s]+)(?:/_history/[^/]*)?")


def entries(bundle: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources of a Bundle and of Bundles in it; an empty one for an entry that holds none.

    An entry without id takes the one of its `fullUrl`, and references to a `fullUrl` become Type/id, so that a resource
    can stand outside of its Bundle (FHIR R4, 3.1.4 and 3.1.5).
    """
    items = bundle.get("entry")
    items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    links = {str(item["fullUrl"]): link for item in items if "fullUrl" in item and (link := _link(item))}
    for item in items:
        resource = item.get("resource")
        if not isinstance(resource, dict):
            yield {}
        elif resource.get("resourceType") == "Bundle":
            yield from entries(resource)
        else:
            yield {**_linked(resource, links), **_id(item)}


def patients_named(resource: Mapping[str, Any]) -> frozenset[str]:
    """Ids of the patients that a resource says it is about."""
    holders = [resource.get(name) for name in _HOLDERS]
    if resource.get("resourceType") == "Appointment":  # R4 names the patient among those who come
        holders += [p.get("actor") for p in _objects(resource.get("participant"))]
    targets = [str(reference.get("reference", "")) for holder in holders for reference in _objects(holder)]
    return frozenset(found[1] for target in targets if (found := _PATIENT.fullmatch(target)))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _link(entry: Mapping[str, Any]) -> str:
    resource, name = entry.get("resource"), _id(entry).get("id")
    return f"{resource.get('resourceType')}/{name}" if isinstance(resource, dict) and name else ""


def _id(entry: Mapping[str, Any]) -> dict[str, Any]:
    resource = entry.get("resource")
    own = resource.get("id") if isinstance(resource, dict) else None
    name = own or re.split(r"[/:]", str(entry.get("fullUrl", "")).split("/_history/")[0])[-1]
    return {"id": name} if name else {}


def _linked(value: Any, links: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_linked(item, links) for item in value]
    if isinstance(value, dict):
        return {
            k: links.get(v, v) if k == "reference" and isinstance(v, str) else _linked(v, links)
            for k, v in value.items()
        }
    return value

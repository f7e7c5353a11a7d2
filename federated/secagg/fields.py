"""Messages of a secure sum as flat fields of numbers, bytes and lists of these, as a message between machines holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from federated.secagg.messages import Advert
from policies.errors import IntegrityError

_Message = TypeVar("_Message")
_PLACES = "_of"
_TYPES: Mapping[str, type] = {"int": int, "bytes": bytes, "ByPlace": dict, "tuple[int, ...]": tuple}


def fields_of(message: Any) -> dict[str, Any]:
    """One of the messages as fields; what stands by place becomes two lists."""
    found = dict[str, Any]()
    for name, value in vars(message).items():
        if isinstance(value, Mapping):
            found[name + _PLACES], found[name] = list(value), list(value.values())
        else:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def message_of(kind: type[_Message], found: Mapping[str, Any]) -> _Message:
    """Raises IntegrityError where the fields are not those of this kind of message."""
    try:
        return kind(**{field.name: _value(field.name, str(field.type), found) for field in fields(kind)})  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        raise IntegrityError(f"a message that is no {kind.__name__} of secure aggregation") from None


def columns_of(adverts: Sequence[Advert]) -> dict[str, Any]:
    rows = [fields_of(advert) for advert in adverts]
    return {name: [row[name] for row in rows] for name in rows[0]}


def adverts_of(columns: Mapping[str, Any]) -> tuple[Advert, ...]:
    """Raises IntegrityError where these are no adverts."""
    try:
        names = [field.name for field in fields(Advert)]
        rows = zip(*(columns[name] for name in names), strict=True)
        return tuple(message_of(Advert, dict(zip(names, row, strict=True))) for row in rows)
    except (KeyError, TypeError, ValueError):
        raise IntegrityError("a message that holds no adverts of secure aggregation") from None


def _value(name: str, kind: str, found: Mapping[str, Any]) -> Any:
    value = found[name]
    if kind == "ByPlace":
        value = dict(zip(found[name + _PLACES], value, strict=True))
        if not all(isinstance(place, int) and isinstance(part, bytes) for place, part in value.items()):
            raise TypeError(name)
    elif kind.startswith("tuple"):
        value = tuple(value)
    if not isinstance(value, _TYPES[kind]):
        raise TypeError(name)
    return value

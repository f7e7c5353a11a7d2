"""The table of FHIR rules, compiled: which rule each element of each type of resource falls under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from policies.files import table_of


@dataclass(frozen=True)
class Rule:
    """What is done with one element, which may be one thing in R4 and another in R5: its shape decides.

    Args:
        leaves: names of the rules for its values, or of the type that says what its objects hold.
        inner: rules of the elements inside, where the table names them one by one.
        required: FHIR requires the element.
    """

    leaves: tuple[str, ...] = ()
    inner: Mapping[str, Rule] = field(default_factory=dict)
    required: bool = False

    def fields(self, value: Mapping[str, Any]) -> Mapping[str, Rule] | None:
        """Rules of the elements of this object; None where a rule takes it as a whole."""
        if self.inner and (not self.leaves or self.inner.keys() & value.keys()):
            return self.inner
        return next((rules_of_type(leaf) for leaf in self.leaves if leaf[0].isupper()), None)


def fhir_table() -> Mapping[str, Any]:
    """The whole table as it stands in the file."""
    return table_of("privacy", "tables/fhir")


@cache
def known_types() -> frozenset[str]:
    """The resource types that the table knows."""
    return frozenset(fhir_table()["resources"])


@cache
def reference_types() -> frozenset[str]:
    """Every resource type of R4 and R5, known to the table or not."""
    return frozenset(fhir_table()["reference_types"].split())


@cache
def rules_of(kind: str) -> Mapping[str, Rule]:
    """The rules of a type of resource, with those that all resources share.

    Raises:
        KeyError: the table does not know this type.
    """
    return {**rules_of_type("Resource"), **_compiled(fhir_table()["resources"][kind])}


@cache
def rules_of_type(name: str) -> Mapping[str, Rule]:
    """The rules of a data type."""
    return _compiled(fhir_table()["types"][name])


def _compiled(rows: Mapping[str, str]) -> Mapping[str, Rule]:
    tree: dict[str, Rule] = {}
    for leaf, names in rows.items():
        for name in names.split():
            _add(tree, name.rstrip("!").split("."), leaf, name.endswith("!"))
    return tree


def _add(tree: dict[str, Rule], path: list[str], leaf: str, required: bool) -> None:
    rule = tree.get(path[0], Rule())
    if path[1:]:
        inner = dict(rule.inner)
        _add(inner, path[1:], leaf, required)
        tree[path[0]] = replace(rule, inner=inner)
    else:
        tree[path[0]] = replace(rule, leaves=(*rule.leaves, leaf), required=rule.required or required)

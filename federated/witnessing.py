"""The hospitals of a plan sign each other's tree heads, by four questions that the server passes on.

Sizes, hashes, times and signatures cross, no entry and no text. The server cannot forge any of it; it can only leave
something out, and then signatures are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from federated.messages import Fields
from federated.plan import Plan
from policies.errors import IntegrityError
from policies.guard import Site
from policies.keys import PublicKey
from policies.logview import look
from policies.notes import Checkpoint, Kind, Verifier, line_of, open_note, signature_in
from policies.tlog import consistency_proof
from policies.witness import Submission, Witness, WitnessRefused, attach, peers

_HASH_BYTES, _TIME_BYTES, _SIGNATURE_BYTES = 32, 8, 64


class Question(StrEnum):
    """What the server asks every site, in this order."""

    SEEN = "seen"
    HEAD = "head"
    COSIGN = "cosign"
    ATTACH = "attach"


def answer(site: Site, plan: Plan, question: Question, fields: Fields) -> Fields:
    """What a site says to one of the questions; lists are in the order of the plan's sites.

    Raises:
        IntegrityError: the fields are not those of the question.
    """
    try:
        return _ANSWERS[question](site, [share.name for share in plan.sites], fields)
    except (KeyError, TypeError, IndexError):
        raise IntegrityError("a message that is no question about tree heads") from None


def no_answer(question: Question, sites: int) -> Fields:
    """What stands for a site that gives none: no tree head of its own, and no signature of another's."""
    numbers, signatures = [0] * sites, [b""] * sites
    table: Mapping[Question, Fields] = {
        Question.SEEN: {"seen": numbers, "asked": numbers},
        Question.HEAD: {"size": 0, "root": b"", "signature": b"", "proof": signatures},
        Question.COSIGN: {"signature": signatures},
        Question.ATTACH: {},
    }
    return table[question]


def check_answer(question: Question, sites: int, fields: Fields) -> Fields:
    """The fields; raises IntegrityError where they are not those of an answer to the question."""
    like = no_answer(question, sites)
    if fields.keys() != like.keys() or not all(_is_like(fields[key], like[key]) for key in like):
        raise IntegrityError("an answer that is none to a question about tree heads")
    return fields


def _is_like(value: Any, like: Any) -> bool:
    if isinstance(like, list):
        return isinstance(value, list) and len(value) == len(like) and all(map(_is_like, value, like))
    return isinstance(value, type(like)) and not (isinstance(value, int) and value < 0)


def cosign_all(
    plan: Plan,
    keys: Mapping[str, PublicKey],
    ask: Callable[[Question, Sequence[Fields]], Sequence[Fields]],
    wrong: Callable[[str], None],
) -> dict[str, list[str]]:
    """The server's side: lead the sites through the four questions; a signature that does not verify goes no further.

    Args:
        keys: of the sites, by name.
        wrong: told of each signature that does not verify, in a sentence.
        ask: hands each site its fields and returns their answers, as `check_answer` wants them, all in the order of the
            plan's sites.

    Returns:
        For each log the witnesses that its policy names and that did not sign; where no policy names any, the sites are
        asked no more than that.
    """
    names, places = [share.name for share in plan.sites], range(len(plan.sites))
    seen = ask(Question.SEEN, [{} for _ in places])
    if not any(any(one["asked"]) for one in seen):
        return {}
    heads = ask(Question.HEAD, [{"old": [seen[witness]["seen"][log] for witness in places]} for log in places])
    shown = [
        {
            **{key: [heads[log][key] for log in places] for key in ("size", "root", "signature")},
            "old": list(seen[witness]["seen"]),
            "proof": [heads[log]["proof"][witness] for log in places],
        }
        for witness in places
    ]
    signed = ask(Question.COSIGN, shown)
    given = [[b""] * len(names) for _ in places]
    for log in places:
        tree = Checkpoint(names[log], heads[log]["size"], heads[log]["root"])
        for witness in places:
            signature = signed[witness]["signature"][log]
            if signature and _is_cosigned(tree, keys[names[witness]], signature):
                given[log][witness] = signature
            elif signature:
                wrong(f"{Question.COSIGN}: '{names[witness]}': its signature of the log of '{names[log]}' is none")
    own = [{key: heads[log][key] for key in ("size", "root", "signature")} for log in places]
    ask(Question.ATTACH, [{**own[log], "cosignature": given[log]} for log in places])
    silent = {names[log]: [names[w] for w in places if seen[log]["asked"][w] and not given[log][w]] for log in places}
    return {log: witnesses for log, witnesses in silent.items() if witnesses}


def _is_cosigned(tree: Checkpoint, witness: PublicKey, signature: bytes) -> bool:
    signer = Verifier(witness, Kind.COSIGNATURE)
    try:
        return bool(open_note(tree.text() + b"\n" + line_of(signer, signature), [signer]))
    except IntegrityError:
        return False


def _seen(site: Site, names: Sequence[str], fields: Fields) -> Fields:
    known = _peers(site)
    witness = Witness(site, known)
    sizes = [0 if name == site.name else witness.signed(name).size for name in names]
    return {"seen": sizes, "asked": [int(name in known) for name in names]}


def _head(site: Site, names: Sequence[str], fields: Fields) -> Fields:
    view = look(site.home.audit, site.keys.public)
    proofs = [consistency_proof(old, view.size, view.tree.node) if old <= view.size else [] for old in fields["old"]]
    return {
        "size": view.size,
        "root": view.signed.root,
        "signature": signature_in(view.note, Verifier(site.keys.public)),
        "proof": [b"".join(proof) for proof in proofs],
    }


def _cosign(site: Site, names: Sequence[str], fields: Fields) -> Fields:
    known = _peers(site)
    witness, signatures = Witness(site, known), list[bytes]()
    for log, name in enumerate(names):
        shown = {key: fields[key][log] for key in ("size", "root", "signature", "old", "proof")}
        there = name in known and shown["signature"]
        signatures.append(_signature(site, witness, name, known[name], shown) if there else b"")
    return {"signature": signatures}


def _signature(site: Site, witness: Witness, log: str, key: PublicKey, shown: Fields) -> bytes:
    """Over another's tree head; none where it is not fit to be signed, which leaves out that log alone."""
    try:
        head = Checkpoint(log, shown["size"], _sized(shown["root"], _HASH_BYTES))
        line = witness.cosign(Submission(shown["old"], _hashes(shown["proof"]), _note(head, key, shown["signature"])))
        return signature_in(head.text() + b"\n" + line, Verifier(site.keys.public, Kind.COSIGNATURE))
    except (WitnessRefused, IntegrityError):  # the own log says why a witness refused
        return b""


def _attach(site: Site, names: Sequence[str], fields: Fields) -> Fields:
    known = _peers(site)
    head = Checkpoint(site.name, fields["size"], _sized(fields["root"], _HASH_BYTES))
    given = zip(names, fields["cosignature"], strict=True)
    lines = [
        line_of(Verifier(known[name], Kind.COSIGNATURE), signature)
        for name, signature in given
        if name in known and len(signature) == _TIME_BYTES + _SIGNATURE_BYTES
    ]
    if lines:
        attach(site, _note(head, site.keys.public, fields["signature"]), b"".join(lines))
    return {}


_ANSWERS: Mapping[Question, Callable[[Site, Sequence[str], Fields], Fields]] = {
    Question.SEEN: _seen,
    Question.HEAD: _head,
    Question.COSIGN: _cosign,
    Question.ATTACH: _attach,
}


def _peers(site: Site) -> dict[str, PublicKey]:
    return peers(site.guard.policy.witnesses, site.name)


def _note(head: Checkpoint, key: PublicKey, signature: bytes) -> bytes:
    return head.text() + b"\n" + line_of(Verifier(key), _sized(signature, _SIGNATURE_BYTES))


def _hashes(joined: bytes) -> tuple[bytes, ...]:
    return tuple(joined[at : at + _HASH_BYTES] for at in range(0, len(joined), _HASH_BYTES))


def _sized(value: bytes, size: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise IntegrityError("a message that is no question about tree heads")
    return value

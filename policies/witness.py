"""Hospitals watch each other's logs: a witness signs a tree head only if it continues the one that it signed before.

So whoever rewrites a log, or shows two of them, needs the witnesses too. A witness sees hashes and sizes, no entry
(C2SP tlog-witness and tlog-cosignature).
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from policies.errors import IntegrityError
from policies.events import Event
from policies.files import storage_errors, write_whole
from policies.guard import Site
from policies.keys import PublicKey
from policies.logview import LogView, held
from policies.notes import Checkpoint, Verifier, cosignature_line, cosigners, open_note
from policies.policy import Witnesses
from policies.proof import decimal, hash_lines, parse_hashes
from policies.tlog import EMPTY_ROOT, check_consistency
from policies.wording import counted
from policies.workspace import checked_name

HOW_THEY_SIGN = (
    "Witnesses sign at the end of a training of the federation, where each hospital's policy lists the others' keys "
    "under [witnesses]."
)
_COSIGNED = "cosigned"
_MOST_HASHES = 63


class WitnessRefused(IntegrityError):
    """A witness will not sign a tree head.

    Attributes:
        status: as an HTTP witness would answer (C2SP tlog-witness).
        size: of the tree that it signed last.
    """

    def __init__(self, status: HTTPStatus, size: int, message: str) -> None:
        super().__init__(message, "Compare the two tree heads by another way before anybody trusts that log again.")
        self.status, self.size = status, size


@dataclass(frozen=True)
class Submission:
    """A tree head for a witness, with the proof that it continues the one that the witness signed last.

    Attributes:
        old: size of the tree that the witness signed last, 0 for none.
        proof: RFC 6962, section 2.1.2.
        note: the signed checkpoint.
    """

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def text(self) -> bytes:
        """The body of an add-checkpoint request."""
        return "\n".join([f"old {self.old}", *hash_lines(self.proof), "", ""]).encode() + self.note

    @classmethod
    def parse(cls, data: bytes) -> Submission:
        """Raises IntegrityError where this is no such body."""
        head, gap, note = data.partition(b"\n\n")
        first, *lines = head.decode(errors="replace").split("\n")
        word, _, size = first.partition(" ")
        if not gap or word != "old" or len(lines) > _MOST_HASHES:
            raise IntegrityError("the text is no submission to a witness")
        return cls(decimal(size), parse_hashes(lines), note)


def submission(view: LogView, old: int) -> Submission:
    """A log's tree head as a witness wants it that signed the tree of `old` entries before.

    One that was larger than the log is now has no proof; the witness must see the smaller tree all the same.
    """
    return Submission(old, tuple(view.consistency_proof(old)) if old <= view.size else (), view.note)


class Witness:
    """A hospital as the witness of others' logs; what it signed is on the disk before its signature leaves.

    Args:
        logs: the keys of the logs that it watches, by origin.
    """

    def __init__(self, site: Site, logs: Mapping[str, PublicKey]) -> None:
        self._site, self._logs = site, logs

    def signed(self, origin: str) -> Checkpoint:
        """The tree head of a log that was cosigned last, or that of the empty tree."""
        note, keys = kept_head(self._latest(origin)), self._site.keys
        if not note:
            return Checkpoint(origin, 0, EMPTY_ROOT)
        return Checkpoint.parse(open_note(note, cosigners(keys.public.every))[0])

    def cosign(self, asked: Submission) -> bytes:
        """A cosignature line, after every check of C2SP tlog-witness; the own log says what was cosigned.

        Raises:
            WitnessRefused: the log is unknown, its signature is not its own, or its tree does not continue the one
                that was cosigned before. A tree head that is signed and does not fit is kept: it proves a rewrite.
        """
        origin, head = self._known(asked)
        folder = self._folder(origin)
        folder.mkdir(parents=True, exist_ok=True)
        with storage_errors(folder), held(folder, fcntl.LOCK_EX):
            before = self.signed(origin)
            try:
                _check(asked, before, head)
            except WitnessRefused as refusal:
                self._keep_evidence(asked, before, head, refusal)
                raise
            text = head.text()
            line = cosignature_line(text, self._site.keys, int(time.time()))
            write_whole(self._latest(origin), text + b"\n" + line)
        self._record(Event.WITNESS_COSIGNED, head)
        return line

    def _known(self, asked: Submission) -> tuple[str, Checkpoint]:
        origin = asked.note.split(b"\n", 1)[0].decode(errors="replace")
        key = self._logs.get(origin)
        if key is None:
            raise WitnessRefused(HTTPStatus.NOT_FOUND, 0, "this hospital does not witness that log")
        try:
            return origin, Checkpoint.parse(open_note(asked.note, [Verifier(key)])[0])
        except IntegrityError as error:
            raise WitnessRefused(HTTPStatus.FORBIDDEN, 0, f"the tree head of '{origin}': {error.message}") from None

    def _keep_evidence(self, asked: Submission, before: Checkpoint, head: Checkpoint, refusal: WitnessRefused) -> None:
        if asked.old == before.size or head.size <= before.size:
            write_whole(self._folder(head.origin) / f"refused-{head.size}-{head.root.hex()[:16]}", asked.text())
        self._record(Event.WITNESS_REFUSED, head, status=int(refusal.status), known=before.size)

    def _record(self, event: Event, head: Checkpoint, **details: int) -> None:
        self._site.guard.record(event, log=head.origin, size=head.size, root=head.root.hex(), **details)

    def _latest(self, origin: str) -> Path:
        return self._folder(origin) / _COSIGNED

    def _folder(self, origin: str) -> Path:
        return self._site.home.witnessed / checked_name(origin, "log")


def _check(asked: Submission, before: Checkpoint, head: Checkpoint) -> None:
    if head.size < before.size:
        raise WitnessRefused(
            HTTPStatus.CONFLICT,
            before.size,
            f"the log of '{head.origin}' went back from {before.size} to {counted(head.size, 'entry')}",
        )
    if asked.old > head.size:
        raise WitnessRefused(
            HTTPStatus.BAD_REQUEST, before.size, f"'{head.origin}' shows a tree smaller than the one it goes on from"
        )
    if asked.old != before.size:
        raise WitnessRefused(
            HTTPStatus.CONFLICT,
            before.size,
            f"the tree of '{head.origin}' that was cosigned has {counted(before.size, 'entry')}, not {asked.old}",
        )
    if head.size == before.size and head.root != before.root:
        raise WitnessRefused(
            HTTPStatus.CONFLICT,
            before.size,
            f"there are two logs of '{head.origin}' with {counted(head.size, 'entry')}",
        )
    try:
        check_consistency(before.size, before.root, head.size, head.root, asked.proof)
    except IntegrityError as error:
        raise WitnessRefused(
            HTTPStatus.UNPROCESSABLE_ENTITY, before.size, f"the log of '{head.origin}': {error.message}"
        ) from None


def attach(site: Site, note: bytes, cosignatures: bytes) -> None:
    """Keep a tree head of one's own log with the signatures of its witnesses; newer ones replace older ones.

    Args:
        note: the checkpoint as it was shown to them.
        cosignatures: lines as `Witness.cosign` gives them; those that do not verify are left out, and without any that
            does everything stays as it was.

    Raises:
        IntegrityError: this tree head does not come after the one that is kept.
    """
    text, _ = open_note(note, [Verifier(site.keys.public)])
    head, kept = Checkpoint.parse(text), kept_head(site.home.cosigned)
    own = [Verifier(key) for key in site.keys.public.every]
    before = Checkpoint.parse(open_note(kept, own)[0]) if kept else Checkpoint(head.origin, 0, EMPTY_ROOT)
    if head.size <= before.size and head != before:
        raise IntegrityError(
            f"witnesses signed {counted(before.size, 'entry')} of '{site.name}' before; {head.size} cannot follow"
        )
    witnesses = cosigners(peers(site.guard.policy.witnesses, site.name).values())
    offered = (kept.removeprefix(text + b"\n") if head == before else b"") + cosignatures
    lines = [line for line in dict.fromkeys(offered.splitlines(True)) if _verifies(text + b"\n" + line, witnesses)]
    if not lines:
        return
    write_whole(site.home.cosigned, note + b"".join(lines))
    site.guard.record(Event.CHECKPOINT_COSIGNED, size=head.size, root=head.root.hex(), lines=len(lines))


@dataclass(frozen=True)
class Quorum:
    """Who vouches for a log, and for how much of it.

    Attributes:
        size: of the tree that they signed.
        names: of the witnesses whose cosignature verifies.
        oldest: POSIX time of the oldest of these cosignatures, 0 where there is none.
    """

    size: int
    names: tuple[str, ...]
    oldest: int


def check_quorum(view: LogView, cosigned: Path, own: PublicKey, rule: Witnesses) -> Quorum:
    """That as many witnesses as the policy wants signed a tree head that this log continues.

    Raises:
        IntegrityError: too few did, or the log is another than the one that they saw.
    """
    witnesses = cosigners(peers(rule, own.name).values())
    note = kept_head(cosigned)
    if not note:
        if rule.needed:
            raise IntegrityError(
                f"no witness has signed the log of '{own.name}' yet, and the policy wants {rule.needed}", HOW_THEY_SIGN
            )
        return Quorum(0, (), 0)
    text, signed = open_note(note, [Verifier(own), *witnesses])
    head, times = Checkpoint.parse(text), {one.key.name: time for one, time in signed.items() if one in witnesses}
    names = sorted(times)
    if len(names) < rule.needed:
        raise IntegrityError(
            f"{len(names)} of the {rule.needed} witnesses that the policy wants signed the log of '{own.name}'",
            HOW_THEY_SIGN,
        )
    if not view.continues(head):
        raise IntegrityError(
            f"the log of '{own.name}' is not the one of {counted(head.size, 'entry')} that {', '.join(names)} signed"
        )
    return Quorum(head.size, tuple(names), min(times.values(), default=0))


def vouched(view: LogView, cosigned: Path, own: PublicKey, rule: Witnesses) -> str:
    """`check_quorum` in a sentence; raises as it."""
    found = check_quorum(view, cosigned, own, rule)
    if not found.names:
        return f"no witness has signed it yet, and the policy wants none. {HOW_THEY_SIGN}"
    oldest = f"{datetime.fromtimestamp(found.oldest, UTC):%Y-%m-%d %H:%M} UTC"
    return (
        f"{', '.join(found.names)} signed its first {counted(found.size, 'entry')}, the oldest signature is of "
        f"{oldest}; {counted(view.size - found.size, 'entry')} came after; {rule.needed} wanted by the policy"
    )


def peers(rule: Witnesses, own: str) -> dict[str, PublicKey]:
    """The other hospitals of the policy, which cosign this one's log as it cosigns theirs."""
    keys = (Verifier.from_vkey(vkey).key for vkey in rule.hospitals)
    return {key.name: key for key in keys if key.name != own}


def kept_head(path: Path) -> bytes:
    """A tree head with its cosignatures as it is kept in a file, or nothing."""
    return path.read_bytes() if path.is_file() else b""


def _verifies(note: bytes, verifiers: Sequence[Verifier]) -> bool:
    try:
        return bool(open_note(note, verifiers))
    except IntegrityError:
        return False

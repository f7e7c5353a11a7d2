"""The audit log of a hospital or of the server: whether it verifies, its entries, reviews of them, and exports."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread
from time import sleep
from typing import Any

from dashboard.view.visit import Visit, ordered
from policies.access import Action, Purpose
from policies.auditindex import AuditIndex, Check, Hit, Search, read
from policies.errors import ConfideError, IntegrityError
from policies.events import Entry, Event
from policies.exports import handing_out
from policies.exports.query import facts_of, meaning_of
from policies.exports.reviews import LogReview, draw, reviews_of, sign_off
from policies.files import canonical_json
from policies.guard import Server, Site
from policies.logview import LogView
from policies.retention import logged_releases
from policies.savedqueries import SavedQueries
from policies.witness import vouched
from policies.wording import counted, to_the_second
from policies.workspace import SERVER

ON_A_PAGE = 100
MOST_PROVED = 2000  # entries of an evidence folder that a page makes; the command makes larger ones
_MOST_HITS = 10_000
_AT_ONCE = 5  # steps of the index that a page waits for; what is more is read in the background
_SMALL = 10_000  # entries that are all read while a page waits
_FRESH, _FRESH_OF_LARGE = timedelta(minutes=1), timedelta(days=1)
_PAUSE = 0.1  # between two steps in the background, so that pages find the index free
_at_work: dict[Path, Thread] = {}
_turn = Lock()


@dataclass(frozen=True)
class Log:
    """One log, with the index that finds its entries, and the account that looks at it."""

    holder: Server | Site

    @property
    def name(self) -> str:
        return self.holder.home.name

    @cached_property
    def index(self) -> AuditIndex:
        return AuditIndex(self.holder.home, self.holder.keys)


@dataclass(frozen=True)
class LogState:
    """A log after its verification; of one that does not verify, nothing else is shown.

    Attributes:
        view: the log as it stands, or None where it does not verify.
        sentence: what was verified now.
        check: what the newest reading of every entry said.
        warnings: what a person should look at.
        left: entries that the index has not yet taken in.
    """

    view: LogView | None
    sentence: str
    check: Check | None = None
    warnings: tuple[str, ...] = ()
    left: int = 0


@dataclass(frozen=True)
class Witnessed:
    """What other hospitals say about a log, and whether it is what the policy wants."""

    enough: bool
    sentence: str


@dataclass(frozen=True)
class Result:
    """What a search found.

    Attributes:
        total: in words.
        activity: time, event and number of entries, for a figure.
    """

    hits: tuple[Hit, ...]
    total: str
    activity: tuple[tuple[str, str, int], ...]

    @property
    def pages(self) -> int:
        return max(1, -(-len(self.hits) // ON_A_PAGE))

    @property
    def limit(self) -> str:
        """What to do about entries that no page holds."""
        whole = len(self.hits) < _MOST_HITS
        return "" if whole else f" The newest {_MOST_HITS:,} are listed; narrow the search for older ones."


def logs_of(visit: Visit) -> tuple[str, ...]:
    """The site's own log, and the server's where there is one."""
    return (visit.site.name, SERVER) if visit.workspace.server.audit.is_dir() else (visit.site.name,)


def open_log(visit: Visit, origin: str = "") -> Log:
    """The log of the visit's site, or of the server."""
    return Log(visit.server if origin == SERVER else visit.site)


def log_state(log: Log) -> LogState:
    """Verify a log now: its signature, that it continues what was read before, and every new entry.

    Every entry is read anew once in a minute, of a log of more than 10,000 once in a day and in the background.
    """
    try:
        view, left = _follow(log)
        check = _checked(log, view.size, left)
    except ConfideError as error:
        return LogState(None, f"Not verified: {error.message}. {error.hint}")
    if check and check.failure:
        return LogState(None, f"Not verified at {_moment(check.time)}: {check.failure}", check)
    replaced = [f"{_moment(time)}: the log of {counted(size, 'entry')} that was read before is another now, rewritten "
                "or put back from a backup" for time, size in log.index.replaced()]  # fmt: skip
    root = f", tree head {view.signed.root.hex()[:16]}" if view.size else ""
    torn = [f"{_moment(time)}: the index that finds entries was not what the log says: somebody else hid, altered or "
            "made up some of it, and it was made anew. Look who may write to the database." for time in log.index.torn()
            ]  # fmt: skip
    sentence = (
        f"Verified at {_moment(datetime.now(UTC).isoformat())}: signed{root}, {counted(view.size, 'entry')}; it "
        "continues what was read before, and every new entry follows the one before it."
    )
    return LogState(view, sentence, check, (*torn, *replaced, *(check.warnings if check else ())), left)


def check_now(log: Log, size: int) -> None:
    """Read every entry anew; of a long log in the background."""
    if size <= _SMALL:
        log.index.check()
    else:
        _in_background(log, True)


def when_checked(check: Check | None) -> str:
    """When every entry was read, in a sentence."""
    if check is None:
        return "Not every entry has been read here yet."
    return f"Every entry was read and verified at {_moment(check.time)}, {counted(check.size, 'entry')}."


def is_at_work(log: Log) -> bool:
    """Whether entries are being read in the background."""
    thread = _at_work.get(log.holder.home.audit)
    return thread is not None and thread.is_alive()


def witnessed(log: Log, view: LogView) -> Witnessed | None:
    """What the other hospitals signed of a site's log; nobody signs the server's."""
    if not isinstance(log.holder, Site):
        return None
    try:
        rule = log.holder.guard.policy.witnesses
        said = vouched(view, log.holder.home.cosigned, log.holder.keys.public, rule)
        return Witnessed(True, f"Witnesses: {said}")
    except IntegrityError as error:
        return Witnessed(False, f"Witnesses: {error.message}. {error.hint}")


def found(log: Log, asked: Search) -> Result:
    """The newest 10,000 entries that were asked for, and how many there are."""
    hits = log.index.search(asked, _MOST_HITS + 1)
    if len(hits) <= _MOST_HITS:
        return Result(hits, counted(len(hits), "entry"), tuple((hit.time, hit.event, 1) for hit in hits))
    shown = hits[:_MOST_HITS]
    if asked.plain:
        activity = tuple(log.index.activity(asked))
        return Result(shown, f"{sum(times for _, _, times in activity):,} entries", activity)
    return Result(shown, f"more than {_MOST_HITS:,} entries", tuple((hit.time, hit.event, 1) for hit in shown))


def patients_asked_about(log: Log, asked: Search) -> tuple[str, ...]:
    """Whose data a search is a look at; what was typed and is no pseudonym of this log may be a name, and is nobody."""
    return tuple(own for own in ordered((asked.patient, asked.text)) if log.index.knows(own))


def rows(view: LogView, hits: Sequence[Hit], page: int = 1) -> list[Mapping[str, Any]]:
    """One page of what was found, read from the log itself, the newest first."""
    wanted = hits[(page - 1) * ON_A_PAGE : page * ON_A_PAGE]
    return [row(entry) for entry in reversed(list(read(view, (hit.sequence for hit in wanted))))]


def row(entry: Entry) -> Mapping[str, Any]:
    """An entry as people read it."""
    return {
        "Number": entry.sequence,
        "Time (UTC)": to_the_second(entry.time),
        "Account": entry.actor,
        "What": meaning_of(entry.event).words,
        "Event": str(entry.event),
        "Details": facts_of(entry.details),
    }


def whole(view: LogView, sequence: int) -> list[tuple[str, str]]:
    """Everything that an entry says, by name."""
    entry = view.entry(sequence)
    head = [
        ("Entry", str(sequence)),
        ("Time", entry.time),
        ("Account", entry.actor),
        ("Event", event_text(entry.event)),
    ]
    own = [("Session", f"{entry.session}, number {entry.count}"), ("Sealed beside it", entry.sealed or "nothing")]
    details = [
        (name, value if isinstance(value, str) else canonical_json(value).decode())
        for name, value in sorted(entry.details.items())
    ]
    return [*head, *details, *own]


def event_text(event: str) -> str:
    """An event in words, with its code."""
    return f"{meaning_of(Event(event)).words} ({event})" if event else "any"


def export(log: Log, asked: Search, form: str) -> bytes:
    """The entries that were asked for as a file (`policies.exports.handing_out`), read from the log itself.

    Raises:
        AccessDenied: whoever asks may not export.
        IntegrityError: the log does not verify.
    """
    log.holder.guard.permit(Action.EXPORT_AUDIT, Purpose.OPERATIONS)
    if form != ".zip":
        return handing_out.export([log.holder], asked, form)[0]
    with TemporaryDirectory() as place:
        folder = Path(place, "evidence")
        handing_out.export_evidence(log.holder, asked, folder)
        return _zipped(folder)


def saved(visit: Visit) -> SavedQueries:
    """The queries that this account kept."""
    return SavedQueries(visit.site.home, visit.site.keys, visit.account)


def sample(log: Log, view: LogView, asked: Search, most: int) -> tuple[int, list[Entry]]:
    """From how many entries, and which were drawn of them by chance; raises InputError where there is none."""
    hits = log.index.search(asked, view.size + 1)
    drawn = draw(hits, most)
    return len(hits), list(read(view, (hit.sequence for hit in drawn)))


def sign(log: Log, asked: Search, among: int, drawn: Sequence[Entry], finding: str) -> int:
    """Sign a review off in the log; returns the number of its entry. Raises as `reviews.sign_off`."""
    log.holder.guard.permit(Action.VIEW_AUDIT, Purpose.OPERATIONS)
    return sign_off(log.holder, asked, among, drawn, finding).sequence


def reviewed(log: Log, view: LogView) -> list[LogReview]:
    """Who reviewed the log, the newest first; raises IntegrityError where a review was altered."""
    hits = log.index.search(Search(event=Event.LOG_REVIEWED), _MOST_HITS)
    return reviews_of(log.holder, view, read(view, (hit.sequence for hit in hits)))[::-1]


def _follow(log: Log) -> tuple[LogView, int]:
    """The log, and how many entries the index still lacks after a few steps."""
    view, left = log.index.follow()
    for _ in range(_AT_ONCE - 1):
        view, left = log.index.follow() if left else (view, left)
    return view, left


def _checked(log: Log, size: int, left: int) -> Check | None:
    """The newest reading of every entry; a new one where that is old."""
    check = log.index.checked()
    fresh = _FRESH if size <= _SMALL else _FRESH_OF_LARGE
    due = check is None or datetime.now(UTC) - datetime.fromisoformat(check.time) > fresh
    if due and size <= _SMALL:
        check = log.index.check()
        _follow(log)  # where the check found the index torn, it is made anew at once
        return check
    if due or left:
        _in_background(log, due)
    return check


def _in_background(log: Log, check: bool) -> None:
    with _turn:
        if not is_at_work(log):
            thread = Thread(target=_work, args=(log, check), daemon=True)
            _at_work[log.holder.home.audit] = thread
            thread.start()


def _work(log: Log, check: bool) -> None:
    """Take in what is left, then read all; a page says on its next load what this stumbled over."""
    with suppress(ConfideError):
        while log.index.follow()[1]:
            sleep(_PAUSE)
        logged_releases(log.holder.home.audit, log.holder.keys.public)  # what other pages ask for is then known
        if check:
            log.index.check()


def _zipped(folder: Path) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder.parent))
    return stream.getvalue()


def _moment(time: str) -> str:
    return f"{to_the_second(time)} UTC"

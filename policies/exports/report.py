"""A report for people as PDF: whether the log verifies, activity by day, what was refused, who did what."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Table, TableStyle

from policies.events import Entry, Event
from policies.exports.query import Outcome, meaning_of, patients_of, purpose_of
from policies.files import canonical_json
from policies.findings import Findings

MOST_ROWS = 500  # of entries one by one; what is more stands in the other exports
_BARS = 31
_LONGEST_CELL = 500  # what is longer stands in the other exports; a row must fit on a page
_DAY = len("2026-01-31")
_SECOND = len("2026-01-31T00:00:00")
_WIDTH = A4[0] - 36 * mm
_INK, _RULE = colors.HexColor("#16324f"), colors.HexColor("#c5ced8")
_STYLES = getSampleStyleSheet()
_SMALL = _STYLES["BodyText"].clone("small", fontSize=7.5, leading=9.5)
_RELEASES = (Event.UPDATE_RELEASED, Event.DISCLOSURE_MADE, Event.BUDGET_SPENT)


@dataclass(frozen=True)
class LogState:
    """One log: its name and what `audit.verify` found."""

    name: str
    findings: Findings


def to_pdf(
    logs: Sequence[LogState], asked: Mapping[str, str], entries: Sequence[tuple[str, Entry]], made: datetime
) -> bytes:
    """The report.

    Args:
        logs: all of them verified; a log that does not verify gets no report.
        asked: the filter in words.
        entries: each with the name of its log, by time.
        made: when, for the head.
    """
    stream = io.BytesIO()
    margin = 18 * mm
    document = SimpleDocTemplate(
        stream, pagesize=A4, leftMargin=margin, rightMargin=margin, topMargin=margin, bottomMargin=margin,
        title="Audit report", author="Confide", invariant=True,
    )  # fmt: skip
    story = [*_head(logs, asked, entries, made), *_activity(entries), *_refused(entries), *_released(entries)]
    document.build([*story, *_one_by_one(entries)], canvasmaker=_Numbered)
    return stream.getvalue()


def _head(
    logs: Sequence[LogState], asked: Mapping[str, str], entries: Sequence[tuple[str, Entry]], made: datetime
) -> list[Flowable]:
    wanted = ", ".join(f"{name} {value}" for name, value in asked.items()) or "all entries"
    rows = [
        (log.name, str(log.findings.signed.size), log.findings.signed.root.hex()[:16], _state(log.findings))
        for log in logs
    ]
    warnings = [f"{log.name}: {warning}" for log in logs for warning in log.findings.warnings]
    return [
        _title("Audit report"),
        _text(f"Made {made:%Y-%m-%d %H:%M} UTC. Asked for: {wanted}. {len(entries)} entries found."),
        *_section("Do the logs verify?", ("log", "entries", "tree head", "state"), rows, (30, 20, 40, 84)),
        *[_text(f"Warning: {warning}") for warning in warnings],
    ]


def _state(findings: Findings) -> str:
    pruned = f"; entries before {findings.first} were deleted by the rule of retention" if findings.first else ""
    return f"every entry and the signature verify{pruned}; {len(findings.warnings)} warnings"


def _activity(entries: Sequence[tuple[str, Entry]]) -> list[Flowable]:
    days = Counter(entry.time[:_DAY] for _, entry in entries)
    events = Counter(str(entry.event) for _, entry in entries)
    actors = Counter(entry.actor for _, entry in entries)
    if not entries:
        return [_text("There is nothing to show.")]
    by_event = [(meaning_of(Event(name)).words, name, str(count)) for name, count in events.most_common()]
    by_actor = [(name, str(count)) for name, count in actors.most_common()]
    return [
        _heading("Activity by day"),
        _chart(sorted(days.items())[-_BARS:]),
        *_section("What happened", ("what", "event", "times"), by_event, (84, 60, 30)),
        *_section("Who acted", ("account", "entries"), by_actor, (144, 30)),
    ]


def _chart(days: Sequence[tuple[str, int]]) -> Drawing:
    drawing, chart = Drawing(_WIDTH, 52 * mm), VerticalBarChart()
    chart.x, chart.y, chart.width, chart.height = 12 * mm, 16 * mm, _WIDTH - 14 * mm, 34 * mm
    chart.data = [[count for _, count in days]]
    chart.categoryAxis.categoryNames = [day[5:] for day, _ in days]
    chart.categoryAxis.labels.angle, chart.categoryAxis.labels.dy, chart.categoryAxis.labels.dx = 60, -8, -4
    chart.categoryAxis.labels.fontSize = chart.valueAxis.labels.fontSize = 7
    chart.valueAxis.valueMin = 0
    chart.valueAxis.labelTextFormat = "%d"
    chart.bars[0].fillColor = _INK
    chart.bars[0].strokeColor = None
    drawing.add(chart)
    return drawing


def _refused(entries: Sequence[tuple[str, Entry]]) -> list[Flowable]:
    bad = [(log, entry) for log, entry in entries if meaning_of(entry.event).outcome is not Outcome.SUCCESS]
    return _listing("Refused or failed", bad[-MOST_ROWS:])


def _released(entries: Sequence[tuple[str, Entry]]) -> list[Flowable]:
    """A model update is a disclosure, and so is listed as one."""
    return _listing("Releases and disclosures", [pair for pair in entries if pair[1].event in _RELEASES][-MOST_ROWS:])


def _one_by_one(entries: Sequence[tuple[str, Entry]]) -> list[Flowable]:
    shown = list(entries[-MOST_ROWS:])
    left = f" (the newest {len(shown)} of {len(entries)})" if len(shown) < len(entries) else ""
    return _listing(f"Entries{left}", shown)


def _listing(title: str, entries: Iterable[tuple[str, Entry]]) -> list[Flowable]:
    rows = [
        (f"{log} {entry.sequence}", _moment(entry), entry.actor, str(entry.event), _facts(entry))
        for log, entry in entries
    ]
    return _section(title, ("entry", "time (UTC)", "account", "event", "details"), rows, (24, 32, 22, 32, 64))


def _moment(entry: Entry) -> str:
    return entry.time[:_SECOND].replace("T", " ")


def _facts(entry: Entry) -> str:
    """Patient and purpose first, then the other details without the policy's hash, shortened."""
    named = {"patient": " ".join(patients_of(entry)), "purpose": purpose_of(entry)}
    others = {name: value for name, value in entry.details.items() if name not in {"policy", "policy_set", *named}}
    facts = [f"{name} {value}" for name, value in named.items() if value]
    facts += [f"{name} {_short(value)}" for name, value in sorted(others.items())]
    return ", ".join(facts)


def _short(value: Any) -> str:
    return _cut(value if isinstance(value, str) else canonical_json(value).decode(), 40)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _section(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]
) -> list[Flowable]:
    if not rows:
        return [_heading(title), _text("None.")]
    body = [[_cell(f"<b>{escape(column)}</b>") for column in columns]]
    body += [[_cell(escape(_cut(cell, _LONGEST_CELL))) for cell in row] for row in rows]
    grid = Table(body, [width * mm for width in widths], repeatRows=1)
    grid.setStyle(TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE), ("VALIGN", (0, 0), (-1, -1), "TOP")]))
    return [_heading(title), grid]


def _title(text: str) -> Flowable:
    return Paragraph(escape(text), _STYLES["Title"])


def _heading(text: str) -> Flowable:
    return Paragraph(escape(text), _STYLES["Heading2"])


def _text(text: str) -> Flowable:
    return Paragraph(escape(text), _STYLES["BodyText"])


def _cell(markup: str) -> Flowable:
    return Paragraph(markup, _SMALL)


class _Numbered(Canvas):  # type: ignore[misc]
    """Writes 'page 2 of 7', which is known only when the last page is done."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802  # reportlab's name
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, 1):
            self.__dict__.update(page)
            self.setFont("Helvetica", 8)
            self.drawRightString(A4[0] - 18 * mm, 10 * mm, f"page {number} of {len(self._pages)}")
            super().showPage()
        super().save()

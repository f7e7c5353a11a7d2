"""A report for people as PDF: whether the log verifies, activity by day, what was refused, who did what."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
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

from policies.events import Event
from policies.exports.grouping import Named, grouped
from policies.exports.query import Outcome, in_words, meaning_of
from policies.findings import Findings
from policies.wording import counted

MOST_ROWS = 500  # of a table; what is more stands in the other exports
_BARS = 31
_LONGEST = 20  # characters of a cell for each mm of its column, so that every row fits on a page
_DAY = len("2026-01-31")
_WIDTH = A4[0] - 36 * mm
_INK, _RULE = colors.HexColor("#16324f"), colors.HexColor("#c5ced8")
_STYLES = getSampleStyleSheet()
_SMALL = _STYLES["BodyText"].clone("small", fontSize=7.5, leading=9.5)
_TOGETHER = (
    "Entries of one account that say the same on one day and name no patient stand in one row, and so do the rounds of "
    "a plan, without the hashes of each; one by one they stand in the other exports. An epsilon is that of all that "
    "was booked until then."
)
_RELEASES = (Event.UPDATE_RELEASED, Event.DISCLOSURE_MADE, Event.BUDGET_SPENT)


@dataclass(frozen=True)
class LogState:
    """One log: its name and what `audit.verify` found."""

    name: str
    findings: Findings


def to_pdf(logs: Sequence[LogState], asked: Mapping[str, str], entries: Sequence[Named], made: datetime) -> bytes:
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
    document.build([*story, *_every(entries)], canvasmaker=_Numbered)
    return stream.getvalue()


def _head(
    logs: Sequence[LogState], asked: Mapping[str, str], entries: Sequence[Named], made: datetime
) -> list[Flowable]:
    rows = [
        (log.name, str(log.findings.signed.size), log.findings.signed.root.hex()[:16], _state(log.findings))
        for log in logs
    ]
    warnings = [f"{log.name}: {warning}" for log in logs for warning in log.findings.warnings]
    return [
        _title("Audit report"),
        _text(
            f"Made {made:%Y-%m-%d %H:%M} UTC. Asked for: {in_words(asked)}. Found: {counted(len(entries), 'entry')}. "
            "What ends in … here stands whole in the other exports."
        ),
        *_section("Do the logs verify?", ("log", "entries", "tree head", "state"), rows, (30, 20, 40, 84)),
        *[_text(f"Warning: {warning}") for warning in warnings],
    ]


def _state(findings: Findings) -> str:
    pruned = f"; entries before {findings.first} were deleted by the rule of retention" if findings.first else ""
    return f"every entry and the signature verify{pruned}; {counted(len(findings.warnings), 'warning')}"


def _activity(entries: Sequence[Named]) -> list[Flowable]:
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


def _refused(entries: Sequence[Named]) -> list[Flowable]:
    bad = [(log, entry) for log, entry in entries if meaning_of(entry.event).outcome is not Outcome.SUCCESS]
    return _listing("Refused or failed", bad)


def _released(entries: Sequence[Named]) -> list[Flowable]:
    """A model update is a disclosure, and so is listed as one."""
    return _listing("Releases and disclosures", [pair for pair in entries if pair[1].event in _RELEASES])


def _every(entries: Sequence[Named]) -> list[Flowable]:
    return _listing("Entries", entries)


def _listing(title: str, entries: Sequence[Named]) -> list[Flowable]:
    """A table of entries, as many together in a row as say the same, and what was put together in words."""
    groups = grouped(entries)
    shown = groups[-MOST_ROWS:]
    rows = [
        (group.numbers, group.times.replace("T", " "), group.first.actor, str(group.first.event), group.facts)
        for group in shown
    ]
    held = sum(len(group.entries) for group in shown)
    of = f"the newest {held} of {counted(len(entries), 'entry')}" if held < len(entries) else counted(held, "entry")
    together = f"{of} in {counted(len(shown), 'row')}. {_TOGETHER}" if len(shown) < held else f"{of}."
    columns = ("entry", "time (UTC)", "account", "event", "details")
    return _section(title, columns, rows, (24, 32, 22, 32, 64), together)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _section(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], said: str = ""
) -> list[Flowable]:
    if not rows:
        return [_heading(title), _text("None.")]
    body = [[_cell(f"<b>{escape(column)}</b>") for column in columns]]
    body += [
        [_cell(escape(_cut(cell, width * _LONGEST))) for cell, width in zip(row, widths, strict=True)] for row in rows
    ]
    grid = Table(body, [width * mm for width in widths], repeatRows=1)
    grid.setStyle(TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.4, _RULE), ("VALIGN", (0, 0), (-1, -1), "TOP")]))
    return [_heading(title), *([_text(said)] if said else []), grid]


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

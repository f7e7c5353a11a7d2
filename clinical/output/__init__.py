"""An extraction for others: as FHIR R4, as JSON, and as the rows and lines that people read."""

from __future__ import annotations

from clinical.output.bundle import Source, as_bundle
from clinical.output.data import as_data
from clinical.output.statements import Statement, statements_of
from clinical.output.words import basis_lines, fact_rows

__all__ = ["Source", "Statement", "as_bundle", "as_data", "basis_lines", "fact_rows", "statements_of"]

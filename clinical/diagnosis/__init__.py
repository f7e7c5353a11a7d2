"""Ranked conditions for one note, each with what speaks for it, what against, and what was not asked.

Diagnosis support whose basis is laid open for a professional's own review; never a diagnosis.
"""

from clinical.diagnosis.argument import Evidence, NotAsked
from clinical.diagnosis.calibration import Calibration
from clinical.diagnosis.model import ConditionModel
from clinical.diagnosis.support import Deidentifier, Extraction, Standing, Suggestion, extract, intended_use

__all__ = [
    "Calibration",
    "ConditionModel",
    "Deidentifier",
    "Evidence",
    "Extraction",
    "NotAsked",
    "Standing",
    "Suggestion",
    "extract",
    "intended_use",
]

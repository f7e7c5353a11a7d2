"""Presidio without the engines that are not used here.

They would bring torch and transformers along: 320 MB and four seconds for every process that de-identifies.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _absent(*packages: str) -> Iterator[None]:
    """Let an import find these packages missing, unless they were imported before."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _absent("torch", "transformers", "stanza"):
    from presidio_analyzer import (
        AnalyzerEngine,
        EntityRecognizer,
        RecognizerRegistry,
        RecognizerResult,
    )
    from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
    from presidio_analyzer.nlp_engine import NoOpNlpEngine
    from presidio_anonymizer import AnonymizerEngine
    from presidio_anonymizer.entities import OperatorConfig

__all__ = [
    "AnalyzerEngine",
    "AnonymizerEngine",
    "ContextAwareEnhancer",
    "EntityRecognizer",
    "NoOpNlpEngine",
    "OperatorConfig",
    "RecognizerRegistry",
    "RecognizerResult",
]

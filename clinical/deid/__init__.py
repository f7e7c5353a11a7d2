"""From what a hospital has to de-identified records, whole or not at all."""

from clinical.deid.job import DeidReport, Options, deidentify_source

__all__ = ["DeidReport", "Options", "deidentify_source"]

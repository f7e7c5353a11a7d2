"""A synthetic cohort for demonstrations and tests: made-up hospitals, patients and notes, the same at every run."""

from clinical.synthetic.export import (
    ExportCounts,
    HospitalProfile,
    condition_labels,
    demo_hospitals,
    made_up_texts,
    write_export,
)

__all__ = ["ExportCounts", "HospitalProfile", "condition_labels", "demo_hospitals", "made_up_texts", "write_export"]

"""For every test: one thread unless the environment says more, since what a test computes is too small to share out,
and threads that wait for each other drown a machine whose cores are shared; and no time limit for drawn examples, which
on such a machine says nothing of the code."""

from __future__ import annotations

import os

_threads = os.environ.setdefault("OMP_NUM_THREADS", "1")
for _variable in ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, _threads)

from hypothesis import settings  # noqa: E402

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

from tests.databases import backend, postgresql  # noqa: E402, F401  # fixtures

"""The same work in one process, in several, or on a Ray cluster, with the same results in the same order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from typing import Any

from clinical.deid.worker import Done, Work, Worker
from clinical.formats.source import Problem
from policies.network import call_nobody, lock_ray

BATCH = 32
Batch = Sequence[Work | Problem]
_worker: Worker | None = None


class Engine(StrEnum):
    """Where the workers run."""

    PROCESSES = "processes"
    RAY = "ray"


def mapped(
    items: Iterator[Work | Problem], start: tuple[Any, ...], workers: int, engine: Engine
) -> Iterator[tuple[Batch, Sequence[Done]]]:
    """Batches with their results, in order; at most two batches for each worker are under way.

    Args:
        start: what a `Worker` is built from, once in each process.
    """
    batches = iter(lambda: list(islice(items, BATCH)), [])
    with _submitter(start, workers, engine) as submit:
        running: deque[tuple[Batch, Callable[[], list[Done]]]] = deque()
        for batch in batches:
            running.append((batch, submit(batch)))
            if len(running) >= 2 * workers:
                first, result = running.popleft()
                yield first, result()
        yield from ((batch, result()) for batch, result in running)


@contextmanager
def _submitter(
    start: tuple[Any, ...], workers: int, engine: Engine
) -> Iterator[Callable[[Batch], Callable[[], list[Done]]]]:
    if engine is Engine.RAY:
        with _ray_pool(start, workers) as ray_pool:
            yield lambda batch: ray_pool.apply_async(_work, (batch,)).get
    elif workers > 1:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        context = get_context("forkserver")
        context.set_forkserver_preload(["privacy.subject"])
        with ProcessPoolExecutor(workers, context, _start, start) as processes:
            yield lambda batch: processes.submit(_work, batch).result
    else:
        worker = Worker(*start)
        yield lambda batch: lambda: worker.batch(batch)


@contextmanager
def _ray_pool(start: tuple[Any, ...], workers: int) -> Iterator[Any]:
    """A pool on the cluster that $RAY_ADDRESS names, or on this machine."""
    call_nobody()
    lock_ray()
    import ray
    from ray.util.multiprocessing import Pool

    ours = not ray.is_initialized()
    if ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    pool = Pool(workers, _start, start)
    try:
        yield pool
    finally:
        pool.terminate()
        if ours:
            ray.shutdown()


def _start(*start: Any) -> None:
    global _worker  # noqa: PLW0603 - one worker in each process
    _worker = Worker(*start)


def _work(batch: Batch) -> list[Done]:
    assert _worker is not None
    return _worker.batch(batch)

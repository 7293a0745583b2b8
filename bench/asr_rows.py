"""Rows of a long measurement, kept as they come, so that a run that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

MODEL = Path(__file__).parents[1] / "models" / "asr-en"
Job = TypeVar("Job")


def kept_rows(work: Path, name: str, model: Path | None) -> Path:
    """Where a run keeps what it heard: a file for each weights and tuning, so that no two are mixed.

    After a change of the code that listens it is for you to delete the file.
    """
    folder = model or MODEL
    files = [path for path in (folder / "model.int8.onnx", folder / "tuning.toml") if path.exists()]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    work.mkdir(parents=True, exist_ok=True)
    return work / f"{name}-{digest[:8]}.jsonl"


def rows_of(
    kept: Path,
    jobs: Mapping[str, Job],
    hear: Callable[[Job], dict[str, Any]],
    start: Callable[..., None],
    given: tuple[Any, ...],
    processes: int,
) -> list[dict[str, Any]]:
    """The rows of all jobs: those kept, and those of the jobs not yet done, in order.

    Args:
        kept: the file of rows.
        jobs: by a key that stays the same from run to run.
        hear: does a job, in another process.
        start: called with ``given`` once in each process.
        given: see above.
        processes: how many.
    """
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    rows = [row for row in rows if row["key"] in jobs]
    done = {row["key"] for row in rows}
    left = {key: job for key, job in jobs.items() if key not in done}
    with ProcessPoolExecutor(processes, None, start, given) as pool, kept.open("a") as out:
        for key, row in zip(left, pool.map(hear, left.values()), strict=True):
            rows.append({"key": key, **row})
            out.write(json.dumps(rows[-1]) + "\n")
            out.flush()
    return rows

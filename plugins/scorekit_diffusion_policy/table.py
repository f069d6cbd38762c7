"""The table of a run: one row an episode, as Parquet and in numbers with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scorekit.zoo.proportion import Proportion
from scorekit_diffusion_policy.intervals import bootstrap
from scorekit_diffusion_policy.seams import Jumps


@dataclass(frozen=True)
class Row:
    """One episode.

    score  the best of the episode in [0, 1] (PushT: coverage of the goal);  steps  until its end;  plans  that were made
    error  why it broke off, in a sentence; then it counts as no success, with the score that it had reached
    """

    seed: int
    success: bool
    score: float
    steps: int
    plans: int = 0
    error: str | None = None
    jumps: Jumps = field(default_factory=Jumps)

    def state(self) -> dict[str, Any]:
        """Plain values, for checkpoints."""
        return asdict(self)

    @staticmethod
    def load(state: Mapping[str, Any]) -> Row:
        """The inverse of `state`."""
        return Row(**{**state, "jumps": Jumps(**state["jumps"])})

    def cells(self) -> dict[str, Any]:
        """One value for each column of the table."""
        said = {
            "seed": self.seed,
            "success": self.success,
            "score": self.score,
            "steps": self.steps,
            "plans": self.plans,
        }
        return {**said, "seam_ratio": self.jumps.ratio, "error": self.error}


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """episodes.parquet: seed int64, success bool, score double, steps int64, plans int64, seam_ratio double, error string."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("seed", pa.int64()),
            ("success", pa.bool_()),
            ("score", pa.float64()),
            ("steps", pa.int64()),
            ("plans", pa.int64()),
            ("seam_ratio", pa.float64()),
            ("error", pa.string()),
        ]
    )
    pq.write_table(pa.Table.from_pylist([row.cells() for row in rows], schema=schema), path)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Success with its Wilson interval, means of score and steps with bootstrap intervals, seams, and the episodes that broke off.

    Raises ValueError for no rows.
    """
    if not rows:
        raise ValueError("rows must be one or more episodes.")
    seams = sum((row.jumps for row in rows), Jumps())
    return {
        "episodes": len(rows),
        "success": Proportion(sum(row.success for row in rows), len(rows)).record(),
        "score": bootstrap([row.score for row in rows]).record(),
        "steps": bootstrap([row.steps for row in rows]).record(),
        "seams": seams.record(),
        "crashed": sum(row.error is not None for row in rows),
    }


def words(rows: Sequence[Row]) -> str:
    """The summary as a line for people."""
    rate = Proportion(sum(row.success for row in rows), len(rows))
    crashed = sum(row.error is not None for row in rows)
    return f"success {rate}; mean best score {bootstrap([row.score for row in rows])}" + (
        f"; {crashed} broke off" if crashed else ""
    )

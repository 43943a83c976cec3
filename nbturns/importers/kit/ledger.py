"""Model calls that no block of a Run has: they are listed with the last Turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...values.inference_results import INFERENCES, InferenceResult
from ...values.persistent_list import PersistentList
from ...values.turns import Run, Turn


def with_calls(run: Run, calls: Sequence[InferenceResult]) -> Run:
    """Return the Run with more model calls listed in its last Turn."""
    if not calls:
        return run
    last_turn = run.turns[-1] if run.turns else Turn()
    ledger = PersistentList((*last_turn.inferences, *calls))
    return replace(run, turns=(*run.turns[:-1], last_turn.with_metadata(INFERENCES, ledger)))

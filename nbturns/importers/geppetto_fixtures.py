"""Fixture documents of geppetto: a Turn, and the blocks that follow up on it.

`{version, turn, followups}`: geppetto runs the Turn, appends the first follow-up to the result, runs it, and so on. The
file has no answers, so each Turn of the Run is the one before with the next follow-up. Source:
go-go-golems/geppetto at a119860d07a0, pkg/inference/fixtures/fixtures.go (`turn`, `followups`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import LoadError
from ..serialization.serde import run_from_dict
from ..values.provenance import FIELDS
from ..values.turns import Run
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer, document_reader
from .kit.record_fields import omit
from .kit.record_lists import document_score

FORMAT = "geppetto-fixtures"


def is_fixture(value: Any) -> bool:
    """Return True for an object with a Turn in `turn`, and perhaps a list `followups`."""
    turn = value.get("turn") if isinstance(value, Mapping) else None
    return isinstance(turn, Mapping) and isinstance(turn.get("blocks"), list) and "followups" in value


def read_fixture(document: Any, notes: Notes) -> Run:
    """Return the Run of a fixture document: its Turn, and one more for each follow-up."""
    try:
        first = run_from_dict(document["turn"], file=notes.file, guess=notes.add_guess).latest
        turns = [first]
        for index, block in enumerate(document["followups"] or ()):
            followup = run_from_dict({"blocks": [block]}, file=notes.file, guess=notes.add_guess).latest
            if len(followup) != 1:
                raise notes.load_error(f"followups[{index}]", wrong_type("", block, dict))
            turns.append(turns[-1] + followup[0])
    except (TypeError, KeyError) as error:
        raise notes.load_error("", f"not a fixture document: {error}") from None
    except LoadError as error:
        raise notes.load_error(error.position, error.reason) from None
    notes.record_count = len(turns)
    run = Run(turns, import_report=notes.report(len(turns[-1])))
    return replace(run, metadata=run.metadata.with_(FIELDS, omit(document, "turn", "followups")))


IMPORTER = Importer(FORMAT, document_score(is_fixture), document_reader(FORMAT, read_fixture))

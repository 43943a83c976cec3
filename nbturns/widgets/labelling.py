"""Labels in a view: those of a file are shown, and the page adds one to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

from ..errors import MisuseError, NbturnsError
from ..render.text import visible
from ..values.turns import Block, Run

if TYPE_CHECKING:
    from ..frames.label_file import Labels

LabelsArgument: TypeAlias = "Labels | str | os.PathLike[str] | None"
MAX_LABEL = 200  # characters of a label from a page


def labels_for_view(labels: LabelsArgument) -> Labels | None:
    """Return the labels that an argument `labels=` names. Raises MisuseError for anything else."""
    from ..frames.label_file import label_file_of

    return label_file_of(labels)


def added_label(labels: Labels, block: Block, label: str, run: Run | None = None) -> dict[str, str]:
    """Append a label from a page to the file, and return the answer: with an error if that failed."""
    try:
        if len(label) > MAX_LABEL:
            raise MisuseError(f"a label has at most {MAX_LABEL} characters, got {len(label)}")
        labels.add(block, label, run=run)
    except (NbturnsError, OSError) as error:  # the page displays it and continues
        return {"error": visible(str(error))}
    return {"text": ""}

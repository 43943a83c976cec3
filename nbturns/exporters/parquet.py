"""Parquet for `datasets`: a row for each conversation, whose column `messages` is JSON text of OpenAI chat messages.

`name` and `id` of the Run are columns, and fields of the Run that is read. The losses are those of `openai_messages`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

from ..packages import require
from ..values.portable import escape_surrogates
from ..values.turns import Run, Turn
from .message_steps import runs_of
from .openai_messages import openai_messages


def parquet_file(value: Turn | Run | Sequence[Run]) -> bytes:
    """Return a Parquet file of one conversation or several."""
    require("pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    rows = [_row(run) for run in runs_of(value)]
    buffer = io.BytesIO()
    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in ("id", "name", "messages")}
    parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _row(run: Run) -> dict[str, str]:
    return {
        "id": escape_surrogates(run.id),
        "name": escape_surrogates(run.name),
        "messages": json.dumps(openai_messages(run)),
    }

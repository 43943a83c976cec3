"""Parquet for `datasets`: one row, whose column `messages` is JSON text of OpenAI chat messages.

`name` and `id` of the Run are columns, and fields of the Run that is read. The losses are those of `openai_messages`.
"""

from __future__ import annotations

import io
import json

from ..packages import require
from ..values.turns import Run, Turn
from .openai_messages import openai_messages


def parquet_file(value: Turn | Run) -> bytes:
    """Return a Parquet file of one conversation."""
    require("pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    run = value if isinstance(value, Run) else Run((value,))
    row = {"id": run.id, "name": run.name}
    texts = {name: text.encode("utf-8", "backslashreplace").decode() for name, text in row.items()}
    texts["messages"] = json.dumps(openai_messages(value))
    buffer = io.BytesIO()
    parquet.write_table(pa.table({name: pa.array([text], pa.string()) for name, text in texts.items()}), buffer)
    return buffer.getvalue()

"""The names and the version of the files that nbturns writes; the names are geppetto's."""

from __future__ import annotations

from ..values.turns import Kind

FORMAT_VERSION = 1
BYTES_KEY = "!!binary"  # read as base64 text; older versions wrote bytes as a mapping with this key
FLOATS_KEY = "nonfinite_floats"  # paths of the texts in JSON that are NaN or infinity, not texts
KNOWN_KINDS = frozenset(Kind)
DEFAULT_ROLES = {"llm_text": "assistant"}  # the role of a block that a file gives none, as in geppetto
SHARED_BLOCKS_KEYS = {"shared_blocks"}  # the keys of an entry that refers to blocks of the previous Turn
MISPLACED_FIELDS = {  # by kind: payload fields that hand-written files have next to the kind
    "tool_call": ("name", "args"),
    "tool_use": ("result", "error"),
    "user": ("text", "images"),
}

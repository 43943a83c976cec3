"""The saved output of a view: its static table, its data, and the scripts that bring them to life without a kernel.

The code of the views is large, so only one cell of a notebook carries it; the pages of other cells wait for it,
and show their static table where it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

from ..values.turns import Run, Turn
from .content_nodes import block_nodes
from .es_modules import output_script, packed_script
from .standalone_page import run_data, script_json

MAX_BLOCKS = 400  # blocks of a view that works without a kernel
MAX_DATA_SIZE = 400_000  # characters of data; a larger view shows its static table without a kernel
MAX_TEXT_LENGTH = 20_000  # characters of a text in the data
STYLE_SHEETS = ("table.css", "block_table.css", "compare.css", "views.css", "calls_lane.css")


def page_data(value: Run | Turn, *, markdown: bool = False) -> Mapping[str, Any] | None:
    """Return the data of the page of a Run or a Turn, with its rendered texts for `markdown`; None for a long one."""
    latest_turn = value.latest if isinstance(value, Run) else value
    if len(latest_turn) > MAX_BLOCKS:
        return None
    view_data, blocks = run_data(value, MAX_TEXT_LENGTH)
    if markdown:
        view_data["nodes"] = {place: nodes for place, block in enumerate(blocks) if (nodes := block_nodes(block))}
    return view_data


def output_page(static_table: str, view_data: Mapping[str, Any] | None, *, with_code: bool) -> str:
    """Return the HTML of a view's output. Without data, or with too much, it shows the static table alone."""
    data_json = "" if view_data is None else script_json(view_data)
    if len(data_json) > MAX_DATA_SIZE:
        data_json = ""
    data_element = f'<script type="application/json">{data_json}</script>' if data_json else ""
    code = packed_script("output_views.js", *STYLE_SHEETS)
    version = sha256(code.encode()).hexdigest()[:12]  # data meets only the code that reads it
    code_element = f'<script>window.nbturnsVersion ??= "{version}"; {code}</script>' if with_code else ""
    return (
        f'<div class="nbturns-page" data-version="{escape(version)}">{static_table}{data_element}'
        f"<script>{output_script('output_page.js')}</script>{code_element}</div>"
    )

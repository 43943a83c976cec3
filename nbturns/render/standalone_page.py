"""A value as one self-contained HTML file, without network access, kernel or other files.

It has the views of a notebook, with filters, search and navigation between Turns. Its
Content-Security-Policy allows only the embedded script, by its hash, and no requests. Without
scripts it shows the static table.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import Any

from ..serialization.serde import block_to_dict, jsonable
from ..values.turns import Run, Turn
from .block_rows import model_call_cells_by_key
from .comparison import Comparison
from .comparison_html import comparison_html
from .es_modules import compact_styles, joined_styles, page_script
from .html import run_html, turn_html
from .text import shorten
from .timeline import Timeline, change_entry, pool_row, report_entry

MAX_STATIC_ROWS = 2_000  # rows of the static table

PAGE_STYLE = """
:root { color-scheme: light dark; }
body.nbturns-page { --jp-layout-color0: light-dark(#fff, #16181c); --jp-content-font-color1: light-dark(#1c1e21, #e6e6e6); --nbt-height: max(22rem, calc(100vh - 19rem)); background: var(--jp-layout-color0); color: var(--jp-content-font-color1); margin: 1.2em auto; max-width: 84em; padding: 0 1em; font: 13px/1.45 system-ui, sans-serif; }
"""


def render_page(value: Run | Turn | Comparison) -> str:
    """Return the HTML file of a value, with all of its data."""
    title = value.name if isinstance(value, Run) and value.name else type(value).__name__.lower()
    script_code, page_style = (
        page_script("saved_page.js"),
        joined_styles("table.css", "block_table.css", "compare.css", "views.css") + PAGE_STYLE,
    )
    table_style = compact_styles("table.css", *(("compare.css",) if isinstance(value, Comparison) else ()))
    policy = (
        f"default-src 'none'; script-src {_policy_hash(script_code)}; style-src {_policy_hash(page_style)} {_policy_hash(table_style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy, quote=False)}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{page_style}</style></head>\n'
        f'<body class="nbturns-page">\n<div id="nbturns-still">{_static_table(value)}</div>\n'
        f'<script type="application/json" id="nbturns-data">{_embedded_json(value)}</script>\n'
        f"<script>{script_code}</script>\n</body></html>\n"
    )


def _policy_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _static_table(value: Run | Turn | Comparison) -> str:
    """Return the static table that is shown without scripts, of limited length."""
    if isinstance(value, Comparison):
        return comparison_html(value, whole=len(value.rows) <= MAX_STATIC_ROWS)
    if isinstance(value, Run):
        return run_html(value, whole=len(value.latest) <= MAX_STATIC_ROWS)
    return turn_html(value, whole=len(value) <= MAX_STATIC_ROWS)


def _embedded_json(value: Run | Turn | Comparison) -> str:
    """Return the data of the views as JSON that cannot close its script element."""
    view_data = _comparison_data(value) if isinstance(value, Comparison) else _run_data(value)
    json_text = json.dumps(view_data, ensure_ascii=False, separators=(",", ":"), default=repr)
    return json_text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _run_data(value: Run | Turn) -> dict[str, Any]:
    run = value if isinstance(value, Run) else Run((value,))
    timeline = Timeline()
    for index, turn in enumerate(run):
        timeline.put(index, turn)
    blocks = timeline.pool.blocks
    initial_state = {
        "number": 0,
        "name": "Turn" if isinstance(value, Turn) else f"Run {shorten(run.name, 80)}".rstrip(),
        "single": isinstance(value, Turn),
        "head": timeline.head if isinstance(value, Run) else timeline.head.partition(" · ")[2],
        "report": report_entry(run),
        "turns": timeline.entries,
        "length": len(blocks),
        "at": 0,
        "rows": [pool_row(block, None) for block in blocks],
        "calls": model_call_cells_by_key(blocks),
    }
    return {"start": initial_state, "blocks": [jsonable(block_to_dict(block)) for block in blocks]}


def _comparison_data(value: Comparison) -> dict[str, Any]:
    initial_state = {
        "pairs": [change_entry(row, None) for row in value.rows],
        "total": len(value.rows),
        "counts": value.counts,
        "heads": list(value.heads),
    }
    return {"start": initial_state}

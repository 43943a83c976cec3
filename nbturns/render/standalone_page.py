"""A value as one HTML file that needs nothing else: no network, no kernel, no other file.

In it the views of a notebook filter, search, fold and go from Turn to Turn. Its policy
(Content-Security-Policy) lets run the one script that is in it, known by its hash, and forbids every
request. Without script there is the static table.
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
    """A whole file, with all there is in it."""
    title = value.name if isinstance(value, Run) and value.name else type(value).__name__.lower()
    code, look = (
        page_script("saved_page.js"),
        joined_styles("table.css", "block_table.css", "compare.css", "views.css") + PAGE_STYLE,
    )
    still = compact_styles("table.css", *(("compare.css",) if isinstance(value, Comparison) else ()))
    policy = (
        f"default-src 'none'; script-src {_policy_hash(code)}; style-src {_policy_hash(look)} {_policy_hash(still)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy, quote=False)}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{look}</style></head>\n'
        f'<body class="nbturns-page">\n<div id="nbturns-still">{_static_table(value)}</div>\n'
        f'<script type="application/json" id="nbturns-data">{_embedded_json(value)}</script>\n'
        f"<script>{code}</script>\n</body></html>\n"
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
    """All that the views show, as JSON that cannot end the element it stands in."""
    data = _comparison_data(value) if isinstance(value, Comparison) else _run_data(value)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=repr)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _run_data(value: Run | Turn) -> dict[str, Any]:
    run = value if isinstance(value, Run) else Run((value,))
    line = Timeline()
    for index, turn in enumerate(run):
        line.put(index, turn)
    blocks = line.pool.blocks
    start = {
        "number": 0,
        "name": "Turn" if isinstance(value, Turn) else f"Run {shorten(run.name, 80)}".rstrip(),
        "single": isinstance(value, Turn),
        "head": line.head if isinstance(value, Run) else line.head.partition(" · ")[2],
        "report": report_entry(run),
        "turns": line.entries,
        "length": len(blocks),
        "at": 0,
        "rows": [pool_row(block, None) for block in blocks],
        "calls": model_call_cells_by_key(blocks),
    }
    return {"start": start, "blocks": [jsonable(block_to_dict(block)) for block in blocks]}


def _comparison_data(value: Comparison) -> dict[str, Any]:
    start = {
        "pairs": [change_entry(row, None) for row in value.rows],
        "total": len(value.rows),
        "counts": value.counts,
        "heads": list(value.heads),
    }
    return {"start": start}

"""A value as one self-contained HTML file, without network access, kernel or other files.

It has the views of a notebook, with filters, search and navigation between Turns. Its
Content-Security-Policy allows only the embedded script, by its hash, and no requests. Without
scripts it shows the static table.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from ..safety.visible_text import escaped_json
from ..serialization.serde import block_to_dict
from ..values.portable import portable
from ..values.turns import Block, Run, Turn
from .block_rows import model_call_cells_by_key
from .comparison import Comparison
from .comparison_html import comparison_html
from .es_modules import compact_styles, joined_styles, page_script
from .group_comparison import GroupComparison, group_html
from .html import run_html, turn_html
from .inline_styles import without_inline_styles
from .readable_values import readable_run, readable_turn
from .run_heading import heading_entry
from .text import visible
from .timeline import Timeline, change_entry, pool_row, report_entry

STYLE_ELEMENT = re.compile(r"<style>(.*?)</style>", re.DOTALL)  # texts in a table are escaped
MAX_STATIC_ROWS = 2_000  # rows of the static table

PAGE_STYLE = """
:root { color-scheme: light dark; }
body.nbturns-page { --jp-layout-color0: light-dark(#fff, #16181c); --jp-content-font-color1: light-dark(#1c1e21, #e6e6e6); --jp-brand-color1: light-dark(#1976d2, #2196f3); --jp-error-color1: light-dark(#d32f2f, #f44336); --jp-warn-color1: light-dark(#f57c00, #ff9800); --jp-success-color1: light-dark(#388e3c, #4caf50); --nbt-height: max(22rem, calc(100vh - 19rem)); background: var(--jp-layout-color0); color: var(--jp-content-font-color1); margin: 1.2em auto; max-width: 84em; padding: 0 1em; font: 13px/1.45 system-ui, sans-serif; }
"""


def render_page(value: Run | Turn | Comparison | GroupComparison) -> str:
    """Return the HTML file of a value, with all of its data."""
    if isinstance(value, GroupComparison):
        return _page_without_script(group_html(value, unlimited=True))
    if isinstance(value, (Run, Turn)):
        value = readable_run(value) if isinstance(value, Run) else readable_turn(value)
    title = value.name if isinstance(value, Run) and value.name else type(value).__name__.lower()
    script_code, page_style = (
        page_script("standalone_page.js"),
        joined_styles("table.css", "block_table.css", "compare.css", "views.css", "calls_lane.css") + PAGE_STYLE,
    )
    static_table = _static_table(value)
    (table_style,) = STYLE_ELEMENT.findall(static_table)
    policy = (
        f"default-src 'none'; script-src {_policy_hash(script_code)}; style-src {_policy_hash(page_style)} {_policy_hash(table_style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(visible(title))}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy, quote=False)}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{page_style}</style></head>\n'
        f'<body class="nbturns-page">\n<div id="nbturns-still">{without_inline_styles(static_table)}</div>\n'
        f'<script type="application/json" id="nbturns-data">{_embedded_json(value)}</script>\n'
        f"<script>{script_code}</script>\n</body></html>\n"
    )


def _page_without_script(tables: str) -> str:
    """Return the HTML file of tables that need no script."""
    page_style, table_style = joined_styles("table.css") + PAGE_STYLE, compact_styles("table.css")
    policy = f"default-src 'none'; style-src {_policy_hash(page_style)} {_policy_hash(table_style)}; base-uri 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>comparison</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy, quote=False)}">\n'
        f'<meta name="viewport" content="width=device-width"><style>{page_style}</style></head>\n'
        f'<body class="nbturns-page">\n{without_inline_styles(tables)}</body></html>\n'
    )


def _policy_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _static_table(value: Run | Turn | Comparison) -> str:
    """Return the static table that is shown without scripts, of limited length."""
    if isinstance(value, Comparison):
        return comparison_html(value, unlimited=len(value.rows) <= MAX_STATIC_ROWS)
    if isinstance(value, Run):
        return run_html(value, unlimited=len(value.latest) <= MAX_STATIC_ROWS)
    return turn_html(value, unlimited=len(value) <= MAX_STATIC_ROWS)


def _embedded_json(value: Run | Turn | Comparison) -> str:
    """Return the data of the views as JSON that cannot close its script element."""
    if isinstance(value, Comparison):
        return script_json(comparison_data(value))
    view_data, blocks = run_data(value)
    return script_json({**view_data, "blocks": list(map(_block_json, blocks))})


def script_json(view_data: Mapping[str, Any]) -> str:
    """Return data as JSON that cannot close its script element."""
    json_text = json.dumps(portable(view_data), ensure_ascii=False, separators=(",", ":"), default=repr)
    return escaped_json(json_text).replace("<", "\\u003c")


def run_data(value: Run | Turn, max_characters: int | None = None) -> tuple[dict[str, Any], list[Block]]:
    """Return the data of the view of a Run or a Turn, and its blocks; of each text at most `max_characters`."""
    from ..frames.problem_entries import problem_entries, rules_entry

    run = value if isinstance(value, Run) else Run((value,))
    timeline = Timeline()
    for index, turn in enumerate(run):
        timeline.put(index, turn)
    blocks = timeline.pool.blocks
    initial_state = {
        "number": 0,
        **({"name": "Turn"} if isinstance(value, Turn) else heading_entry(run)),
        "single": isinstance(value, Turn),
        "head": timeline.head if isinstance(value, Run) else timeline.head.partition(" · ")[2],
        "report": report_entry(run),
        "problems": problem_entries(run),
        "problem_rules": rules_entry(),
        "turns": timeline.entries,
        "length": len(blocks),
        "at": 0,
        "rows": [pool_row(block, max_characters) for block in blocks],
        "calls": model_call_cells_by_key(blocks),
    }
    return {"start": initial_state}, blocks


def _block_json(block: Block) -> str:
    """Return a block as JSON text: the page shows it, and scripts would round its numbers."""
    return escaped_json(
        json.dumps(portable(block_to_dict(block)), ensure_ascii=False, separators=(",", ":"), default=repr)
    )


def comparison_data(value: Comparison) -> dict[str, Any]:
    """Return the data of the view of a comparison."""
    initial_state = {
        "pairs": [change_entry(row, None) for row in value.rows],
        "total": len(value.rows),
        "counts": value.counts,
        "heads": list(value.heads),
    }
    return {"start": initial_state}

"""A value as one HTML file that needs nothing else: no network, no kernel, no other file.

Its policy (Content-Security-Policy) forbids every request.
"""

from __future__ import annotations

from html import escape

from .comparison import Comparison
from .comparison_html import comparison_html
from .html import run_html, turn_html
from .turns import Run, Turn

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(value: Run | Turn | Comparison) -> str:
    """A whole file, with all there is in it."""
    title = value.name if isinstance(value, Run) and value.name else type(value).__name__.lower()
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>\n'
        f'<body class="nbturns-page">\n{_table(value)}\n</body></html>\n'
    )


def _table(value: Run | Turn | Comparison) -> str:
    if isinstance(value, Comparison):
        return comparison_html(value, whole=True)
    return run_html(value, whole=True) if isinstance(value, Run) else turn_html(value, whole=True)

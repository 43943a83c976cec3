"""A few inline styles for static tables, which a notebook that is not trusted shows without their style sheet.

JupyterLab removes style sheets there and aligns cells to the right. Texts in a table are escaped, so only our own
tags match the patterns.
"""

from __future__ import annotations

import re

STYLES = {
    "table": "table-layout:auto",
    "th": "text-align:left",
    "caption": "text-align:left",
    "n": "text-align:right;vertical-align:top",
    "number": "text-align:right;vertical-align:top",
    "text": "text-align:left;vertical-align:top",
    "kind": "text-align:left;vertical-align:top;white-space:nowrap",
    "what": "text-align:left;vertical-align:top",
    "content": "text-align:left;vertical-align:top",
    "figures": "text-align:right;vertical-align:top",
}
OPENING_TAG = re.compile(
    r'[<](?P<tag>table|th|caption)(?: class="nbt-(?:compare|listing)"| scope="(?:col|rowgroup)"(?: colspan="\d+")?)?>'
    r'|[<]th scope="col" class="nbt-(?P<head>n|figures|number)">'
    r'|[<]td(?: rowspan="\d+")?(?: colspan="\d+")? class="nbt-(?P<kind>number|text|n|kind|what|content|figures)\b[^">]*"[^>]*>(?![<]/td)'
)
STYLE_ATTRIBUTE = re.compile(r' style="[a-z:;-]+"')


def with_inline_styles(table: str) -> str:
    """Return a table with inline styles on its cells."""
    return OPENING_TAG.sub(_styled_tag, table)


def _styled_tag(match: re.Match[str]) -> str:
    style = STYLES[next(name for name in match.groups() if name)]
    return f'{match[0][:-1]} style="{style}">'


def without_inline_styles(html: str) -> str:
    """Return HTML for a page whose policy allows no inline styles."""
    return STYLE_ATTRIBUTE.sub("", html)

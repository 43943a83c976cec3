"""ES modules of ours as the one text that anywidget takes: no bundler, and nothing is fetched.

They are joined in the order of their imports. Because they go with every view, they are sent
compressed, together with their style and without the comments that have lines of their own; the
page unpacks and imports them.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

IMPORT_LINE = re.compile(r'^import \{[^}]*\} from "\./(?P<name>[\w.]+)";\n', re.MULTILINE)
COMMENT_LINES = re.compile(r"^ */\*(?s:.*?)\*/\n|^ *//.*\n", re.MULTILINE)
EXPORT_KEYWORD = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)

STYLE_SPACES = re.compile(r"\s*(?P<sign>[{};,])\s*|(?<=:)\s+")
DEFAULT_EXPORT = re.compile(
    r"^export default .*\Z", re.MULTILINE | re.DOTALL
)  # the widget of a module that another builds on
WIDGET_EXPORT = re.compile(r"^export default ", re.MULTILINE)

UNPACK_TEMPLATE = """\
const packed = Uint8Array.from(atob("{packed}"), (letter) => letter.charCodeAt(0));
const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const place = URL.createObjectURL(new Blob([await new Response(plain).arrayBuffer()], {{ type: "text/javascript" }}));
const {{ default: widget }} = await import(place);
URL.revokeObjectURL(place);
export default widget;
"""


@cache
def packed_module(name: str, *sheets: str) -> str:
    """A module that unpacks `module(name)` and is it, its views in the style of these sheets."""
    text = COMMENT_LINES.sub(
        "",
        WIDGET_EXPORT.sub("const widget = ", joined_module(name))
        + EXPORT_KEYWORD.sub("", joined_module("with_stylesheet.js")),
    )
    style = json.dumps(COMMENT_LINES.sub("", joined_styles(*sheets)), ensure_ascii=False)
    small = gzip.compress(f"{text}export default withStylesheet(widget, {style});\n".encode(), mtime=0)
    return UNPACK_TEMPLATE.format(packed=base64.b64encode(small).decode("ascii"))


@cache
def joined_module(name: str) -> str:
    """The module of this name with those it imports before it, each once.

    Names are shared by all of them: `import {a}` may not rename, and no two may define the same.
    """
    *imported_modules, module_name = _modules_in_import_order(name, set())
    return "".join([*(EXPORT_KEYWORD.sub("", DEFAULT_EXPORT.sub("", part)) for part in imported_modules), module_name])


@cache
def page_script(name: str) -> str:
    """A module without exports as a script for a page of its own."""
    return f'"use strict";\n{{\n{EXPORT_KEYWORD.sub("", joined_module(name))}}}\n'


@cache
def joined_styles(*names: str) -> str:
    """Style sheets of ours, one after the other."""
    return "".join(_read_static_file(name) for name in names)


@cache
def compact_styles(*names: str) -> str:
    """Style sheets of ours without the spaces: they go with each table that is kept."""
    return STYLE_SPACES.sub(r"\g<sign>", joined_styles(*names)).strip()


def _modules_in_import_order(name: str, module_names: set[str]) -> Iterator[str]:
    text = _read_static_file(name)
    for parts in IMPORT_LINE.finditer(text):
        if parts["name"] not in module_names:
            module_names.add(parts["name"])
            yield from _modules_in_import_order(parts["name"], module_names)
    yield IMPORT_LINE.sub("", text)


def _read_static_file(name: str) -> str:
    return files("nbturns").joinpath("static", name).read_text("utf-8")

"""The ES modules of the package joined to one module for anywidget, without a bundler.

Modules are joined in the order of their imports. They are part of every view, so they are sent
compressed, with their style and without comment lines; the page unpacks and imports them.
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
def packed_module(name: str, *style_sheets: str) -> str:
    """Return a module that unpacks and exports `joined_module(name)`, with these style sheets."""
    module_text = COMMENT_LINES.sub(
        "",
        WIDGET_EXPORT.sub("const widget = ", joined_module(name))
        + EXPORT_KEYWORD.sub("", joined_module("with_stylesheet.js")),
    )
    style_json = json.dumps(COMMENT_LINES.sub("", joined_styles(*style_sheets)), ensure_ascii=False)
    compressed_module = gzip.compress(
        f"{module_text}export default withStylesheet(widget, {style_json});\n".encode(), mtime=0
    )
    return UNPACK_TEMPLATE.format(packed=base64.b64encode(compressed_module).decode("ascii"))


@cache
def joined_module(name: str) -> str:
    """Return the module of this name after the modules that it imports, each once.

    All share one scope: imports cannot rename, and names must be unique.
    """
    *imported_modules, module_name = _modules_in_import_order(name, set())
    return "".join([*(EXPORT_KEYWORD.sub("", DEFAULT_EXPORT.sub("", part)) for part in imported_modules), module_name])


@cache
def page_script(name: str) -> str:
    """Return a module without exports as a script for a standalone page."""
    return f'"use strict";\n{{\n{EXPORT_KEYWORD.sub("", joined_module(name))}}}\n'


@cache
def joined_styles(*names: str) -> str:
    """Return style sheets of the package, joined."""
    return "".join(_read_static_file(name) for name in names)


@cache
def compact_styles(*names: str) -> str:
    """Return style sheets without spaces, because each saved table contains them."""
    return STYLE_SPACES.sub(r"\g<sign>", joined_styles(*names)).strip()


def _modules_in_import_order(name: str, module_names: set[str]) -> Iterator[str]:
    module_text = _read_static_file(name)
    for import_match in IMPORT_LINE.finditer(module_text):
        if import_match["name"] not in module_names:
            module_names.add(import_match["name"])
            yield from _modules_in_import_order(import_match["name"], module_names)
    yield IMPORT_LINE.sub("", module_text)


def _read_static_file(name: str) -> str:
    return files("nbturns").joinpath("static", name).read_text("utf-8")

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

IMPORT = re.compile(r'^import \{[^}]*\} from "\./(?P<name>[\w.]+)";\n', re.MULTILINE)
COMMENT = re.compile(r"^ */\*(?s:.*?)\*/\n|^ *//.*\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)

SPACE = re.compile(r"\s*(?P<sign>[{};,])\s*|(?<=:)\s+")
DEFAULT = re.compile(r"^export default .*\Z", re.MULTILINE | re.DOTALL)  # the widget of a module that another builds on
WIDGET = re.compile(r"^export default ", re.MULTILINE)

UNPACK = """\
const packed = Uint8Array.from(atob("{packed}"), (letter) => letter.charCodeAt(0));
const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const place = URL.createObjectURL(new Blob([await new Response(plain).arrayBuffer()], {{ type: "text/javascript" }}));
const {{ default: widget }} = await import(place);
URL.revokeObjectURL(place);
export default widget;
"""


@cache
def packed(name: str, *sheets: str) -> str:
    """A module that unpacks `module(name)` and is it, its views in the style of these sheets."""
    text = COMMENT.sub("", WIDGET.sub("const widget = ", module(name)) + EXPORT.sub("", module("with_stylesheet.js")))
    style = json.dumps(COMMENT.sub("", styles(*sheets)), ensure_ascii=False)
    small = gzip.compress(f"{text}export default withStylesheet(widget, {style});\n".encode(), mtime=0)
    return UNPACK.format(packed=base64.b64encode(small).decode("ascii"))


@cache
def module(name: str) -> str:
    """The module of this name with those it imports before it, each once.

    Names are shared by all of them: `import {a}` may not rename, and no two may define the same.
    """
    *imported_modules, module_name = _parts(name, set())
    return "".join([*(EXPORT.sub("", DEFAULT.sub("", part)) for part in imported_modules), module_name])


@cache
def script(name: str) -> str:
    """A module without exports as a script for a page of its own."""
    return f'"use strict";\n{{\n{EXPORT.sub("", module(name))}}}\n'


@cache
def styles(*names: str) -> str:
    """Style sheets of ours, one after the other."""
    return "".join(_read(name) for name in names)


@cache
def squeezed(*names: str) -> str:
    """Style sheets of ours without the spaces: they go with each table that is kept."""
    return SPACE.sub(r"\g<sign>", styles(*names)).strip()


def _parts(name: str, module_names: set[str]) -> Iterator[str]:
    text = _read(name)
    for parts in IMPORT.finditer(text):
        if parts["name"] not in module_names:
            module_names.add(parts["name"])
            yield from _parts(parts["name"], module_names)
    yield IMPORT.sub("", text)


def _read(name: str) -> str:
    return files("nbturns").joinpath("static", name).read_text("utf-8")

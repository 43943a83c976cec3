"""The ES modules of the package joined to one module for anywidget, without a bundler.

Modules are joined in the order of their imports. They are part of every view, so they are sent
minified and compressed, with their style; the page unpacks and imports them.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files

from .ascii_text import decode_script
from .minified_modules import minified_module

IMPORT_LINE = re.compile(r'^import \{[^}]*\} from "\./(?P<name>[\w.]+)";\n', re.MULTILINE)
TYPE_COMMENTS = re.compile(r"/\*\* @(?:type|param) [^*\n]*\*/ ?")
INDENT = re.compile(r"^ +", re.MULTILINE)  # no module has a template literal of several lines
COMMENT_LINES = re.compile(r"^ */\*(?s:.*?)\*/\n|^ *//.*\n", re.MULTILINE)
EXPORT_KEYWORD = re.compile(r"^export (?=(?:async )?function|class|const)", re.MULTILINE)

STYLE_SPACES = re.compile(r"\s*(?P<sign>[{};,])\s*|(?<=:)\s+")
DEFAULT_EXPORT = re.compile(
    r"^export default .*\Z", re.MULTILINE | re.DOTALL
)  # the widget of a module that another builds on
WIDGET_EXPORT = re.compile(r"^export default ", re.MULTILINE)

IMPORT_BYTES = """\
const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
const place = URL.createObjectURL(new Blob([await new Response(plain).arrayBuffer()], { type: "text/javascript" }));
"""
IMPORT_WIDGET = """\
const { default: widget } = await import(place);
URL.revokeObjectURL(place);
export default widget;
"""
IMPORT_ONCE = """\
await import(place);
URL.revokeObjectURL(place);
"""


@cache
def packed_module(name: str, *style_sheets: str) -> str:
    """Return a module that unpacks and exports the widget of a module, with these style sheets."""
    widget_module = WIDGET_EXPORT.sub("const widget = ", _sent_module(name))
    style_module = _sent_module("with_stylesheet.js")
    code = f"{widget_module}\n{style_module}\nexport default withStylesheet(widget, {_style_json(*style_sheets)});\n"
    return _decode_and_unpack(code) + IMPORT_WIDGET


class ViewModule:
    """The module of a view; `str()` of it is the code, which is packed for the first view of its kind."""

    def __init__(self, name: str, *style_sheets: str) -> None:
        self._names = (name, *style_sheets)

    def __str__(self) -> str:
        return packed_module(*self._names)


@cache
def packed_script(name: str, *style_sheets: str) -> str:
    """Return a script that unpacks and runs a module without exports, once, with these style sheets."""
    style_module, module_text = _sent_module("with_stylesheet.js"), _sent_module(name)
    code = f"{style_module}\nadoptStylesheet(document.body, {_style_json(*style_sheets)});\n{module_text}"
    digest = sha256(code.encode()).hexdigest()[:12]
    body = f'window.nbturnsCode = "{digest}";\n{_decode_and_unpack(code)}{IMPORT_ONCE}'
    return f"if (!window.nbturnsCode) (async () => {{\n{body}}})();\n"


def _decode_and_unpack(code: str) -> str:
    """Return JavaScript that declares `place`, the address of a module with this code."""
    return decode_script(gzip.compress(code.encode(), mtime=0)) + IMPORT_BYTES


def _style_json(*style_sheets: str) -> str:
    return json.dumps(compact_styles(*style_sheets), ensure_ascii=False)


@cache
def _sent_module(name: str) -> str:
    """Return `joined_module(name)` as small as possible, without exports other than the default of the last module."""
    bundle = minified_module(bundle_name(name), joined_module(name))
    if bundle is not None:
        return bundle
    *imported_modules, module_text = (_minified(part) for part in _names_in_import_order(name, set()))
    return "\n".join([*(DEFAULT_EXPORT.sub("", part) for part in imported_modules), module_text])


def bundle_name(name: str) -> str:
    """Return the name under which a module is minified together with its imports, which makes it smaller."""
    return f"{name} with its imports"


def _minified(name: str) -> str:
    """Return a module without imports and named exports: minified, or else without comments and indentation."""
    source = _read_static_file(name)
    return minified_module(name, source) or _without_comments(without_links(source))


def without_links(source: str) -> str:
    """Return the text of a module without its imports and named exports."""
    return EXPORT_KEYWORD.sub("", IMPORT_LINE.sub("", source))


def _without_comments(code: str) -> str:
    """Return code without comments and indentation."""
    return INDENT.sub("", COMMENT_LINES.sub("", TYPE_COMMENTS.sub("", code)))  # a type may begin a line of code


@cache
def joined_module(name: str) -> str:
    """Return the module of this name after the modules that it imports, each once, as they are written.

    All share one scope: imports cannot rename, and names must be unique.
    """
    *imported_names, module_name = _names_in_import_order(name, set())
    imported_modules = (DEFAULT_EXPORT.sub("", without_links(_read_static_file(part))) for part in imported_names)
    return "".join([*imported_modules, IMPORT_LINE.sub("", _read_static_file(module_name))])


@cache
def page_script(name: str) -> str:
    """Return a module without exports as a script for a standalone page."""
    return f'"use strict";\n{{\n{EXPORT_KEYWORD.sub("", joined_module(name))}}}\n'


@cache
def output_script(name: str) -> str:
    """Return a small script of the package on one line, without comments."""
    lines = COMMENT_LINES.sub("", _read_static_file(name)).splitlines()
    return TYPE_COMMENTS.sub("", " ".join(line.strip() for line in lines))


@cache
def joined_styles(*names: str) -> str:
    """Return style sheets of the package, joined."""
    return "".join(_read_static_file(name) for name in names)


@cache
def compact_styles(*names: str) -> str:
    """Return style sheets without comments and spaces, because each view and each saved table contains them."""
    return STYLE_SPACES.sub(r"\g<sign>", COMMENT_LINES.sub("", joined_styles(*names))).strip()


def _names_in_import_order(name: str, known_names: set[str]) -> Iterator[str]:
    """Yield the names of the modules that a module imports, each once and after its own imports, and then its own."""
    for import_match in IMPORT_LINE.finditer(_read_static_file(name)):
        if import_match["name"] not in known_names:
            known_names.add(import_match["name"])
            yield from _names_in_import_order(import_match["name"], known_names)
    yield name


@cache
def _read_static_file(name: str) -> str:
    return files("nbturns").joinpath("static", name).read_text("utf-8")

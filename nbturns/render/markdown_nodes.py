"""Markdown text as a tree of nodes of a fixed list of tags, which pages and static tables write without parsing HTML.

The parser is markdown-it-py with HTML, images and link definitions off, so the text of a model can make
headings, lists, tables, links and code, and nothing else.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeAlias

from ..safety.visible_text import visible
from .code_nodes import LANGUAGES, code_nodes

Node: TypeAlias = Any
"""A text, or a list of a tag of TAGS, its attributes, and child nodes.

Attributes: `c` class, `h` address of a link, `s` first number of a list, `a` alignment of a cell.
"""

_TAG_NAMES = "p h4 h5 h6 ul ol li blockquote pre code em strong s br hr a table thead tbody tr th td span del ins"
TAGS = frozenset(_TAG_NAMES.split())
LINK_ADDRESS = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
MAX_LENGTH = 100_000  # characters of a text that is rendered; a longer one stays raw
MAX_NODES = 30_000
MAX_NESTING = 20  # of lists, quotes and emphasis; deeper ones are text
MAX_COLUMNS = 100  # of a table; the parser fills short rows up
MAX_FORMULA = 1_000  # characters

# Commands of a formula that only draw: MathJax also has some that make links, styles and macros.
_MATH_WORDS = """
    alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho sigma
    tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega frac dfrac tfrac
    binom sqrt sum prod int iint iiint oint lim limsup liminf sup inf max min arg argmax argmin log ln exp sin cos tan
    cot sec csc arcsin arccos arctan sinh cosh tanh det dim ker gcd deg hom Pr cdot cdots ldots dots vdots ddots times
    div pm mp ast star circ bullet oplus otimes le leq ge geq ne neq approx equiv sim simeq cong propto ll gg subset
    subseteq supset supseteq in notin ni cup cap setminus emptyset varnothing forall exists nexists neg lnot land lor
    wedge vee to gets rightarrow leftarrow Rightarrow Leftarrow leftrightarrow Leftrightarrow implies iff mapsto
    longrightarrow infty partial nabla hbar ell Re Im aleph prime angle perp parallel mid nmid left right big Big bigg
    Bigg bigl bigr Bigl Bigr lfloor rfloor lceil rceil langle rangle lvert rvert lVert rVert vert Vert lbrace rbrace
    text textbf textit mathrm mathbf mathit mathbb mathcal mathfrak mathsf mathtt boldsymbol operatorname hat widehat
    bar overline underline vec dot ddot tilde widetilde overbrace underbrace quad qquad displaystyle textstyle limits
    nolimits begin end not boxed mod bmod pmod top bot colon
"""
MATH_COMMANDS = frozenset(_MATH_WORDS.split())
COMMAND = re.compile(r"\\([A-Za-z]+)")

TAG_OF_TOKEN = {
    "paragraph": "p",
    "bullet_list": "ul",
    "ordered_list": "ol",
    "list_item": "li",
    "blockquote": "blockquote",
    "em": "em",
    "strong": "strong",
    "s": "s",
    **{name: name for name in ("table", "thead", "tbody", "tr", "th", "td")},
}


def markdown_nodes(text: str) -> list[Node] | None:
    """Return a Markdown text as nodes; None for a text that is too long or has too wide a table, which is shown raw."""
    if len(text) > MAX_LENGTH or max(line.count("|") for line in text.split("\n")) > MAX_COLUMNS:
        return None
    tree = _Tree()
    for token in _parser().parse(text):
        tree.add_block(token)
    return tree.root if tree.count <= MAX_NODES else None


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
    parser.enable(["table", "strikethrough"]).disable(["html_block", "html_inline", "image", "reference"])
    parser.inline.ruler.before("escape", "math", _math_rule)
    return parser


class _Tree:
    """The nodes of a text, made from the tokens of the parser in their order."""

    def __init__(self) -> None:
        self.root: list[Node] = []
        self.count = 0
        self._open: list[list[Node]] = [self.root]

    def add(self, node: Node) -> None:
        self.count += 1
        siblings = self._open[-1]
        if isinstance(node, str) and siblings and isinstance(siblings[-1], str) and not _is_tag(siblings):
            siblings[-1] += node
        else:
            siblings.append(node)

    def add_text(self, text: str) -> None:
        if text:
            self.add(visible(text))

    def add_block(self, token: Any) -> None:
        name = token.type.removesuffix("_open").removesuffix("_close")
        if token.type == "inline":
            for child in token.children or ():
                self.add_inline(child)
        elif token.type in ("fence", "code_block"):
            language = token.info.strip().lower()
            if language and language not in LANGUAGES:
                self.add(["p", {"c": "note"}, visible(token.info.strip())])
            self.add(["pre", {}, *code_nodes(visible(token.content.removesuffix("\n")), language)])
            self.count += 1
        elif token.type == "hr":
            self.add(["hr", {}])
        elif name == "heading":
            self._open_or_close(token, f"h{min(int(token.tag[1:]) + 3, 6)}")
        elif name in TAG_OF_TOKEN:
            if not token.hidden:  # paragraphs of a tight list
                self._open_or_close(token, TAG_OF_TOKEN[name])
        else:
            self.add_text(token.content)

    def add_inline(self, token: Any) -> None:
        name = token.type.removesuffix("_open").removesuffix("_close")
        if name == "link":
            self._open_or_close(token, "a")
        elif name in TAG_OF_TOKEN:
            self._open_or_close(token, TAG_OF_TOKEN[name])
        elif token.type == "code_inline":
            self.add(["code", {}, visible(token.content)])
        elif token.type == "math":
            self.add(["code", {"c": "math"}, visible(token.content)])
        elif token.type == "hardbreak":
            self.add(["br", {}])
        else:
            self.add_text("\n" if token.type == "softbreak" else token.content)

    def _open_or_close(self, token: Any, tag: str) -> None:
        if token.nesting < 0:
            self._open.pop()
            return
        if len(self._open) > MAX_NESTING:
            self._open.append(self._open[-1])
            return
        node = [tag, _attributes(token)]
        self.add(node)
        self._open.append(node)


def _is_tag(siblings: list[Node]) -> bool:
    """Return whether the last text of a node is its tag."""
    return len(siblings) == 1 and siblings[-1] in TAGS


def _attributes(token: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    address = token.attrs.get("href")
    if address and LINK_ADDRESS.match(address) and visible(address) == address:
        attributes["h"] = address
    if (first_number := token.attrs.get("start")) is not None:
        attributes["s"] = first_number
    if "right" in str(token.attrs.get("style", "")):
        attributes["a"] = "right"
    return attributes


def _math_rule(state: Any, silent: bool) -> bool:
    r"""Parse `$x$`, `$$x$$`, `\(x\)` and `\[x\]`; a `$` before a digit that follows another is money."""
    source, start = state.src, state.pos
    opening = next((sign for sign in ("$$", "$", r"\(", r"\[") if source.startswith(sign, start)), "")
    if not opening:
        return False
    closing = {r"\(": r"\)", r"\[": r"\]"}.get(opening, opening)
    first = start + len(opening)
    end = source.find(closing, first, min(state.posMax, first + MAX_FORMULA))
    formula = source[first:end] if end >= 0 else ""
    after = source[end + len(closing) : end + len(closing) + 1]
    if not formula.strip() or (opening == "$" and (formula != formula.strip() or after.isdigit() or "\n\n" in formula)):
        return False
    if not MATH_COMMANDS.issuperset(COMMAND.findall(formula)):
        return False
    if not silent:
        state.push("math", "", 0).content = source[start : end + len(closing)]
    state.pos = end + len(closing)
    return True

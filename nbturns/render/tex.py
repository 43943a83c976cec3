"""Turns and Runs as a LaTeX fragment: a table of the blocks, with every character escaped."""

from __future__ import annotations

from ..values.blocks import Block
from ..values.turns import Run, Turn
from .block_rows import block_body
from .comparison_metrics import blocks_of
from .text import call_text, cut_text, visible

TEXT_LENGTH = 2_000  # characters of a block
HEAD = "% compile with LuaLaTeX or XeLaTeX if texts have characters that are not Latin\n"
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    '"': r"\char34{}",
    "-": "{-}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}


def body_text(block: Block) -> str:
    """Return what a block says: a call as it would be written, a message or a result as its text."""
    return call_text(block) if block.kind == "tool_call" else block_body(block)


def tex_text(text: str) -> str:
    """Return a text that LaTeX sets as it is: no character has a meaning, and line ends are breaks."""
    lines = [" ".join(visible(line).split()) for line in text.splitlines()]
    escaped_lines = ["".join(SPECIAL.get(character, character) for character in line) for line in lines if line]
    return r" \newline{} ".join(escaped_lines)


def tex_table(value: Turn | Run) -> str:
    """Return a `tabular` with a row for each block: its index, its kind and its text, long texts cut with an ellipsis."""
    rows = [_row(index, block) for index, block in enumerate(blocks_of(value))]
    return (
        HEAD + "\\begin{tabular}{@{}rlp{0.72\\linewidth}@{}}\n\\hline\n\\# & kind & text \\\\\n\\hline\n"
        f"{''.join(rows)}\\hline\n\\end{{tabular}}\n"
    )


def _row(index: int, block: Block) -> str:
    return f"{index} & {tex_text(block.kind)} & {tex_text(cut_text(body_text(block), TEXT_LENGTH))} \\\\\n"

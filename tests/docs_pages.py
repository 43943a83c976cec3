"""The pages of the documentation, and the code in them."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?[^\n]*\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def page_blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the language, the title and the text of each block of code of a page."""
    for language, title, content in FENCE.findall(text):
        yield language, title, content


def page_code(text: str) -> str:
    """Return the Python of a page: its blocks, and those for IPython."""
    return "\n".join(content for language, _, content in page_blocks(text) if language in ("python", "ipython"))


def run_page(page: Path, folder: Path, http_package: str = "httpx2") -> int:
    """Run the Python blocks of a page in order, in a folder, and return their number.

    `http_package` is what the SDK here takes clients of.

    A block with a title is a file: it is written. A block for IPython runs in a shell with the same variables.
    """
    namespace: dict[str, Any] = {"__name__": "notebook"}
    count = 0
    for language, title, content in page_blocks(page.read_text(encoding="utf-8")):
        if title:
            (folder / title).write_text(content, encoding="utf-8")
        elif language == "ipython":
            run_in_ipython(content, namespace)
            count += 1
        elif language == "python":
            count += 1
            run_block(content.replace("httpx2", http_package), f"{page.name}, block {count}", namespace)
    return count


def run_block(content: str, name: str, namespace: dict[str, Any]) -> None:
    """Run a block as a cell of a notebook does: it may await."""
    code: CodeType = compile(content, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, namespace))  # noqa: S307 - our own page
    else:
        exec(code, namespace)  # noqa: S102 - our own page


def run_in_ipython(content: str, namespace: dict[str, Any]) -> None:
    """Run a cell of IPython, magics included."""
    from IPython.core.interactiveshell import InteractiveShell

    shell: Any = InteractiveShell
    shell = shell(user_ns=namespace)
    for cell in content.split("\n\n\n"):
        shell.run_cell(cell.strip("\n")).raise_error()

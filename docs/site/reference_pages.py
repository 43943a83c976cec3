"""A hook of MkDocs that makes the pages of the API reference, one for each public module.

The names are those of `__all__`, read from the sources; nothing of nbturns is imported.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2] / "nbturns"
MODULES = ("engines", "errors", "events", "frames", "keys", "middleware", "profiles", "testing", "tools", "widgets")
INTRODUCTION = """# API reference

The reference is made from the docstrings. Every public name has an example on a page of prose as well; use the search.

| module | contents |
|---|---|
| [`nbturns`](nbturns.md) | what `import nbturns as nt` gives |
"""


def public_names(module: str) -> list[str]:
    """Return the names in the `__all__` of a public module, or of the package when `module` is ""."""
    file = PACKAGE / f"{module}.py" if (PACKAGE / f"{module}.py").is_file() else PACKAGE / module / "__init__.py"
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "__all__" for target in node.targets):
            return [name for name in ast.literal_eval(node.value) if name not in MODULES]
    raise ValueError(f"{file} has no __all__")


def summary(module: str) -> str:
    """Return the first line of the docstring of a public module."""
    file = PACKAGE / f"{module}.py" if (PACKAGE / f"{module}.py").is_file() else PACKAGE / module / "__init__.py"
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").splitlines()[0]


def reference_page(module: str) -> str:
    """Return the Markdown of the page of a module: a directive of mkdocstrings for each name."""
    qualified = f"nbturns.{module}" if module else "nbturns"
    head = f"# `{qualified}`\n\n{summary(module)}\n"
    if module == "keys":  # attributes of one module
        return f"{head}\n::: {qualified}\n    options: {{show_root_heading: false, heading_level: 1}}\n"
    return head + "".join(f"\n::: {qualified}.{name}\n" for name in public_names(module))


def reference_pages() -> dict[str, str]:
    """Return the text of each page of the reference, by its path."""
    rows = "".join(f"| [`nbturns.{module}`]({module}.md) | {summary(module)} |\n" for module in MODULES)
    pages = {f"reference/{module}.md": reference_page(module) for module in MODULES}
    return {"reference/index.md": INTRODUCTION + rows, "reference/nbturns.md": reference_page(""), **pages}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the reference to the site; MkDocs calls this."""
    from mkdocs.structure.files import File

    for path, text in reference_pages().items():
        files.append(File.generated(config, path, content=text))
    reference = next(section["Reference"] for section in config.nav if "Reference" in section)
    listed = {next(iter(entry.values())) for entry in reference}
    reference[1:1] = [{Path(path).stem: path} for path in sorted(reference_pages()) if path not in listed]
    return files

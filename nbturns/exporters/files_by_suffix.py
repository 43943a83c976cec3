"""The writers that `save` chooses by the suffix of a file, or by the name of a format."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from ..errors import MisuseError
from ..render.comparison import Comparison
from ..render.group_comparison import GroupComparison
from ..serialization.file_format import FORMAT_VERSION
from ..serialization.serde import run_to_dict
from ..values.turns import Run, Turn

FileContent = str | bytes


def _to_yaml(value: Run | Turn) -> str:
    return value.to_yaml()


def _to_json(value: Run | Turn) -> str:
    return (
        json.dumps({"version": FORMAT_VERSION, **value.to_dict()}, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    )


def run_text_line(value: Run | Turn) -> str:
    """Return the conversation as one line of JSON, so that files can be concatenated."""
    run = value if isinstance(value, Run) else Run((value,))
    return json.dumps(run_to_dict(run), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _to_markdown(value: Run | Turn) -> str:
    from ..render.markdown import run_markdown, turn_markdown

    return (run_markdown(value) if isinstance(value, Run) else turn_markdown(value)) + "\n"


def to_html(value: Run | Turn | Comparison | GroupComparison) -> str:
    """Return a page of a value."""
    from ..render.standalone_page import render_page

    return render_page(value)


def _to_tex(value: Run | Turn) -> str:
    from ..render.tex import tex_table

    return tex_table(value)


def _to_figure(suffix: str) -> Callable[[Any], bytes]:
    def write_figure(value: Run | Turn) -> bytes:
        from ..render.figures import figure_file

        return figure_file(value, suffix)

    return write_figure


WRITERS: dict[str, Callable[[Any], FileContent]] = {
    ".yaml": _to_yaml,
    ".yml": _to_yaml,
    ".json": _to_json,
    ".jsonl": run_text_line,
    ".html": to_html,
    ".md": _to_markdown,
    ".tex": _to_tex,
    ".svg": _to_figure("svg"),
    ".png": _to_figure("png"),
    ".pdf": _to_figure("pdf"),
}


def _comparison_to_tex(value: Comparison | GroupComparison) -> str:
    from ..render.comparison_figure import comparison_tex

    return comparison_tex(value)


def _comparison_to_figure(suffix: str) -> Callable[[Any], bytes]:
    def write_figure(value: Comparison | GroupComparison) -> bytes:
        from ..render.comparison_figure import comparison_figure_file

        return comparison_figure_file(value, suffix)

    return write_figure


COMPARISON_WRITERS: dict[str, Callable[[Any], FileContent]] = {
    ".html": to_html,
    ".tex": _comparison_to_tex,
    ".svg": _comparison_to_figure("svg"),
    ".png": _comparison_to_figure("png"),
    ".pdf": _comparison_to_figure("pdf"),
}


def _format_writer(module: str, function: str) -> Callable[[Any], FileContent]:
    def write(value: Run | Turn) -> FileContent:
        writer: Callable[[Any], FileContent] = getattr(import_module(f".{module}", __package__), function)
        return writer(value)

    return write


FORMAT_WRITERS: dict[str, Callable[[Any], FileContent]] = {
    "atif": _format_writer("atif", "atif_text"),
    "openai-messages": _format_writer("openai_messages", "openai_line"),
    "otlp": _format_writer("otlp", "otlp_text"),
    "parquet": _format_writer("parquet", "parquet_file"),
}


def _joined(writer: Callable[[Any], FileContent]) -> Callable[[Any], FileContent]:
    def write(runs: Sequence[Run]) -> FileContent:
        return "".join(str(writer(run)) for run in runs)

    return write


LIST_FORMATS = ("openai-messages", "otlp", "parquet")


def _find_list_writer(suffix: str, name: str, format: str | None) -> Callable[[Any], FileContent]:
    """Return the writer of several conversations in one file. Raises MisuseError for a format that holds one."""
    if format == "openai-messages":
        return _joined(FORMAT_WRITERS[format])
    if format in LIST_FORMATS:
        return FORMAT_WRITERS[format]
    if format is None and suffix == ".jsonl":
        return _joined(run_text_line)
    if format is not None and format not in FORMAT_WRITERS:
        raise MisuseError(f"no format {format!r:.60}; use one of {', '.join(LIST_FORMATS)}")
    raise MisuseError(
        f"{name}: {format or suffix or 'this file'} holds one conversation; save several as .jsonl, "
        f"or with format= one of {', '.join(LIST_FORMATS)}"
    )


def find_writer(value: Any, suffix: str, name: str, format: str | None) -> Callable[[Any], FileContent]:
    """Return the writer of a format, or without one that of a suffix. Raises MisuseError for an unknown format or suffix."""
    is_comparison = isinstance(value, (Comparison, GroupComparison))
    if isinstance(value, tuple):
        return _find_list_writer(suffix, name, format)
    if format is not None:
        if is_comparison:
            raise MisuseError("a comparison has no formats; save it as .html, without format=")
        if not isinstance(format, str) or format not in FORMAT_WRITERS:
            raise MisuseError(f"no format {format!r:.60}; use one of {', '.join(FORMAT_WRITERS)}")
        return FORMAT_WRITERS[format]
    writers = COMPARISON_WRITERS if is_comparison else WRITERS
    if suffix not in writers:
        raise MisuseError(f"{name}: no format for {suffix or 'a name without suffix'}; use one of {', '.join(writers)}")
    return writers[suffix]

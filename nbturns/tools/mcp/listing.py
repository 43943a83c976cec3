"""The list of a server's tools, read so that one that breaks the protocol does not hide the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..tool import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTool:
    """One tool as the server describes it. `problem` says why it cannot be used.

    `is_wrapped` says that the server puts its results into {"result": …}, as servers in Python do
    with values that are not objects.
    """

    name: str
    description: str = ""
    input_schema: Any = None
    effect: Effect = "effectful"
    is_wrapped: bool = False
    problem: str = ""


async def list_page(client: Any, cursor: str | None) -> tuple[list[ListedTool], str | None]:
    """Return a page of tools, and the cursor of the next one, or None."""
    from pydantic import ValidationError

    try:
        page = await client.list_tools(cursor=cursor)
    except ValidationError:
        return await _list_raw_page(client, cursor)
    return [_listed(tool) for tool in page.tools], page.next_cursor


async def _list_raw_page(client: Any, cursor: str | None) -> tuple[list[ListedTool], str | None]:
    """Return a page in which each tool is checked by itself; the package refuses it as a whole."""
    from mcp_types import Tool
    from pydantic import ValidationError

    session = client.session
    request: dict[str, Any] = {"method": "tools/list", "params": {"cursor": cursor} if cursor else {}}
    options: dict[str, Any] = {}
    session._stamp(request, options)
    page = await session._dispatcher.send_raw_request("tools/list", request.get("params"), options)
    raw_tools = page.get("tools")
    if not isinstance(raw_tools, list) or not all(isinstance(tool, Mapping) for tool in raw_tools):
        raise ValueError("the answer has no list of tools")
    tools: list[ListedTool] = []
    for raw_tool in raw_tools:
        name = str(raw_tool.get("name"))
        try:
            tools.append(_listed(Tool.model_validate(raw_tool, by_name=False)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            tools.append(ListedTool(name=name, problem=f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"))
            continue
        kind = tools[-1].input_schema.get("type")
        if kind != "object":
            tools[-1] = ListedTool(name=name, problem=f"the type of the arguments must be 'object', got {kind!r:.60}")
    next_cursor = page.get("nextCursor")
    return tools, next_cursor if isinstance(next_cursor, str) else None


def _listed(tool: Any) -> ListedTool:
    return ListedTool(
        name=tool.name,
        description=tool.description or tool.title or "",
        input_schema=tool.input_schema,
        effect=_effect(tool.annotations),
        is_wrapped=_is_wrapped(tool.output_schema or {}),
    )


def _effect(annotations: Any) -> Effect:
    """Return the effect that the server declares; without a declaration calls are effectful."""
    if annotations is not None and annotations.read_only_hint:
        return "pure"
    return "idempotent" if annotations is not None and annotations.idempotent_hint else "effectful"


def _is_wrapped(output_schema: Mapping[str, Any]) -> bool:
    is_generated = str(output_schema.get("title")).endswith("Output") or output_schema.get("x-fastmcp-wrap-result")
    return bool(is_generated) and list(output_schema.get("properties", ())) == ["result"]


__all__ = ["ListedTool", "list_page"]

"""Tools of Cline in texts: a call is written as tags, `<read_file><path>…</path></read_file>`, and its result as a text.

Source: RooCodeInc/Roo-Code at cb836567180a, packages/types/src/tool.ts (the names; `fetch_instructions` is of older
versions); cline/cline at 21cb8d2525bc, apps/vscode/src/core/prompts/responses.ts ("The user denied this operation.", "The
tool execution failed with the following error"); kenn-io/agentsview at 538600744d1b, internal/parser/kilo_legacy.go
("[read_file for 'a'] Result:").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

TOOLS = (
    "execute_command", "read_file", "write_to_file", "replace_in_file", "apply_diff", "insert_content",
    "search_and_replace", "edit_file", "search_files", "list_files", "list_code_definition_names", "browser_action",
    "use_mcp_tool", "access_mcp_resource", "ask_followup_question", "attempt_completion", "new_task", "switch_mode",
    "plan_mode_respond", "fetch_instructions", "codebase_search", "update_todo_list", "run_slash_command",
    "generate_image", "load_mcp_documentation", "web_fetch", "new_rule", "condense", "report_bug",
)  # fmt: skip
CALL = re.compile(rf"<({'|'.join(TOOLS)})>(.*?)</\1>", re.DOTALL)
ARGUMENT = re.compile(r"<([a-z_]+)>(.*?)</\1>", re.DOTALL)
RESULT = re.compile(r"^\[([a-z_]+)(?: for .*?)?\] Result:[ \t]*\n?", re.DOTALL)
FAILURES = ("The tool execution failed", "The user denied this operation")


def split_calls(text: str) -> list[dict[str, Any]]:
    """Return a text as parts: texts, and the tool calls in it, without ids."""
    parts: list[dict[str, Any]] = []
    end = 0
    for match in CALL.finditer(text):
        parts += _text_part(text[end : match.start()])
        arguments = {name: value.strip("\n") for name, value in ARGUMENT.findall(match[2])}
        parts.append({"type": "tool_use", "name": match[1], "input": arguments, "text": match[0]})
        end = match.end()
    return [*parts, *_text_part(text[end:])] if end else [{"type": "text", "text": text}]


def _text_part(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text.strip("\n")}] if text.strip() else []


def result_of(parts: Sequence[Mapping[str, Any]], call_id: str) -> list[dict[str, Any]]:
    """Return the parts of a message of the user with the result of a tool as a part of its own."""
    first_text = parts[0].get("text") if parts and parts[0].get("type") == "text" else None
    head = RESULT.match(first_text) if isinstance(first_text, str) else None
    if head is None or not call_id:
        return [dict(part) for part in parts]
    texts, remaining_parts = [str(first_text)[head.end() :]], list(parts[1:])
    if (
        remaining_parts
        and remaining_parts[0].get("type") == "text"
        and not str(remaining_parts[0].get("text")).startswith("<environment_details>")
    ):
        texts.append(str(remaining_parts.pop(0).get("text")))
    output = "\n".join(text for text in texts if text)
    result = {"type": "tool_result", "tool_use_id": call_id, "content": output, "head": head[0].strip()}
    return [result | ({"is_error": True} if output.startswith(FAILURES) else {}), *map(dict, remaining_parts)]

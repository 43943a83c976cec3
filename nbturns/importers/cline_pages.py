"""The page of a Cline task, `ui_messages.json`, as blocks, for a task whose requests are not there.

Source: cline/cline at 21cb8d2525bc, apps/vscode/src/shared/ExtensionMessage.ts (`ClineMessage`: `ts`, `type`, `ask`, `say`,
`text`, `reasoning`, `images`; `ClineSayTool`); kenn-io/agentsview at 538600744d1b, internal/parser/roocode.go (the first
text is the task, which messages are results).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.turns import Kind
from .cline_requests import Request, request_fields
from .kit.faults import unknown_value
from .kit.record_fields import expect, json_or_none, omit, omit_empty, text_or_empty, to_number
from .kit.transcript import Transcript

PROMPTS = ("task", "user_feedback", "user_feedback_diff")
TEXTS = ("text", "completion_result", "plan_completion_result", "followup", "plan_mode_respond", "act_mode_respond")
CALLS = ("tool", "command", "use_mcp_server", "browser_action_launch", "browser_action")
RESULTS = ("command_output", "mcp_server_response", "browser_action_result")
OTHERS = (
    "error", "api_req_finished", "api_req_failed", "api_req_retried", "api_req_retry_delayed", "api_req_deleted", "resume_task",
    "resume_completed_task", "shell_integration_warning", "mcp_server_request_started", "mcp_notification", "diff_error",
    "deleted_api_reqs", "clineignore_error", "rooignore_error", "checkpoint_created", "checkpoint_saved", "info",
    "load_mcp_documentation", "task_progress", "condense", "condense_context", "sliding_window_truncation", "compaction",
    "subtask_result", "codebase_search_result", "user_edit_todos", "mistake_limit_reached", "summarize_task", "subagent",
    "use_subagents", "subagent_usage", "hook_status", "hook_output_stream", "new_task", "report_bug",
    "auto_approval_max_req_reached", "shell_integration_warning_with_suggestion", "command_permission_denied",
    "conditional_rules_applied", "condense_context_error",
)  # fmt: skip


def is_page_message(value: Any) -> bool:
    """Return True for a message of a page: a time, and `ask` or `say` with what it is."""
    if not isinstance(value, Mapping) or not isinstance(value.get("ts"), (int, float)):
        return False
    return value.get("type") in ("ask", "say") and isinstance(value.get(str(value["type"])), str)


class PageReader:
    """Adds the blocks of each message; those of the model after a request are of its call."""

    def __init__(self, transcript: Transcript, model: str) -> None:
        self.transcript = transcript
        self.model = model
        self.result: InferenceResult | None = None
        self.call_count: int = 0
        self.open_call: str = ""  # the call that the next output is of
        self.has_task: bool = False

    def read_message(self, record: Any) -> None:
        message, transcript = expect(record, dict, ""), self.transcript
        kind = text_or_empty(message.get(text_or_empty(message.get("type"))))
        text, first_block = text_or_empty(message.get("text")), len(transcript.blocks)
        if kind == "api_req_started":
            self.begin_call(message)
            return
        if kind in PROMPTS or (kind == "text" and not self.has_task):
            self.has_task = True
            images = [{"url": image} for image in message.get("images") or () if isinstance(image, str)]
            transcript.add_block(Kind.USER, {"text": text} | omit_empty(images=images), "user")
        elif kind in TEXTS or kind == "reasoning":
            self.add_text(kind, text or text_or_empty(message.get("reasoning")))
        elif kind in CALLS:
            self.add_call(kind, text)
        elif kind in RESULTS and (text or self.open_call):
            self.add_output(text)
        else:
            if kind not in (*OTHERS, *RESULTS):
                transcript.unknown(unknown_value(text_or_empty(message.get("type")), kind))
            transcript.add_other(message)
            return
        if len(transcript.blocks) > first_block:
            transcript.set_times(first_block, message.get("ts"))
            extra_fields = omit(
                message,
                "ts",
                "text",
                "images",
                "reasoning",
                "type",
                *(("partial",) if not message.get("partial") else ()),
            )
            transcript.add_extra_fields(first_block, extra_fields)

    def begin_call(self, message: Mapping[str, Any]) -> None:
        request = Request(to_number(message.get("ts")) or 0, request_fields(message))
        self.result = self.transcript.inference_result(
            id=f"request-{message.get('ts')}",
            model=self.model or None,
            stop_reason=request.stop_reason,
            usage=request.usage,
            cost=request.cost,
            extra={"request": request.fields},
        )
        self.open_call = ""

    def add_text(self, kind: str, text: str) -> None:
        if not text:
            return  # asks for a completion repeat what was said
        if kind == "reasoning":
            self.transcript.add_block(Kind.REASONING, {"text": text}, result=self.result)
            return
        self.transcript.add_block(Kind.LLM_TEXT, {"text": text}, "assistant", result=self.result)

    def add_call(self, kind: str, text: str) -> None:
        """Add a tool call; what the page shows of it is JSON, or the text of a command."""
        fields = json_or_none(text) if text[:1] == "{" else None
        arguments = fields if isinstance(fields, dict) else {"command": text}
        name = {"command": "execute_command", "use_mcp_server": "use_mcp_tool"}.get(kind, kind)
        if kind == "tool":
            name, arguments = text_or_empty(arguments.get("tool")) or kind, omit(arguments, "tool")
        self.call_count += 1
        self.open_call = self.transcript.add_call(f"call-{self.call_count}", name, arguments, result=self.result)

    def add_output(self, text: str) -> None:
        """Add the output of the last call, or more of it."""
        blocks = self.transcript.blocks
        if blocks and blocks[-1].kind == "tool_use" and blocks[-1].tool_call_id == self.open_call and self.open_call:
            blocks[-1] = blocks[-1].edit(result="\n".join(part for part in (str(blocks[-1].result), text) if part))
            return
        self.transcript.add_result(self.open_call, text)

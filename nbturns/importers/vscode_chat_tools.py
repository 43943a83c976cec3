"""The tools of a chat of VS Code: what was called with which arguments, what came of it, and whether it failed.

Source: microsoft/vscode, src/vs/workbench/contrib/chat/common/chatService/chatService.ts at c3c6e234f940
(`IChatToolInvocationSerialized`: `toolId`, `toolCallId`, `isConfirmed`, `isComplete`, `toolSpecificData`, `resultDetails`,
`pastTenseMessage`; `ToolConfirmKind`); microsoft/vscode-copilot-chat at 31acd00a8642,
src/extension/prompt/common/toolCallRound.ts and intents.ts (`toolCallRounds`: `toolCalls` with `id`, `name`, `arguments`,
`timestamp` in milliseconds; `toolCallResults` by id); jayparikh/agentviz at 33cb8c340e51, src/lib/vscodeSessionParser.ts
(`terminalCommandState.exitCode`, `terminalCommandOutput.text`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..values.inference_results import InferenceResult
from .kit.record_fields import object_or_empty, omit, omit_empty, text_or_empty
from .kit.transcript import Transcript

TOOL_KINDS = ("toolInvocationSerialized", "toolInvocation")
DENIED, SKIPPED = 0, 5  # of how a call was confirmed
PART_FIELDS = ("kind", "toolId", "toolCallId", "resultDetails", "presentation")
SUFFIX = "__vscode"  # that VS Code adds to the ids of calls


def tool_values(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments and results of the calls of a request, by id, if the metadata of its result has them."""
    values: dict[str, Any] = {}
    rounds, results = metadata.get("toolCallRounds"), metadata.get("toolCallResults")
    for round in rounds if isinstance(rounds, list) else ():
        calls = round.get("toolCalls") if isinstance(round, Mapping) else None
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, Mapping) and isinstance(call.get("id"), str):
                values[_plain(call["id"])] = {
                    "arguments": call.get("arguments"),
                    "name": call.get("name"),
                    "time": round.get("timestamp"),
                }
    for call_id, result in results.items() if isinstance(results, Mapping) else ():
        content = result.get("content") if isinstance(result, Mapping) else None
        if isinstance(content, list):
            values.setdefault(_plain(call_id), {})["result"] = _texts_of(content)
    return values


def _plain(call_id: str) -> str:
    return call_id.partition(SUFFIX)[0]


def _texts_of(content: Sequence[Any]) -> Any:
    texts = [part["value"] for part in content if isinstance(part, Mapping) and isinstance(part.get("value"), str)]
    return "\n".join(texts) if len(texts) == len(content) else list(content)


def add_tool(
    transcript: Transcript, part: Mapping[str, Any], values: Mapping[str, Any], result: InferenceResult | None
) -> None:
    """Add a tool call and its result; one that is not complete has none."""
    data = object_or_empty(part.get("toolSpecificData"), "toolSpecificData")
    call_values = values.get(_plain(text_or_empty(part.get("toolCallId"))), {})
    arguments = call_values.get("arguments") or _shown_arguments(data, part)
    extra_fields, first_block = omit(part, *PART_FIELDS), len(transcript.blocks)
    call_id = transcript.add_call(
        part.get("toolCallId"),
        call_values.get("name") or part.get("toolId"),
        arguments,
        result=result,
        extra_fields=extra_fields,
    )
    transcript.set_times(first_block, call_values.get("time"))
    state = part.get("isConfirmed")
    kind = state.get("type") if isinstance(state, Mapping) else DENIED if state is False else None
    if kind in (DENIED, SKIPPED) and type(kind) is int:
        transcript.add_result(call_id, None, "denied by the user" if kind == DENIED else "skipped by the user")
    elif part.get("isComplete") is not False:
        value, error = _outcome(data, part, call_values)
        fields = {"resultDetails": part.get("resultDetails")} if "result" in call_values else {}
        transcript.add_result(call_id, None if error == value else value, error, extra_fields=fields)


def _shown_arguments(data: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that the page showed: a command, the input of a tool, the task of a subagent."""
    details = part.get("resultDetails")
    if data.get("kind") == "terminal":
        command_line = data.get("commandLine")
        original = command_line.get("original") if isinstance(command_line, Mapping) else None
        return omit_empty(command=original or data.get("command"))
    if data.get("kind") == "input":
        raw_input = data.get("rawInput")
        return dict(raw_input) if isinstance(raw_input, Mapping) else omit_empty(input=raw_input)
    if data.get("kind") == "subagent":
        return omit_empty({name: data.get(name) for name in ("description", "agentName", "prompt")})
    shown_input = details.get("input") if isinstance(details, Mapping) else None
    return omit_empty(input=shown_input)


def _outcome(data: Mapping[str, Any], part: Mapping[str, Any], call_values: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the result of a tool and its error; "" without one."""
    details = part.get("resultDetails")
    value: Any = call_values.get("result")
    output = data.get("terminalCommandOutput")
    if value is None and isinstance(output, Mapping):
        value = output.get("text")
    if value is None and isinstance(details, Mapping):
        value = _texts_of(details["output"]) if isinstance(details.get("output"), list) else details.get("output")
    if value is None and isinstance(details, list) and details:
        value = _texts_of(details)
    if value is None:
        value = data.get("result") if data.get("kind") == "subagent" else None
    if value is None:
        message = part.get("pastTenseMessage")
        value = text_or_empty(message.get("value") if isinstance(message, Mapping) else message)
    state = data.get("terminalCommandState")
    exit_code = state.get("exitCode") if isinstance(state, Mapping) else None
    if type(exit_code) is int and exit_code:
        return value, f"exit code {exit_code}"
    if isinstance(details, Mapping) and details.get("isError") is True:
        return value, value if isinstance(value, str) and value else "error"
    return value, ""

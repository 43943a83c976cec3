"""The tools of one session, and the answers to their calls.

A call of a tool that raises, hangs or is unknown, or with invalid arguments, is answered with
an error message for the model, and the conversation continues.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from ..errors import MisuseError, ToolError, describe_error, message_of
from ..events import Notice, Sink, tool_finished, tool_started
from ..tools import Tool
from ..values.blocks import TOOL_USE, Block, make_block
from ..values.frozen_json import EMPTY_DICT, FrozenDict
from ..values.inference_results import DURATION_MS, STDOUT, FinishClass
from ..values.metadata import NO_METADATA, Key
from .background_loop import is_closing_coroutine, run_in_worker, until_written
from .captured_output import CapturedOutput
from .marks import ANSWERED_BY, BY_TOOL, NOT_RUN
from .tool_config import AGENT_MODE_ALLOWED_TOOLS as AGENT_MODE_ALLOWED_TOOLS
from .tool_config import TOOL_CONFIG as TOOL_CONFIG
from .tool_config import RetryConfig as RetryConfig
from .tool_config import ToolConfig as ToolConfig
from .tool_config import format_go_duration as format_go_duration
from .tool_config import parse_go_duration as parse_go_duration
from .tool_results import ITEM_SIZE, SIMPLE_TYPES, ToolResultConversion

ATTEMPTS: Key[int] = Key("nbturns.attempts@v1", int)
CUT: Key[bool] = Key("nbturns.cut@v1", bool)
INTERRUPTED: Key[bool] = Key("nbturns.interrupted@v1", bool)
INTERRUPTED_MESSAGE = "interrupted: it may have taken effect"
VALUES_PER_YIELD = 100  # values of an asynchronous generator between two turns of the loop
UNUSABLE_REPLIES = {
    FinishClass.REFUSED: "not run: the reply with this call ended in a refusal",
    FinishClass.FILTERED: "not run: the reply with this call was ended by a content filter",
    FinishClass.CONTINUE: "not run: the reply with this call was paused before its end; call again if it is still needed",
}


class Toolbox:
    """The tools of one session, by name. Raises MisuseError for two tools of one name, and for other values than lists."""

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = ()) -> None:
        if callable(tools) or isinstance(tools, (str, Tool)) or not isinstance(tools, Iterable):
            tool_name = getattr(tools, "__name__", getattr(tools, "name", tools))
            raise MisuseError(f"tools must be a list of functions, like tools=[{tool_name!s:.60}]")
        self._tools: dict[str, Tool] = {}
        for function in tools:
            tool = function if isinstance(function, Tool) else Tool(function)
            if tool.name in self._tools:
                raise MisuseError(f'two tools are named {tool.name!r}; name one with nt.Tool(function, name="…")')
            tool.parameters  # noqa: B018 - reports an invalid signature now and not during an execution
            self._tools[tool.name] = tool

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._tools)

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def only(self, names: Container[str]) -> Toolbox:
        """Return a Toolbox with the tools in `names`."""
        toolbox = object.__new__(Toolbox)
        toolbox._tools = {name: tool for name, tool in self._tools.items() if name in names}
        return toolbox

    async def answer_calls(
        self,
        calls: Iterable[Block],
        config: ToolConfig,
        emit: Sink,
        answers: dict[str, Block],
        *,
        allowed: Container[str] | None = None,
        toolbox_of: Callable[[Block], Toolbox] | None = None,
        new_id: Callable[[], str] = str,
    ) -> None:
        """Run the tools of `calls` and put each answer in `answers`, by call id.

        After an interruption `answers` has those of the finished calls. Only `allowed` tools are
        run; None allows all. `toolbox_of` gives the Toolbox that was offered with a call, if not this.
        """

        def tools_for(call: Block) -> Toolbox:
            tools = self if toolbox_of is None else toolbox_of(call)
            return tools if allowed is None else tools.only(allowed)

        calls = tuple(calls)
        if len(calls) == 1 or config.max_parallel_tools <= 1:
            for call in calls:
                answers[call.payload["id"]] = answer = await tools_for(call)._answer_call(call, config, emit, new_id)
                if answer.payload["error"] and config.tool_error_handling == "abort":
                    return
            return
        free_slots = asyncio.Semaphore(config.max_parallel_tools)

        async def answer_in_slot(call: Block) -> None:
            async with free_slots:
                answers[call.tool_call_id] = await tools_for(call)._answer_call(call, config, emit, new_id)

        tasks = [asyncio.ensure_future(answer_in_slot(call)) for call in calls]
        try:
            await asyncio.gather(*tasks)
        except Exception:  # the store failed, so no other tool may start
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _answer_call(self, call: Block, config: ToolConfig, emit: Sink, new_id: Callable[[], str]) -> Block:
        """Run one call, with retries as configured, and return its answer with duration, attempts and output."""
        if _is_being_stopped():  # an earlier call of this batch swallowed the cancellation
            raise asyncio.CancelledError
        if (write := emit(tool_started(call))) is not None:
            await until_written(write)
        attempts = 1
        start_time = time.perf_counter()
        with CapturedOutput() as captured_output:
            try:
                tool, args = self._prepare_call(call, config, emit)
            except ValueError as refusal:
                result, error, answerer = None, str(refusal), NOT_RUN
            else:
                answerer = BY_TOOL
                result, error, may_be_running = await _call_tool_once(tool, args, config, emit)
                while error and _wants_retry(config, attempts):
                    if may_be_running and tool.effect == "effectful":
                        error += "; not retried, because it may have taken effect"
                        break
                    await asyncio.sleep(config.retry_config.wait(attempts))
                    attempts += 1
                    result, error, may_be_running = await _call_tool_once(tool, args, config, emit)
        duration_ms = round((time.perf_counter() - start_time) * 1000, 3)
        metadata: dict[str, Any] = {DURATION_MS.name: duration_ms, ANSWERED_BY.name: answerer}
        if attempts > 1:
            metadata[ATTEMPTS.name] = attempts
        if printed_text := captured_output.text:
            metadata[STDOUT.name] = printed_text
        payload = FrozenDict(id=call.payload["id"], result=result, error=error)
        answer = make_block(TOOL_USE, payload, "", new_id(), NO_METADATA.with_stored_values(metadata))
        emit(tool_finished(call, answer, duration_ms))
        return answer

    def _prepare_call(self, call: Block, config: ToolConfig, emit: Sink) -> tuple[Tool, dict[str, Any]]:
        """Return the tool of a call and its validated arguments. Raises ValueError with a message for the model."""
        if not config.enabled:
            raise ValueError("not run: tools are switched off")
        if call.metadata.get(CUT):
            raise ValueError(
                "not run: the reply was cut at its token limit inside these arguments; send them again, shorter"
            )
        if (reply := call.inference) is not None and (reason := UNUSABLE_REPLIES.get(reply.finish_class)):
            raise ValueError(reason)
        tool = self._tools.get(call.name)
        if tool is None:
            raise ValueError(f"no tool {call.name!r}; there are: {', '.join(self._tools) or 'none'}")
        if tool.reason_not_run:
            raise ValueError(tool.reason_not_run)
        if tool.effect == "effectful" and call.metadata.get(INTERRUPTED):
            raise ValueError(INTERRUPTED_MESSAGE)
        raw_args = call.payload.get("args", EMPTY_DICT)
        arguments = raw_args if type(raw_args) is FrozenDict else call.args
        is_unparsed = isinstance(raw_args, str) and not arguments and raw_args.strip() not in ("", "{}")
        if is_unparsed or not isinstance(raw_args, (dict, str)) or call.payload.get("args_raw") is not None:
            raise ValueError("not run: the arguments are not a JSON object")
        try:
            fitted_arguments, notices = tool.fit(arguments)
        except BaseException as error:  # validators are user code and may raise anything
            raise ValueError(f"not run: the arguments do not fit: {message_of(error)}") from None
        for text in notices:
            emit(Notice(f"{tool.name}: {text}"))
        return tool, fitted_arguments


def _is_being_stopped() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _wants_retry(config: ToolConfig, attempts: int) -> bool:
    return (
        config.tool_error_handling == "retry"
        and attempts <= config.retry_config.max_retries
        and not _is_being_stopped()
    )


async def _call_tool_once(tool: Tool, args: dict[str, Any], config: ToolConfig, emit: Sink) -> tuple[Any, str, bool]:
    """Call the tool once; return its result, an error message, and whether it may still be running.

    Result or message is empty. A thread cannot be interrupted, so a tool that timed out may go on.
    """
    timeout = config.execution_timeout if tool.timeout is None else tool.timeout
    conversion = ToolResultConversion(config.max_result)
    try:
        if config.inline and not tool.is_async:
            result = tool.function(**args)
            if type(result) not in SIMPLE_TYPES:
                result = await _awaited(result, config.max_result)
            result = conversion.convert(result)
        else:
            async with asyncio.timeout(timeout) as time_limit:
                result = await _run_tool_function(tool, args, conversion)
            if time_limit.expired():  # it swallowed the cancellation
                raise TimeoutError
    except TimeoutError as error:
        conversion.abandon()
        timeout_message = f"timed out after {timeout:g} s" if timeout else "timed out"
        origin = f" ({tool.origin})" if tool.origin else ""
        return None, message_of(error) or f"{timeout_message}{origin}", True
    except ToolError as error:  # a tool that words the message for the model itself
        message = message_of(error).strip() or "the tool failed, without a message"  # an empty error would be a success
        return None, limited_message(message, config), False
    except asyncio.CancelledError:
        conversion.abandon()
        if _is_being_stopped():
            raise
        return None, "CancelledError: the tool was cancelled from within", False
    except BaseException as error:  # a tool may raise anything; the model gets the message
        if is_closing_coroutine(error):
            raise
        return None, limited_message(describe_error(error), config), False
    if notice := conversion.notice():
        emit(Notice(f"{tool.name}: {notice}"))
    return result, "", False


def limited_message(message: str, config: ToolConfig) -> str:
    """Return an error message, cut to the size that a result may have."""
    text: str = ToolResultConversion(config.max_result).convert(message)
    return text


async def _run_tool_function(tool: Tool, args: dict[str, Any], conversion: ToolResultConversion) -> Any:
    """Return the converted result; functions without await, and generators, run and are converted in a worker."""
    if tool.is_async:
        result = await _awaited(await tool.function(**args), conversion.max_size)
    else:

        def call_and_convert() -> Any:
            result = tool.function(**args)
            if type(result) not in SIMPLE_TYPES and isinstance(result, (Awaitable, AsyncIterator)):
                return result
            return FinishedConversion(conversion.convert(result))

        result = await run_in_worker(call_and_convert, keep_result=True)
        if type(result) is FinishedConversion:
            return result.value
        result = await _awaited(result, conversion.max_size)
    if type(result) in SIMPLE_TYPES:
        return conversion.convert(result)
    return await run_in_worker(partial(conversion.convert, result))


class FinishedConversion(NamedTuple):
    """A converted result."""

    value: Any


async def _awaited(result: Any, max_size: int | None) -> Any:
    """Return the value of an awaitable, the values of an asynchronous generator as a list, and anything else as it is."""
    if isinstance(result, Awaitable):
        result = await result
    if not isinstance(result, AsyncIterator):
        return result
    values: list[Any] = []
    async for value in result:
        values.append(value)
        if not len(values) % VALUES_PER_YIELD:
            await asyncio.sleep(0)  # a generator that never waits must not keep the loop from the time-out
        if max_size is not None and len(values) * ITEM_SIZE > max_size:
            break
    return values

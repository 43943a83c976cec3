"""Tools of other frameworks, and the dicts of OpenAI's API, as tools of a session.

A framework is imported only to call one of its own objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import MisuseError, ToolError
from ..values.images import image
from .tool import Tool


def from_openai(schema: Mapping[str, Any], function: Callable[..., Any], **settings: Any) -> Tool:
    """Return `function` as a tool that a dict of OpenAI's API describes.

    `schema` is an item of `tools=[...]`, of Chat Completions or Responses. `settings` are further
    arguments of `nt.Tool`.
    """
    if not isinstance(schema, Mapping):
        raise MisuseError(f"expected a tool of OpenAI's API as a dict, got {type(schema).__name__}: {schema!r:.60}")
    definition = schema.get("function", schema)
    if (
        schema.get("type", "function") != "function"
        or not isinstance(definition, Mapping)
        or not definition.get("name")
    ):
        raise MisuseError(
            f'expected {{"type": "function", "name": …}}, got {dict(schema)!r:.80}; '
            'for other types use nt.Tool(function, options={"openai": {"type": …}})'
        )
    if definition.get("strict") is not None:
        strict = {"strict": definition["strict"]}
        settings.setdefault("options", {"openai": strict, "openai-chat": strict})
    return _described(
        function, definition["name"], definition.get("description"), definition.get("parameters") or {}, settings
    )


def from_langchain(tool: Any, **settings: Any) -> Tool:
    """Return a tool of LangChain (`@tool`, a StructuredTool, a BaseTool). `settings` are arguments of `nt.Tool`."""
    _require_attributes(tool, "a LangChain tool", "name", "invoke", "tool_call_schema")
    call_schema = tool.tool_call_schema
    schema = call_schema if isinstance(call_schema, dict) else call_schema.model_json_schema()
    schema = {name: value for name, value in schema.items() if name != "description"}
    if injected_names := _injected_names(tool, schema):
        raise MisuseError(
            f"the LangChain tool {tool.name} gets {', '.join(injected_names)} from its agent; wrap it in a function that passes them"
        )

    def run(**arguments: Any) -> Any:
        return _langchain_result(tool.invoke(arguments))

    async def run_async(**arguments: Any) -> Any:
        return _langchain_result(await tool.ainvoke(arguments))

    own_coroutine = getattr(tool, "coroutine", None) is not None
    is_async = own_coroutine or not type(tool)._arun.__module__.startswith("langchain_core.tools")
    return _described(run_async if is_async else run, tool.name, tool.description, schema, settings)


def _injected_names(tool: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return the required arguments that LangChain's agents fill in, and a model does not see."""
    if isinstance(tool.args_schema, dict) or tool.args_schema is None:
        return []
    fields = tool.get_input_schema().model_fields.items()
    return [name for name, field in fields if field.is_required() and name not in schema.get("properties", {})]


def _langchain_result(result: Any) -> Any:
    """Return the content of a ToolMessage, and any other result as it is."""
    return result.content if hasattr(result, "tool_call_id") and hasattr(result, "content") else result


def from_pydantic_ai(tool: Any, *, deps: Any = None, ignore_approval: bool = False, **settings: Any) -> Tool:
    """Return a tool of pydantic-ai. `deps` are those of its RunContext, `settings` arguments of `nt.Tool`.

    Raises MisuseError for a tool that needs an approval. A call that the tool refuses by ModelRetry raises ToolError.
    """
    _require_attributes(tool, "a tool of pydantic-ai", "name", "function_schema", "takes_ctx")
    if getattr(tool, "requires_approval", False) and not ignore_approval:
        raise _needs_approval(tool.name, "from_pydantic_ai")
    schema = tool.function_schema
    settings.setdefault("timeout", getattr(tool, "timeout", None))

    async def run(**arguments: Any) -> Any:
        from pydantic_ai import ModelRetry, RunContext
        from pydantic_ai.models.test import TestModel
        from pydantic_ai.usage import RunUsage

        context = RunContext(deps=deps, model=TestModel(), usage=RunUsage(), tool_name=tool.name)
        try:
            fitted_arguments = schema.validator.validate_python(arguments)
            if (validate := getattr(tool, "args_validator", None)) is not None:
                outcome = validate(context, **fitted_arguments)
                if hasattr(outcome, "__await__"):
                    await outcome
            return _pydantic_ai_result(await schema.call(fitted_arguments, context))
        except ModelRetry as retry:
            raise ToolError(retry.message) from retry

    return _described(run, tool.name, tool.description, schema.json_schema, settings)


def _pydantic_ai_result(result: Any) -> Any:
    """Return the value of a ToolReturn, and binary content as media."""
    if hasattr(result, "return_value"):
        result = result.return_value
    if isinstance(result, (list, tuple)):
        return [_pydantic_ai_result(item) for item in result]
    if hasattr(result, "media_type") and isinstance(getattr(result, "data", None), bytes):
        return image(result.data, media_type=result.media_type)
    return result


def from_openai_agents(tool: Any, *, context: Any = None, ignore_approval: bool = False, **settings: Any) -> Tool:
    """Return a FunctionTool of openai-agents. `context` is that of its ToolContext, `settings` arguments of `nt.Tool`."""
    _require_attributes(tool, "a function tool of openai-agents", "name", "on_invoke_tool", "params_json_schema")
    if getattr(tool, "needs_approval", False) and not ignore_approval:
        raise _needs_approval(tool.name, "from_openai_agents")
    settings.setdefault("timeout", getattr(tool, "timeout_seconds", None))

    async def run(**arguments: Any) -> Any:
        from agents.tool_context import ToolContext

        text = json.dumps(arguments)
        tool_context = ToolContext(context=context, tool_name=tool.name, tool_call_id="", tool_arguments=text)
        return _openai_agents_result(await tool.on_invoke_tool(tool_context, text))

    return _described(run, tool.name, tool.description, tool.params_json_schema, settings)


def _openai_agents_result(result: Any) -> Any:
    """Return the texts and images of openai-agents (objects or dicts of them) as ours."""
    if isinstance(result, list):
        return [_openai_agents_result(item) for item in result]
    kind = getattr(result, "type", None)
    if kind == "text" and isinstance(getattr(result, "text", None), str):
        return {"type": "text", "text": result.text}
    if kind == "image" and isinstance(getattr(result, "image_url", None), str):
        return image(result.image_url, detail=getattr(result, "detail", None))
    return result


def _described(
    function: Callable[..., Any], name: str, description: Any, parameters: Mapping[str, Any], settings: dict[str, Any]
) -> Tool:
    described = {"name": name, "description": description, "parameters": parameters}
    return Tool(function, **{**described, **{key: value for key, value in settings.items() if value is not None}})


def _require_attributes(tool: Any, kind: str, *names: str) -> None:
    if not all(hasattr(tool, name) for name in names):
        raise MisuseError(f"expected {kind}, got {type(tool).__name__}: {tool!r:.60}")


def _needs_approval(name: str, function: str) -> MisuseError:
    return MisuseError(
        f"{name} requires an approval; pause before it with execution.break_when(tool={name!r}) "
        f"and pass nt.tools.{function}(…, ignore_approval=True)"
    )


__all__ = ["from_langchain", "from_openai", "from_openai_agents", "from_pydantic_ai"]

"""The servers that speak Chat Completions, and the differences between their requests.

Facts: recorded traffic of these hosts, and the pages of each. The replies of all are decoded
in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from ..errors import EngineError
from ..values.frozen_json import EMPTY_DICT

MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One server, or one kind of them.

    `reasoning` is the field in which it accepts thoughts: "same" for the field in which the
    same model sent them, "content" for parts of a content list, "" for none.
    `empty_content` is the content of a message with calls and no text; None leaves it out.
    `any_arguments` tells that arguments which are not JSON may go back unchanged.
    """

    name: str
    hosts: tuple[str, ...] = ()
    base_url: str = ""
    key: str = ""  # environment variable with its key
    key_header: str = "authorization"
    reasoning: Literal["", "same", "reasoning_content", "reasoning_details", "content"] = ""
    empty_content: Literal["null", ""] | None = "null"
    stream_options: bool = True
    choices: Mapping[str, str] = EMPTY_DICT  # its words for a tool choice
    renamed: Mapping[str, str] = EMPTY_DICT  # its names of parameters
    developer: bool = False  # whether it knows the role developer
    tool_name: bool = False  # whether a tool message must name its tool
    id: re.Pattern[str] | None = None  # the ids of calls that it accepts
    any_arguments: bool = False
    json_schema: bool = True  # whether it takes the shape of an answer as a JSON Schema


OLD_LIMIT = {"max_completion_tokens": "max_tokens"}

OPENAI = Dialect(
    name="openai",
    hosts=("api.openai.com",),
    key="OPENAI_API_KEY",
    base_url="https://api.openai.com/v1",
    reasoning="same",
    developer=True,
    any_arguments=True,
)
COMPATIBLE = Dialect(name="compatible", reasoning="same", empty_content="", renamed=OLD_LIMIT)

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        OPENAI,
        COMPATIBLE,
        replace(
            OPENAI,
            name="azure",
            hosts=("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
            base_url="",
            key="AZURE_OPENAI_API_KEY",
            key_header="api-key",
        ),
        Dialect(
            name="groq",
            hosts=("groq.com",),
            base_url="https://api.groq.com/openai/v1",
            key="GROQ_API_KEY",
            empty_content=None,
        ),
        Dialect(
            name="mistral",
            hosts=("mistral.ai",),
            base_url="https://api.mistral.ai/v1",
            key="MISTRAL_API_KEY",
            reasoning="content",
            empty_content="",
            stream_options=False,
            choices={"required": "any"},
            renamed={"seed": "random_seed", **OLD_LIMIT},
            tool_name=True,
            id=MISTRAL_ID,
        ),
        Dialect(
            name="deepseek",
            hosts=("deepseek.com",),
            base_url="https://api.deepseek.com",
            key="DEEPSEEK_API_KEY",
            json_schema=False,
            reasoning="reasoning_content",
            empty_content="",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="zai",
            hosts=("z.ai", "bigmodel.cn"),
            base_url="https://api.z.ai/api/paas/v4",
            key="ZAI_API_KEY",
            json_schema=False,
            reasoning="reasoning_content",
            empty_content="",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="openrouter",
            hosts=("openrouter.ai",),
            base_url="https://openrouter.ai/api/v1",
            key="OPENROUTER_API_KEY",
            reasoning="reasoning_details",
            any_arguments=True,
        ),
        Dialect(
            name="together",
            hosts=("together.xyz", "together.ai"),
            base_url="https://api.together.xyz/v1",
            key="TOGETHER_API_KEY",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="cerebras",
            hosts=("cerebras.ai",),
            base_url="https://api.cerebras.ai/v1",
            key="CEREBRAS_API_KEY",
            reasoning="same",
        ),
        Dialect(
            name="huggingface",
            hosts=("huggingface.co",),
            base_url="https://router.huggingface.co/v1",
            key="HF_TOKEN",
            empty_content="",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="databricks",
            hosts=("databricks.com", "azuredatabricks.net"),
            key="DATABRICKS_TOKEN",
            stream_options=False,
            renamed=OLD_LIMIT,
        ),
        Dialect(name="snowflake", hosts=("snowflakecomputing.com",), key="SNOWFLAKE_PAT"),
        Dialect(
            name="cloudflare",
            hosts=("cloudflare.com",),
            key="CLOUDFLARE_API_TOKEN",
            empty_content="",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="gemini",
            hosts=("generativelanguage.googleapis.com",),
            base_url="https://generativelanguage.googleapis.com/v1beta/openai",
            key="GEMINI_API_KEY",
        ),
        Dialect(name="xai", hosts=("x.ai",), base_url="https://api.x.ai/v1", key="XAI_API_KEY"),
        Dialect(
            name="fireworks",
            hosts=("fireworks.ai",),
            base_url="https://api.fireworks.ai/inference/v1",
            key="FIREWORKS_API_KEY",
            reasoning="same",
            renamed=OLD_LIMIT,
        ),
        replace(COMPATIBLE, name="ollama", hosts=("ollama.com",), base_url="http://localhost:11434/v1"),
        replace(COMPATIBLE, name="vllm", base_url="http://localhost:8000/v1"),
        replace(COMPATIBLE, name="llama.cpp", base_url="http://localhost:8080/v1"),
        replace(COMPATIBLE, name="lmstudio", base_url="http://localhost:1234/v1"),
    )
}
PORTS = {11434: "ollama"}  # ports that no other server uses


def dialect_of_settings(settings: Mapping[str, Any]) -> Dialect:
    """Return the dialect that these settings name, else that of their base URL.

    Raises EngineError for an unknown name.
    """
    if (dialect := settings.get("dialect")) is not None:
        if isinstance(dialect, Dialect):
            return dialect
        if dialect not in DIALECTS:
            raise EngineError(
                f"unknown dialect {dialect!r}; known dialects: {', '.join(DIALECTS)}", kind="bad_parameter"
            )
        return DIALECTS[dialect]
    client = settings.get("client")
    url = settings.get("base_url") or (client is not None and getattr(client, "base_url", None)) or ""
    return dialect_of_url(str(url)) if url else OPENAI


def dialect_of_url(url: str) -> Dialect:
    """Return the dialect of the server at this URL; an unknown one is named after its host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise EngineError(
            f"expected base_url to be like http://localhost:8000/v1, got {url!r:.80}", kind="bad_parameter"
        ) from None
    for dialect in DIALECTS.values():
        if any(host == end or host.endswith(f".{end}") for end in dialect.hosts):
            return dialect
    return DIALECTS[PORTS[port]] if port in PORTS else replace(COMPATIBLE, name=host or COMPATIBLE.name)

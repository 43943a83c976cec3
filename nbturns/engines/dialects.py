"""What the servers that speak Chat Completions differ in, as a table.

Facts: recorded traffic of these hosts, and the pages of each. Whatever is said here is
about requests and where they go; answers are read the same way from all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from ..errors import EngineError
from ..frozen import EMPTY

NINE = re.compile(r"[a-zA-Z0-9]{9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One server, or one kind of them.

    `reasoning` is the field in which it takes thoughts back: "same" for whatever field
    the same model had them in, "content" for parts of a content list, "" for none.
    `empty_content` stands beside calls that came without a text; None leaves it out.
    `any_arguments` says that arguments which are no JSON may go back as they were.
    """

    name: str
    hosts: tuple[str, ...] = ()
    base_url: str = ""
    key: str = ""  # the environment variable with its key
    key_header: str = "authorization"
    reasoning: Literal["", "same", "reasoning_content", "reasoning_details", "content"] = ""
    empty_content: Literal["null", ""] | None = "null"
    stream_options: bool = True
    choices: Mapping[str, str] = EMPTY  # its own words for a tool choice
    renamed: Mapping[str, str] = EMPTY  # its own names of parameters
    developer: bool = False  # whether it knows that role
    tool_name: bool = False  # whether a tool message must name its tool
    id: re.Pattern[str] | None = None  # what it takes as the id of a call
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
            id=NINE,
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
PORTS = {11434: "ollama"}  # one nobody else uses


def spoken(settings: Mapping[str, Any]) -> Dialect:
    """The dialect of the server these settings lead to: `dialect` says it, else the host of its base URL.

    Raises EngineError for a name that is not in the table.
    """
    if (given := settings.get("dialect")) is not None:
        if isinstance(given, Dialect):
            return given
        if given not in DIALECTS:
            raise EngineError(f"no dialect {given!r}; there are: {', '.join(DIALECTS)}", kind="bad_parameter")
        return DIALECTS[given]
    client = settings.get("client")
    url = settings.get("base_url") or (client is not None and getattr(client, "base_url", None)) or ""
    return of_url(str(url)) if url else OPENAI


def of_url(url: str) -> Dialect:
    """The dialect of the server at this URL; one that is not known is told by its host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise EngineError(
            f"base_url is a URL like http://localhost:8000/v1, not {url!r:.80}", kind="bad_parameter"
        ) from None
    for dialect in DIALECTS.values():
        if any(host == end or host.endswith(f".{end}") for end in dialect.hosts):
            return dialect
    return DIALECTS[PORTS[port]] if port in PORTS else replace(COMPATIBLE, name=host or COMPATIBLE.name)

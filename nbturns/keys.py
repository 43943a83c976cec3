"""Every key that nbturns reads or writes in metadata and data.

Names that begin with `geppetto.` are those of geppetto's `keys_gen.go` and `turnkeys_gen.go`, names that begin with
`nbturns.` are ours, and names that begin with a provider are written by its codec. A key whose value has a type of
ours is defined in the module of that type.
"""

from __future__ import annotations

from typing import Any

from .middleware.system_prompts import MIDDLEWARE as MIDDLEWARE
from .middleware.system_prompts import SESSION_PROMPT as SESSION_PROMPT
from .render.readable_values import UNREADABLE as UNREADABLE
from .runtime.call_ids import PROVIDER_CALL_ID as PROVIDER_CALL_ID
from .runtime.execution import STATUS as STATUS
from .runtime.marks import ANSWERED_BY as ANSWERED_BY
from .runtime.marks import DECISIONS as DECISIONS
from .runtime.marks import EDITED as EDITED
from .runtime.marks import ERROR as ERROR
from .runtime.toolbox import AGENT_MODE_ALLOWED_TOOLS as AGENT_MODE_ALLOWED_TOOLS
from .runtime.toolbox import ATTEMPTS as ATTEMPTS
from .runtime.toolbox import CUT as CUT
from .runtime.toolbox import INTERRUPTED as INTERRUPTED
from .runtime.toolbox import TOOL_CONFIG as TOOL_CONFIG
from .session import EXECUTION_ID as EXECUTION_ID
from .session import RUNTIME as RUNTIME
from .session import SESSION_ID as SESSION_ID
from .session import TOOL_DEFINITIONS as TOOL_DEFINITIONS
from .values.inference_results import DURATION_MS as DURATION_MS
from .values.inference_results import INFERENCE_ID as INFERENCE_ID
from .values.inference_results import INFERENCE_RESULT as INFERENCE_RESULT
from .values.inference_results import INFERENCES as INFERENCES
from .values.inference_results import OUTPUT as OUTPUT
from .values.inference_results import STDOUT as STDOUT
from .values.inference_settings import CLAUDE_INFERENCE_CONFIG as CLAUDE_INFERENCE_CONFIG
from .values.inference_settings import INFERENCE_CONFIG as INFERENCE_CONFIG
from .values.inference_settings import OPENAI_INFERENCE_CONFIG as OPENAI_INFERENCE_CONFIG
from .values.inference_settings import RESPONSES_SERVER_TOOLS as RESPONSES_SERVER_TOOLS
from .values.inference_settings import STRUCTURED_OUTPUT_CONFIG as STRUCTURED_OUTPUT_CONFIG
from .values.label_values import LABELS as LABELS
from .values.metadata import Key
from .values.outcome import OUTCOME as OUTCOME
from .values.provenance import ARGUMENTS as ARGUMENTS
from .values.provenance import BRANCH_OF as BRANCH_OF
from .values.provenance import CHILD_RUN as CHILD_RUN
from .values.provenance import CHILD_RUNS as CHILD_RUNS
from .values.provenance import FIELDS as FIELDS
from .values.provenance import MESSAGE as MESSAGE
from .values.provenance import OPENAI_CHAT_FIELDS as OPENAI_CHAT_FIELDS
from .values.provenance import PARENT_RUN as PARENT_RUN
from .values.provenance import PARENT_TOOL_CALL as PARENT_TOOL_CALL
from .values.provenance import ROOT_RUN as ROOT_RUN
from .values.provenance import TIMESTAMP as TIMESTAMP

# In the data of a Turn.
AGENT_MODE: Key[str] = Key("geppetto.agent_mode@v1", str, "data")

# In the metadata of a Turn.
TRACE_ID: Key[str] = Key("geppetto.trace_id@v1", str)
PROVIDER: Key[str] = Key("geppetto.provider@v1", str)
MODEL: Key[str] = Key("geppetto.model@v1", str)
STOP_REASON: Key[str] = Key("geppetto.stop_reason@v1", str)
USAGE: Key[Any] = Key("geppetto.usage@v1", Any)

# In the metadata of a block.
AGENTMODE: Key[str] = Key("geppetto.agentmode@v1", str)
AGENTMODE_TAG: Key[str] = Key("geppetto.agentmode_tag@v1", str)
CLAUDE_ORIGINAL_CONTENT: Key[Any] = Key("geppetto.claude_original_content@v1", Any)
TOOL_CALLS: Key[Any] = Key("geppetto.tool_calls@v1", Any)

# In the metadata of a block, by the codec of a provider: the item as received, the id of its reply, its place there.
CLAUDE_WIRE: Key[dict[str, Any]] = Key("claude.wire@v1", dict)
CLAUDE_PREFIX: Key[str] = Key("claude.prefix@v1", str)
CLAUDE_RESPONSE_ID: Key[str] = Key("claude.response_id@v1", str)
CLAUDE_OUTPUT_INDEX: Key[int] = Key("claude.output_index@v1", int)
GEMINI_WIRE: Key[dict[str, Any]] = Key("gemini.wire@v1", dict)
GEMINI_RESPONSE_ID: Key[str] = Key("gemini.response_id@v1", str)
GEMINI_OUTPUT_INDEX: Key[int] = Key("gemini.output_index@v1", int)
GEMINI_THOUGHT_SIGNATURE: Key[str] = Key("gemini.thought_signature@v1", str)
OPENAI_CHAT_WIRE: Key[dict[str, Any]] = Key("openai_chat.wire@v1", dict)
OPENAI_CHAT_RESPONSE_ID: Key[str] = Key("openai_chat.response_id@v1", str)
OPENAI_CHAT_OUTPUT_INDEX: Key[int] = Key("openai_chat.output_index@v1", int)
OPENAI_CHAT_LOGPROBS: Key[dict[str, Any]] = Key("openai_chat.logprobs@v1", dict)
OPENAI_RESPONSES_WIRE: Key[dict[str, Any]] = Key("openai_responses.wire@v1", dict)
OPENAI_RESPONSES_RESPONSE_ID: Key[str] = Key("openai_responses.response_id@v1", str)
OPENAI_RESPONSES_OUTPUT_INDEX: Key[int] = Key("openai_responses.output_index@v1", int)
OPENAI_RESPONSES_ITEM_TYPE: Key[str] = Key("openai_responses.item_type@v1", str)
OPENAI_RESPONSES_STATUS: Key[str] = Key("openai_responses.status@v1", str)

__all__ = [
    "AGENTMODE",
    "AGENTMODE_TAG",
    "AGENT_MODE",
    "AGENT_MODE_ALLOWED_TOOLS",
    "ANSWERED_BY",
    "ARGUMENTS",
    "ATTEMPTS",
    "BRANCH_OF",
    "CHILD_RUN",
    "CHILD_RUNS",
    "CLAUDE_INFERENCE_CONFIG",
    "CLAUDE_ORIGINAL_CONTENT",
    "CLAUDE_OUTPUT_INDEX",
    "CLAUDE_PREFIX",
    "CLAUDE_RESPONSE_ID",
    "CLAUDE_WIRE",
    "CUT",
    "DECISIONS",
    "DURATION_MS",
    "EDITED",
    "ERROR",
    "EXECUTION_ID",
    "FIELDS",
    "GEMINI_OUTPUT_INDEX",
    "GEMINI_RESPONSE_ID",
    "GEMINI_THOUGHT_SIGNATURE",
    "GEMINI_WIRE",
    "INFERENCES",
    "INFERENCE_CONFIG",
    "INFERENCE_ID",
    "INFERENCE_RESULT",
    "INTERRUPTED",
    "LABELS",
    "MESSAGE",
    "MIDDLEWARE",
    "MODEL",
    "OPENAI_CHAT_FIELDS",
    "OPENAI_CHAT_LOGPROBS",
    "OPENAI_CHAT_OUTPUT_INDEX",
    "OPENAI_CHAT_RESPONSE_ID",
    "OPENAI_CHAT_WIRE",
    "OPENAI_INFERENCE_CONFIG",
    "OPENAI_RESPONSES_ITEM_TYPE",
    "OPENAI_RESPONSES_OUTPUT_INDEX",
    "OPENAI_RESPONSES_RESPONSE_ID",
    "OPENAI_RESPONSES_STATUS",
    "OPENAI_RESPONSES_WIRE",
    "OUTCOME",
    "OUTPUT",
    "PARENT_RUN",
    "PARENT_TOOL_CALL",
    "PROVIDER",
    "PROVIDER_CALL_ID",
    "RESPONSES_SERVER_TOOLS",
    "ROOT_RUN",
    "RUNTIME",
    "SESSION_ID",
    "SESSION_PROMPT",
    "STATUS",
    "STDOUT",
    "STOP_REASON",
    "STRUCTURED_OUTPUT_CONFIG",
    "TIMESTAMP",
    "TOOL_CALLS",
    "TOOL_CONFIG",
    "TOOL_DEFINITIONS",
    "TRACE_ID",
    "UNREADABLE",
    "USAGE",
]


def __dir__() -> list[str]:
    return sorted(__all__)

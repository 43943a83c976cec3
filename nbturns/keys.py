"""The known keys, gathered: each is defined beside the type of its value.

Names and owners: geppetto's generated keys (its `keys_gen.go`, `turnkeys_gen.go`), and
ours, which begin with `nbturns.`.
"""

from __future__ import annotations

from typing import Any

from .distinct_calls import PROVIDER_CALL_ID as PROVIDER_CALL_ID
from .execution import STATUS as STATUS
from .keyed import Key
from .middleware.system_prompt import MIDDLEWARE as MIDDLEWARE
from .results import DURATION_MS as DURATION_MS
from .results import INFERENCE_ID as INFERENCE_ID
from .results import INFERENCE_RESULT as INFERENCE_RESULT
from .results import INFERENCES as INFERENCES
from .results import OUTPUT as OUTPUT
from .results import STDOUT as STDOUT
from .session import EXECUTION_ID as EXECUTION_ID
from .session import RUNTIME as RUNTIME
from .session import SESSION_ID as SESSION_ID
from .session import TOOL_DEFINITIONS as TOOL_DEFINITIONS
from .settings import CLAUDE_INFERENCE_CONFIG as CLAUDE_INFERENCE_CONFIG
from .settings import INFERENCE_CONFIG as INFERENCE_CONFIG
from .settings import OPENAI_INFERENCE_CONFIG as OPENAI_INFERENCE_CONFIG
from .settings import RESPONSES_SERVER_TOOLS as RESPONSES_SERVER_TOOLS
from .settings import STRUCTURED_OUTPUT_CONFIG as STRUCTURED_OUTPUT_CONFIG
from .toolbox import AGENT_MODE_ALLOWED_TOOLS as AGENT_MODE_ALLOWED_TOOLS
from .toolbox import ATTEMPTS as ATTEMPTS
from .toolbox import CUT as CUT
from .toolbox import TOOL_CONFIG as TOOL_CONFIG

# Beside a Turn's blocks.
AGENT_MODE: Key[str] = Key("geppetto.agent_mode@v1", str)

# About a Turn.
TRACE_ID: Key[str] = Key("geppetto.trace_id@v1", str)
PROVIDER: Key[str] = Key("geppetto.provider@v1", str)
MODEL: Key[str] = Key("geppetto.model@v1", str)
STOP_REASON: Key[str] = Key("geppetto.stop_reason@v1", str)
USAGE: Key[Any] = Key("geppetto.usage@v1", Any)

# About a block.
AGENTMODE: Key[str] = Key("geppetto.agentmode@v1", str)
AGENTMODE_TAG: Key[str] = Key("geppetto.agentmode_tag@v1", str)
CLAUDE_ORIGINAL_CONTENT: Key[Any] = Key("geppetto.claude_original_content@v1", Any)
TOOL_CALLS: Key[Any] = Key("geppetto.tool_calls@v1", Any)

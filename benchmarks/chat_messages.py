"""10,000 OpenAI chat messages as Turns, compared with what other packages make of them, in one run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .peer_packages import BEST, MISSING, FailedError, is_there, said
from .transcripts import chat

COUNT = 10_000
READ = BEST + "messages = json.load(open(sys.argv[1]))\n"
OURS = READ + "import nbturns as nt\nassert len(nt.loads(messages).latest) == len(messages)\n"
FROM_DATA = OURS + "print(best(lambda: nt.loads(messages), 9))"
FROM_TEXT = OURS + "text = open(sys.argv[1]).read()\nprint(best(lambda: nt.loads(text), 9))"

LANGCHAIN = (
    READ
    + """
from langchain_core.messages import convert_to_messages
assert len(convert_to_messages(messages)) == len(messages)
print(best(lambda: convert_to_messages(messages)))
"""
)
INSPECT = (
    READ
    + """
import asyncio
from inspect_ai.model import messages_from_openai
asyncio.run(messages_from_openai(messages[:4]))
print(best(lambda: asyncio.run(messages_from_openai(messages)), 3))
"""
)
# It reads no OpenAI messages: it is given the same ones as it saves them itself.
PYDANTIC_AI = (
    READ
    + """
from pydantic_ai.messages import (
    ModelMessagesTypeAdapter, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
)
made = []
for one in messages:
    if one["role"] == "user":
        made.append(ModelRequest(parts=[UserPromptPart(one["content"])]))
    elif one["role"] == "tool":
        made.append(ModelRequest(parts=[ToolReturnPart("f", one["content"], one["tool_call_id"])]))
    else:
        calls = [ToolCallPart(c["function"]["name"], c["function"]["arguments"], c["id"]) for c in one.get("tool_calls", ())]
        made.append(ModelResponse(parts=calls or [TextPart(one["content"])]))
text = ModelMessagesTypeAdapter.dump_json(made)
assert len(ModelMessagesTypeAdapter.validate_json(text)) == len(messages)
print(best(lambda: ModelMessagesTypeAdapter.validate_json(text)))
"""
)

PEERS = (
    ("langchain-core", "langchain_core", LANGCHAIN, "from data"),
    ("pydantic-ai", "pydantic_ai", PYDANTIC_AI, "from its own JSON"),
    ("inspect_ai", "inspect_ai", INSPECT, "from data"),
)


def chat_beside_others() -> Iterator[tuple[str, str, str]]:
    """Each package reads the same messages in a process of its own; ours runs before and after the others, and the better result counts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "messages.json")
        path.write_text(json.dumps(chat(COUNT)))
        ours, text = (min(said(script, str(path))[0] for _ in range(2)) for script in (FROM_DATA, FROM_TEXT))
        yield f"{COUNT:,} chat messages to Turns, from data", f"{COUNT / ours:,.0f}/s", "≥ 300,000"
        yield f"{COUNT:,} chat messages to Turns, from text", f"{COUNT / text:,.0f}/s", "≥ 300,000"
        for name, module, script, given in PEERS:
            if not is_there(module):
                yield f"the same by {name}", "not installed", MISSING
                continue
            try:
                theirs = said(script, str(path))[0]
            except FailedError as error:
                yield f"the same by {name}", "failed", str(error)
                continue
            mine = text if "JSON" in given else ours
            yield f"the same by {name}, {given}", f"{COUNT / theirs:,.0f}/s", ""
            yield f"messages/s, ours to {name}'s", f"{theirs / mine:.1f} : 1", ""


ALL = (chat_beside_others,)

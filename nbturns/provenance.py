"""What an imported block keeps of the place it came from, by `nt.Key`."""

from __future__ import annotations

from typing import Any

from .keyed import Key

MESSAGE: Key[int] = Key("nbturns.message@v1", int)  # the index of the message (or record) a block was in, from 0
BESIDE: Key[dict[str, Any]] = Key("nbturns.beside@v1", dict[str, Any])  # what stood beside it there, as it was
ARGUMENTS: Key[str] = Key("nbturns.arguments@v1", str)  # a call's arguments as written, where JSON is spelt otherwise
TIMESTAMP: Key[str] = Key("nbturns.timestamp@v1", str)  # when it was said, as the file writes it
BRANCH_OF: Key[str] = Key("nbturns.branch_of@v1", str)  # on a Run: the id of the one it branches off, in the same file
CHAT_BESIDE: Key[dict[str, Any]] = Key("openai_chat.beside@v1", dict[str, Any])  # goes out again to OpenAI's chat

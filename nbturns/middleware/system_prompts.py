"""Keep one system prompt at the head of the Turn."""

from __future__ import annotations

from ..errors import MisuseError
from ..runtime.engine_protocol import Engine, Middleware, Scope
from ..values.metadata import Key
from ..values.turns import Turn, system

MIDDLEWARE: Key[str] = Key("geppetto.middleware@v1", str)


def system_prompt(prompt: str) -> Middleware:
    """Return a middleware that makes `prompt` the text of the first system block.

    It edits the block or inserts one, as geppetto's does, so it may run at every model call of a loop.
    """
    if not isinstance(prompt, str):
        raise MisuseError(f"expected the system prompt as a string, got {type(prompt).__name__}: {prompt!r:.60}")

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        return await engine(with_system_prompt(turn, prompt), scope)

    return layer


def with_system_prompt(turn: Turn, prompt: str) -> Turn:
    if not prompt:
        return turn
    for index, block in enumerate(turn):
        if block.kind == "system":
            if block.text == prompt:
                return turn
            return turn.replace(index, block.edit(text=prompt).with_metadata(MIDDLEWARE, "systemprompt"))
    return turn.insert(0, system(prompt).with_metadata(MIDDLEWARE, "systemprompt"))

"""Keep one system prompt at the head of the Turn."""

from __future__ import annotations

from ..errors import MisuseError
from ..runtime.engine_protocol import Engine, Middleware, Scope
from ..values.metadata import Key
from ..values.turns import Block, Turn, system

MIDDLEWARE: Key[str] = Key("geppetto.middleware@v1", str)
SESSION_PROMPT: Key[bool] = Key("nbturns.session_prompt@v1", bool)


def system_prompt(prompt: str) -> Middleware:
    """Return a middleware that makes `prompt` the text of the first system block.

    It edits the block or inserts one, as geppetto's does, so it may run at every model call of a loop.
    The block of `Session(system=...)` stays as it is.
    """
    if not isinstance(prompt, str):
        raise MisuseError(f"expected the system prompt as a string, got {type(prompt).__name__}: {prompt!r:.60}")

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        return await engine(_with_first_prompt_replaced(turn, prompt), scope)

    return layer


def session_prompt(prompt: str) -> Middleware:
    """Return the middleware of `Session(system=prompt)`, which edits no system block but its own."""

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        return await engine(with_session_prompt(turn, prompt), scope)

    return layer


def with_session_prompt(turn: Turn, prompt: str) -> Turn:
    """Return the Turn with the prompt of a session: its own block has this text, or there is a new one at the head."""
    if not prompt:
        return turn
    system_blocks = [(index, block) for index, block in enumerate(turn) if block.kind == "system"]
    for index, block in system_blocks:
        if block.metadata.get(SESSION_PROMPT):
            return turn if block.text == prompt else turn.replace(index, block.edit(text=prompt))
    if any(block.text == prompt for _, block in system_blocks):
        return turn
    return turn.insert(0, _system_block(prompt).with_metadata(SESSION_PROMPT, True))


def _with_first_prompt_replaced(turn: Turn, prompt: str) -> Turn:
    if not prompt:
        return turn
    for index, block in enumerate(turn):
        if block.kind == "system" and not block.metadata.get(SESSION_PROMPT):
            if block.text == prompt:
                return turn
            return turn.replace(index, block.edit(text=prompt).with_metadata(MIDDLEWARE, "systemprompt"))
    return turn.insert(0, _system_block(prompt))


def _system_block(prompt: str) -> Block:
    return system(prompt).with_metadata(MIDDLEWARE, "systemprompt")

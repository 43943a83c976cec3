"""The order of a conversation as Gemini demands it, and the blocks that a continued reply leaves out."""

from __future__ import annotations

from collections.abc import Sequence

from ...values.inference_results import FinishClass
from ...values.turns import Block
from ..json_access import text_of


def continuation(blocks: Sequence[Block]) -> tuple[list[Block], str]:
    """Return the blocks to send, and the token with which Google goes on with the reply at their end.

    A reply that goes on is asked for by the same request and this token; the half that is here stays out.
    """
    token, end = "", len(blocks)
    while end and (result := blocks[end - 1].inference) is not None and result.provider == "gemini":
        found = text_of(result.extra.get("continuationToken"))
        if result.finish_class is not FinishClass.CONTINUE or not found:
            break
        token = token or found
        end -= 1
    return list(blocks[:end]), token


def with_results_first(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks with the results of calls directly behind the reply that made them, before words of the user."""
    ordered: list[Block] = []
    waiting: list[Block] = []  # of the user, behind calls
    has_calls = False
    for block in blocks:
        is_model = block.kind in ("llm_text", "reasoning", "tool_call") or (
            block.kind == "other" and block.role not in ("user", "system")
        )
        if is_model:
            ordered += waiting
            waiting = []
            has_calls = block.kind == "tool_call" or (
                has_calls and ordered[-1:] != [] and ordered[-1].kind == "tool_call"
            )
            ordered.append(block)
        elif has_calls and block.kind != "tool_use":
            waiting.append(block)
        else:
            ordered.append(block)
    return [*ordered, *waiting]

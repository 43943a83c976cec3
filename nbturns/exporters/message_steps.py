"""A conversation as steps: prompts, replies of a model, and results of tools, in the order of its blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..render.text import result_text
from ..values.blocks import Block
from ..values.frozen_json import thaw
from ..values.inference_results import InferenceResult
from ..values.turns import Run, Turn

PROMPT_KINDS = ("system", "user")
REPLY_ORDER = {"reasoning": 0, "llm_text": 1, "tool_call": 2}  # of the blocks in one reply


@dataclass(slots=True)
class Step:
    """A prompt, a reply with its blocks, or one result; `start` is the index of its first block."""

    kind: str  # "prompt", "reply" or "result"
    start: int
    blocks: list[Block] = field(default_factory=list)

    @property
    def result(self) -> InferenceResult | None:
        """The result of the model call of a reply."""
        return next((block.inference for block in self.blocks if block.inference is not None), None)

    def of_kind(self, kind: str) -> list[Block]:
        return [block for block in self.blocks if block.kind == kind]

    def continues_with(self, block: Block) -> bool:
        """Return whether a block belongs to this reply: in the order of replies, and of the same model call."""
        last = self.blocks[-1]
        order, last_order = REPLY_ORDER[block.kind], REPLY_ORDER[last.kind]
        is_later = order > last_order or order == last_order == REPLY_ORDER["tool_call"]
        return self.kind == "reply" and is_later and block.inference_id == last.inference_id


def runs_of(value: Turn | Run | Sequence[Run]) -> Sequence[Run]:
    """Return the Runs of one conversation or of several."""
    if isinstance(value, Run):
        return (value,)
    return (Run((value,)),) if isinstance(value, Turn) else value


def conversation_steps(value: Turn | Run) -> Iterator[Step]:
    """Yield the steps of a Turn, or of the latest Turn of a Run; blocks of unknown kinds are left out."""
    turn = value.latest if isinstance(value, Run) else value
    step: Step | None = None
    for index, block in enumerate(turn.blocks):
        if block.kind in REPLY_ORDER and step is not None and step.kind == "reply" and step.continues_with(block):
            step.blocks.append(block)
            continue
        kind = "prompt" if block.kind in PROMPT_KINDS else "reply" if block.kind in REPLY_ORDER else "result"
        if kind == "result" and block.kind != "tool_use":
            continue
        if step is not None:
            yield step
        step = Step(kind, index, [block])
    if step is not None:
        yield step


def json_text(value: Any) -> str:
    """Return JSON text; values that are not JSON as their repr."""
    return json.dumps(thaw(value), ensure_ascii=False, default=repr)


def arguments_text(call: Block) -> str:
    """Return the arguments of a call as JSON text, or as the model wrote them."""
    raw = call.payload.get("args_raw") or call.payload.get("args")
    return raw if isinstance(raw, str) else json_text(call.args)


def answer_text(block: Block) -> str | None:
    """Return a result, then the message of its error, as text; None for neither."""
    texts = [*([] if block.result is None else [result_text(block.result)]), *([block.error] if block.error else [])]
    return "\n".join(texts) if texts else None

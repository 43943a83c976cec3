"""The model calls of a Codex rollout, which its token counts name.

Sources: see `codex.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, Usage, unchecked_result
from ..values.provenance import TIMESTAMP
from .kit.prices import priced
from .kit.record_fields import to_number, token_usage
from .kit.transcript import Transcript

COUNT_NAMES = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_output_tokens")


def usage_of(counts: Any) -> Usage | None:
    """Return the tokens of a count of Codex: the input includes the cache, the output the reasoning."""
    if not isinstance(counts, (dict, Mapping)):
        return None
    input_tokens, output_tokens, cached_tokens, reasoning_tokens = (counts.get(name) for name in COUNT_NAMES)
    return token_usage(input_tokens, output_tokens, cache_read_tokens=cached_tokens, reasoning_tokens=reasoning_tokens)


class CallTracker:
    """Gives the blocks of a reply one result, and to this result the tokens of the count that follows.

    A count that repeats the total of the one before it is not a call: Codex writes it when its rate limits change.
    """

    model: str

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.model = ""
        self.calls_without_blocks: list[InferenceResult] = []
        self._result: InferenceResult | None = None  # of the reply that is being read
        self._first_block = 0
        self._is_ended = False
        self._call_count = 0
        self._total: Any = None

    def result_of_blocks(self) -> InferenceResult:
        """Return the result for the next blocks of the model: that of the reply, or of a new one."""
        if self._result is None or self._is_ended:
            self._result, self._is_ended = self._new_result(None), False
            self._first_block = len(self.transcript.blocks)
        return self._result

    def end_reply(self) -> None:
        """End the reply before a prompt or a result; its token count may still come."""
        self._is_ended = True

    def count(self, info: Any) -> None:
        """Take a token count: that of the last reply without one, else of a call that left no block."""
        if not isinstance(info, (dict, Mapping)):
            return
        total, last_counts = info.get("total_token_usage"), info.get("last_token_usage")
        if total is not None and total == self._total:
            return
        usage = usage_of(last_counts) or usage_of(_difference(total, self._total))
        self._total = total
        self.model = info["model"] if isinstance(info.get("model"), str) else self.model
        if usage is None:
            return
        if self._result is None:
            self.calls_without_blocks.append(priced(self._new_result(usage), self.transcript.notes, None))
            return
        result = self._result.replace(usage=usage, model=self._result.model or self.model)
        blocks = self.transcript.blocks
        if self._first_block < len(blocks):
            result = priced(result, self.transcript.notes, blocks[self._first_block].metadata.raw(TIMESTAMP))
        for index in range(self._first_block, len(blocks)):
            block = blocks[index]
            if block.inference_id == result.inference_id:
                values = {
                    INFERENCE_RESULT.name: (INFERENCE_RESULT.type, result),
                    INFERENCE_ID.name: result.inference_id,
                }
                blocks[index] = block.with_signature(block.id, block.metadata.with_stored_values(values))
        self._result = None

    def _new_result(self, usage: Usage | None) -> InferenceResult:
        self._call_count += 1
        inference_id = f"{self.transcript.key}/call-{self._call_count}".lstrip("/")
        return unchecked_result(inference_id=inference_id, provider="openai", model=self.model, usage=usage)


def _difference(total: Any, earlier_total: Any) -> Any:
    """Return the counts of a call as the difference of two totals."""
    if not isinstance(total, Mapping):
        return None
    earlier_counts = earlier_total if isinstance(earlier_total, Mapping) else {}
    counts = {name: to_number(total.get(name)) for name in COUNT_NAMES}
    return {
        name: count - (to_number(earlier_counts.get(name)) or 0) for name, count in counts.items() if count is not None
    }

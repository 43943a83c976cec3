"""The frame of contexts: shares of a request, the first change, and tokens that were billed again."""

from __future__ import annotations

import pytest

import nbturns as nt


def reply(number: int, text: str, **counts: int) -> nt.Block:
    usage = nt.Usage(**counts) if counts else None
    result = nt.InferenceResult(inference_id=f"call-{number}", usage=usage)
    block = nt.assistant(text).with_metadata(nt.keys.INFERENCE_RESULT, result)
    return block.with_metadata(nt.keys.INFERENCE_ID, result.inference_id)


def test_a_request_is_what_stands_before_the_reply() -> None:
    first = nt.Turn((nt.system("s" * 30), nt.user("u" * 10), reply(0, "one", input_tokens=80, output_tokens=1)))
    second = first + nt.user("v" * 40) + reply(1, "two", input_tokens=166, output_tokens=1, cached_tokens=60)
    frame = nt.context(nt.Run((first, second), id="r"))
    assert list(frame.columns)[:10] == [
        *("run_id", "inference_index", "inference_id", "block_index", "block_id"),
        *("kind", "tokens", "share", "changed", "rebilled_tokens"),
    ]
    assert list(frame.inference_index) == [0, 0, 1, 1, 1, 1]
    assert list(frame.tokens[:2]) == [60, 20]
    assert frame.groupby("inference_id").share.sum().tolist() == pytest.approx([1, 1])
    assert not frame.changed.any()
    assert list(frame.rebilled_tokens[2:]) == [0, 20, 0, 0]


def test_a_changed_block_is_where_the_cache_breaks() -> None:
    first = nt.Turn((nt.system("a"), nt.user("hi"), reply(0, "one")))
    second = nt.Turn((nt.system("b"), *first[1:], nt.user("more"), reply(1, "two")))
    frame = nt.context(nt.Run((first, second)))
    assert list(frame.changed) == [False, False, True, True, True, True]
    assert frame.rebilled_tokens.isna().all()
    assert (frame.tokens >= 1).all()

"""The recorded traffic of one family of providers, and what each case is expected to say."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import nbturns as nt
from nbturns.engines import decode


class Case(NamedTuple):
    id: str
    session: str
    endpoint: str
    stream: bool
    status: int
    content_type: str
    request: dict[str, Any] | None
    body: bytes
    chunks: tuple[int, ...]
    expected: dict[str, Any]
    headers: dict[str, str] = {}  # of the answer


def loader(data: Path) -> ModuleType:
    """`tools/wiredata.py` of the recorded data, used from where it lies."""
    spec = importlib.util.spec_from_file_location("wiredata", data / "tools" / "wiredata.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recorded(data: Path, family: str) -> Iterator[Case]:
    """The recorded cases of a family, in order, sessions by their sequence."""
    root = data / "wire" / "dev"
    wiredata = loader(data)
    lines = (root / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    expected = {one["id"]: one for one in map(json.loads, lines)}
    for cases in wiredata.sessions(str(root), family=family).values():
        for case in cases:
            yield _case(case, wiredata.body_bytes(case), expected[case["id"]])


def edges(data: Path, family: str) -> Iterator[Case]:
    """The faults made from recorded streams, and the documented error replies."""
    folder = data / "wire" / "dev" / "edge"
    wiredata = loader(data)
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["family"] == family:
            yield _case(case, wiredata.body_bytes(case | {"dir": str(folder)}), case["expect"])


def _case(raw: dict[str, Any], body: bytes, expected: dict[str, Any]) -> Case:
    return Case(
        id=raw["id"],
        session=raw.get("session", ""),
        endpoint=raw.get("endpoint", "messages"),
        stream=bool(raw.get("stream")),
        status=raw["response"]["status"],
        content_type=raw["response"]["headers"].get("content-type", ""),
        request=(raw.get("request") or {}).get("json"),
        body=body,
        chunks=tuple(raw.get("chunks", ())),
        expected=expected,
        headers=dict(raw["response"]["headers"]),
    )


# What each answer says.


def said(turn: nt.Turn) -> dict[str, Any]:
    """What a Turn of one call says, as the expectations of the recorded data say it."""
    [result] = turn.inferences
    texts = {"text": turn.of_kind("llm_text"), "reasoning": turn.of_kind("reasoning")}
    return {
        "response_id": result.response_id,
        "model": result.model,
        "stop": result.stop_reason,
        **{name: digest("".join(block.text for block in blocks)) for name, blocks in texts.items()},
    }


def digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def digests(expected: Mapping[str, Any]) -> dict[str, Any]:
    return {name: expected[name]["sha1"] for name in ("text", "reasoning")}


def missing(expected: Any, got: Any) -> bool:
    """Whether something the provider said is not there; the oracle writes null for what was not said."""
    if isinstance(expected, dict):
        return not isinstance(got, dict) or any(missing(value, got.get(name)) for name, value in expected.items())
    return expected is not None and not isinstance(expected, list) and expected != got


def read_in_any_pieces(tape: Iterable[Case], read: Callable[..., Any]) -> None:
    """Assert that a stream says the same whatever pieces it comes in."""
    chance = random.Random(7)
    for case in tape:
        if case.stream and case.expected["ok"]:
            whole = read(case.body)[:2]
            for size in (1, 2, 3, 7, 64, 512, 4096)[chance.randrange(7) :][:2]:
                assert read(case.body, range(size, len(case.body), size))[:2] == whole, (case.id, size)


def fate(case: Case, provider: str, read: Callable[..., Any], finish: Mapping[str, str] | None = None) -> str:
    """How an answer ends: ok, cut or error; with what else is expected of it. `finish`: our words for its classes."""
    try:
        turn = decode(provider, case.body, case.content_type, status=case.status)
    except nt.EngineError as error:
        assert error.kind == case.expected.get("type", error.kind)
        assert case.expected.get("message", "") in str(error)
        assert provider != "gemini" or error.retry_after == case.expected.get("wait")  # others say it in a header
        assert error.turn.inferences[0].finish_class == nt.FinishClass.ERROR
        assert len(error.turn) or case.status != 200 or provider == "openai"
        return "cut" if error.kind == "stream_cut" else "error"
    [result] = turn.inferences
    expected = case.expected.get("finish_class", result.finish_class)
    assert result.finish_class == (finish or {}).get(expected, expected)
    assert result.truncated == case.expected.get("truncated", result.truncated)
    if case.chunks:
        assert read(case.body, case.chunks)[:2] == read(case.body)[:2]
    return "ok"

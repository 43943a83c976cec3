"""The recorded traffic of one family of providers, and what each case is expected to say."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple


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

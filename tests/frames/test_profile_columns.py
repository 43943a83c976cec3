"""Frames say which profile a Turn ran with, and whether two were asked the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbturns as nt
from nbturns import frames

FRAMES = (frames.turns, frames.inferences)


def asked(overrides: dict[str, Any]) -> nt.Session:
    profiles = nt.load_profiles(
        {"slug": "team", "profiles": {"p": {"engine": "openai:gpt-5", "allow_overrides": True}}}, env_file=None
    )
    session = profiles["p"].session(engine=nt.scripted("one", "two"), overrides=overrides)
    for prompt in ("a", "b"):
        session.ask(prompt).result(timeout=60)
    return session


@pytest.mark.parametrize("frame", FRAMES)
def test_runs_of_a_sweep_are_grouped_by_their_signature(frame: Any) -> None:
    sessions = [asked({"max_tokens": tokens}) for tokens in (100, 200)] + [asked({"max_tokens": 100, "limit": 3})]
    rows = frame(sessions)

    assert {*rows.profile} == {"team/p"}
    one, two, three = ({*group.signature} for _, group in rows.groupby("run_id", sort=False))
    assert one == three
    assert one != two
    assert one == {sessions[0].turns[-1].metadata[nt.keys.RUNTIME]["runtime_fingerprint"]}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("backend", ["pandas", "polars", "arrow"])
def test_every_backend_has_profile_and_signature(frame: Any, backend: str) -> None:
    made = frame(asked({}), backend=backend)
    columns = made.to_pydict() if backend == "arrow" else {name: [*made[name]] for name in ("profile", "signature")}

    assert columns["profile"] == ["team/p"] * 2
    assert [len(one) for one in columns["signature"]] == [64, 64]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("frame", FRAMES)
def test_a_partition_of_dask_has_profile_and_signature_as_texts(frame: Any, tmp_path: Path) -> None:
    paths = [nt.save(asked({"max_tokens": tokens}).run, tmp_path / f"{tokens}.jsonl") for tokens in (100, 200)]

    lazy = frame(paths, backend="dask")
    made = lazy.compute(scheduler="synchronous")

    assert [lazy.dtypes[name] for name in ("profile", "signature")] == ["string", "string"]
    assert [*made.profile] == ["team/p"] * 4
    assert [*made.signature] == [*frame(paths).signature]
    assert made.signature.nunique() == 2


@pytest.mark.parametrize("suffix", ["yaml", "jsonl", "json"])
def test_a_file_tells_what_its_session_tells(suffix: str, tmp_path: Path) -> None:
    session = asked({})
    path = tmp_path / f"run.{suffix}"
    nt.save(session.run, path)
    for frame in FRAMES:
        assert [*frame(str(path)).signature] == [*frame(session).signature]
        assert [*frame(str(path)).profile] == ["team/p", "team/p"]


@pytest.mark.parametrize(
    ("runtime", "profile", "signature"),
    [
        ("team/p", "team/p", None),  # as geppetto wrote it once
        ({"runtime_key": "a/b", "runtime_fingerprint": "{}"}, "a/b", "{}"),
        ({"runtime_key": 3, "runtime_fingerprint": ["x"]}, None, None),
        ({"runtime_key": ""}, None, None),
        (["a"], None, None),
        (None, None, None),
    ],
)
def test_whatever_stands_there_is_read_or_left_out(runtime: Any, profile: str | None, signature: str | None) -> None:
    turn = nt.turn("x").with_metadata(nt.keys.RUNTIME, runtime)
    rows = frames.turns(turn)

    for name, wanted in (("profile", profile), ("signature", signature)):
        assert rows[name].dtype == "string"
        assert (None if pd.isna(rows[name][0]) else rows[name][0]) == wanted

"""Clients of clouds, counting, recording, what is kept of a call, and that no key is seen anywhere."""

from __future__ import annotations

import base64
import binascii
import json
import pickle
import struct
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.engines.transports.aws_event_stream import as_server_sent_events
from nbturns.runtime.background_loop import Waiting
from nbturns.testing import Exchange, serve
from nbturns.testing.exchanges import read_exchanges
from nbturns.testing.server import Server
from tests import dialects
from tests.dialects import DIALECTS, KEY


def engine(server: Server, name: str, before: str = "", **params: Any) -> nt.engines.ProviderEngine:
    return dialects.engine(server, name, before, retries=0, **params)


def answered(client: Any, name: str) -> str:
    turn = nt.Session(nt.engine(name, client=client, retries=0)).ask("Say hello.").result(60)
    Waiting(client.close()).result(60)
    return turn.text


# Clients of clouds.


def test_azures_client_finds_its_own_way(server: Server) -> None:
    openai = pytest.importorskip("openai")
    client = openai.AsyncAzureOpenAI(azure_endpoint=server.url, api_key=KEY, api_version="2025-04-01-preview")

    assert answered(client, "openai-chat:my-deployment").startswith("Hello!")
    assert server.log[0]["path"] == "/openai/deployments/my-deployment/chat/completions?api-version=2025-04-01-preview"


def test_vertexs_client_finds_its_own_way(server: Server) -> None:
    anthropic = pytest.importorskip("anthropic")
    hello = next(one for one in server.exchanges if one.id == "anthropic-hello-stream")
    url = f"{server.url}/_case/{hello.id}"
    client = anthropic.AsyncAnthropicVertex(region="r", project_id="p", access_token=KEY, base_url=url)

    assert answered(client, "anthropic:claude-sonnet-4-6").startswith("Hello!")
    assert "/publishers/anthropic/models/claude-sonnet-4-6:streamRawPredict" in server.log[0]["path"]
    assert "anthropic_version" in server.log[0]["json"]


def frame(payload: bytes, **headers: str) -> bytes:
    """A frame of Amazon's event stream."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    whole = prelude + struct.pack(">I", binascii.crc32(prelude)) + head + payload
    return whole + struct.pack(">I", binascii.crc32(whole))


def amazon(stream: bytes) -> bytes:
    """An event stream of Anthropic's, as Bedrock sends it."""
    events = [line.removeprefix(b"data: ") for line in stream.splitlines() if line.startswith(b"data: ")]
    said = [json.dumps({"bytes": base64.b64encode(event).decode()}).encode() for event in events]
    return b"".join(frame(one, **{":event-type": "chunk", ":message-type": "event"}) for one in said)


def test_bedrocks_client_and_its_frames_are_read() -> None:
    anthropic = pytest.importorskip("anthropic")
    hello = next(one for one in read_exchanges() if one.id == "anthropic-hello-stream")
    headers = {"content-type": "application/vnd.amazon.eventstream"}
    bedrock = Exchange(id="b", status=200, headers=headers, body=amazon(hello.body))
    with serve(exchanges=[bedrock]) as server:
        url = f"{server.url}/_case/b"
        client = anthropic.AsyncAnthropicBedrock(aws_region="us-east-1", api_key=KEY, base_url=url)

        assert answered(client, "anthropic:claude-x").startswith("Hello!")
    assert server.log[0]["path"].endswith("/model/claude-x/invoke-with-response-stream")


async def _read(pieces: list[bytes]) -> bytes:
    async def chunks() -> Any:
        for piece in pieces:
            yield piece

    return b"".join([event async for event in as_server_sent_events(chunks())])


@given(st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_any_bytes_are_events_or_an_error(raw: bytes, size: int, framed: bool) -> None:
    raw = frame(raw) if framed else raw

    try:
        Waiting(_read([raw[at : at + size] for at in range(0, len(raw), size)])).result(60)
    except nt.EngineError as error:
        assert error.kind


def test_an_exception_in_amazons_stream_is_an_error() -> None:
    headers = {":message-type": "exception", ":exception-type": "throttlingException"}

    with pytest.raises(nt.EngineError, match="Too many requests") as caught:
        Waiting(_read([frame(b'{"message": "Too many requests"}', **headers)])).result(60)
    assert caught.value.kind == "throttlingException"


def test_without_any_sdk_every_provider_is_asked_by_httpx(server: Server) -> None:
    script = f"""
import sys
for name in ("openai", "anthropic"):
    sys.modules[name] = None
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ("openai", "anthropic") else found(name, *rest)
import nbturns as nt
for name, base in {DIALECTS}.items():
    engine = nt.engine(name, base_url={server.url!r} + base, api_key="k-none")
    print(nt.Session(engine).ask("Say hello.").result(60).text)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert told.stdout.splitlines() == ["Hello! What shall we look at?"] * 4


def test_sampling_goes_to_the_version_that_takes_it(server: Server) -> None:
    asked: list[dict[str, Any]] = [{"temperature": 0.5}, {}]
    for params in asked:
        nt.Session(engine(server, "anthropic:claude-sonnet-4-6", **params)).ask("Say hello.").result(60)

    assert [entry["headers"]["anthropic-version"] for entry in server.log] == ["2023-06-01", "2026-10-21"]


# Counting.


@pytest.mark.parametrize("name", DIALECTS)
def test_tokens_are_counted_by_the_provider_or_estimated_and_it_says_which(server: Server, name: str) -> None:
    count = engine(server, name, max_tokens=9).count_tokens(nt.turn("Say hello.", system="Be brief.")).result(60)

    if name.startswith("openai-chat"):
        assert (count.source, len(server.log), 5 < count.input_tokens < 60) == ("estimate", 0, True)
        assert repr(count).startswith("<about ")
    else:
        assert (count.input_tokens, count.source) == (12, "provider_api")
        assert "max" not in json.dumps(server.log[0]["json"]) or name.startswith("gemini")


def test_a_server_that_does_not_count_is_estimated_and_a_refusal_is_told(server: Server) -> None:
    absent = engine(server, "openai:gpt-5.1", "/_fault/status=404")
    refused = engine(server, "openai:gpt-5.1", "/_fault/status=401")

    assert absent.count_tokens("x").result(60).is_estimate
    with pytest.raises(nt.EngineError) as caught:
        refused.count_tokens("x").result(60)
    assert caught.value.status == 401


# What is kept.


@pytest.mark.parametrize("name", DIALECTS)
def test_what_went_over_the_wire_can_be_looked_at(server: Server, name: str) -> None:
    plain = nt.Session(engine(server, name)).ask("Say hello.").result(60)
    kept = nt.Session(engine(server, name, raw=True)).ask("Say hello.").result(60)
    short = nt.Session(engine(server, name, raw=50)).ask("Say hello.").result(60)

    raw, cut = kept.inferences[0].raw, short.inferences[0].raw
    assert plain.inferences[0].raw is None
    assert raw is not None and cut is not None
    assert raw["request"] == server.log[1]["json"]
    assert "Hello!" in raw["response"].replace('"}', "") or "Hello" in raw["response"]
    assert len(cut["response"]) == len(cut["request"]) == 50
    assert cut["cut"] > 50


@pytest.mark.parametrize("name", DIALECTS)
def test_a_recording_is_played_back_and_holds_no_key(server: Server, name: str, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    live = nt.Session(engine(server, name, record=str(file))).ask("Say hello.").result(60)
    nt.Session(engine(server, name, record=file)).ask("Please count to forty.").result(60)

    with serve(file) as again:
        played = nt.Session(engine(again, name)).ask("Say hello.").result(60)

    assert played.same_content(live)
    assert [entry["difference"] for entry in again.log] == [[]]
    assert len(file.read_text().splitlines()) == 2
    assert KEY not in file.read_text()


# Secrets.


@pytest.mark.parametrize("name", DIALECTS)
def test_a_key_is_seen_nowhere(
    server: Server, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    made = engine(server, name, raw=True, record=tmp_path / "r.jsonl")
    tape = nt.cassette(tmp_path / "c.yaml", record=True)
    session = nt.Session(made, middleware=[tape])
    turn = session.ask("Say hello.").result(60)
    shown = [made, made.describe(), made.transport, session, str(session), tape, turn, turn.to_yaml(), session.run]
    nt.save(session, tmp_path / "run.json")
    nt.save(session, tmp_path / "run.html")

    for fault in ("status=401", "status=500", "cut=50"):
        with pytest.raises(nt.EngineError) as caught:
            nt.Session(engine(server, name, f"/_fault/{fault}", raw=True)).ask("Say hello.").result(60)
        shown += [caught.value, vars(caught.value), *traceback.format_exception(caught.value)]
        shown += [caught.value.turn.to_yaml()]
    with pytest.raises(nt.EngineError) as caught:
        nt.engine(name, base_url="http://127.0.0.1:9", api_key=KEY, retries=0).count_tokens("x" * 10).result(
            20
        ) if not name.startswith("openai-chat") else nt.Session(
            nt.engine(name, base_url="http://127.0.0.1:9", api_key=KEY, retries=0)
        ).ask("x").result(60)
    shown += [caught.value, *traceback.format_exception(caught.value)]

    files = [file.read_text() for file in tmp_path.iterdir()]
    assert len(files) == 4
    assert KEY not in "".join([*map(repr, shown), *map(str, shown), *files, *capsys.readouterr(), caplog.text])
    assert KEY not in json.dumps(server.log)


def test_a_model_near_its_end_is_asked_where_warnings_are_errors(server: Server) -> None:
    import anthropic

    listed = {name for part in get_args(anthropic.types.Model) for name in get_args(part)}
    warned = []
    with anthropic.Anthropic(base_url=server.url, api_key=KEY) as client:
        for name in sorted(listed):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                client.messages.create(model=name, max_tokens=9, messages=[{"role": "user", "content": "Say hello."}])
            warned += [name for warning in caught if issubclass(warning.category, DeprecationWarning)]
    assert warned, f"anthropic warns of none of its models: {sorted(listed)}"

    for name in warned:
        engine = nt.engine(f"anthropic:{name}", base_url=server.url, api_key=KEY)
        assert nt.Session(engine).ask("Say hello.").result(60).text


@pytest.mark.parametrize("name", DIALECTS)
def test_a_result_stays_small_and_repeats_neither_answer_nor_settings(server: Server, name: str) -> None:
    turn = nt.Session(engine(server, name), system="Be brief.").ask("Please count to forty.").result(60)

    told = json.dumps(turn.inferences[0].to_dict())
    assert turn.text not in told and "Be brief." not in told
    assert len(told) < 1_000


@pytest.mark.parametrize("name", ["anthropic:claude-sonnet-4-6", "gemini:gemini-2.5-flash"])
def test_a_key_goes_into_no_pickle(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(variable, KEY)

    with pytest.raises(nt.MisuseError, match="set [A-Z]+_API_KEY instead"):
        pickle.dumps(nt.engine(name, api_key=KEY))
    with pytest.raises(nt.MisuseError, match="cannot be pickled"):
        pickle.dumps(nt.engine(name, headers={"Authorization": f"Bearer {KEY}"}))
    kept = pickle.dumps(nt.engine(name))
    assert KEY.encode() not in kept
    assert pickle.loads(kept).describe() == nt.engine(name).describe()


@pytest.mark.parametrize("name", DIALECTS)
def test_no_name_in_a_traceback_holds_a_key_of_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(variable, KEY)
    with pytest.raises(nt.EngineError) as caught:
        nt.Session(nt.engine(name, base_url="http://127.0.0.1:9", retries=0)).ask("x").result(60)

    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(told.format())

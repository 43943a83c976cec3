"""Whole recorded conversations, and every fault, over real sockets: sessions, tool loops, SDK clients and plain httpx.

What each provider said comes from the local server byte for byte; what arrives there is
compared with what the recording client sent.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, find
from nbturns.engines.anthropic.request import history as claude_history
from nbturns.runtime.background_loop import Waiting
from nbturns.testing import Exchange
from nbturns.testing.exchanges import FAMILY_PATHS, without_stream_fields
from nbturns.testing.server import Server, serve
from tests.engines.anthropic import test_recorded_traffic as anthropic
from tests.engines.gemini import test_recorded_traffic as gemini
from tests.engines.openai_chat import test_recorded_traffic as chat
from tests.engines.openai_responses import test_recorded_traffic as responses
from tests.engines.recorded_traffic import Case, edges, recorded

KEY = "sk-MARKER-never-to-be-seen"
SAID = {"model", "messages", "system", "input", "instructions", "contents", "systemInstruction", "system_instruction"}
Blocks = tuple[nt.Block, ...]


@dataclass(frozen=True)
class Family:
    """How one family's recorded tests read, compare and go on from a request."""

    prefix: str
    module: Any
    base: str
    compare: Callable[[Any], Any]
    beyond: Callable[[Case, Case, nt.Turn], Blocks]  # what the user's side added to the next request
    same: Callable[[Any, Any], bool] = lambda recorded, ours: bool(recorded == ours)


def _claude(early: Case, late: Case, reply: nt.Turn) -> Blocks:
    assert early.request is not None and late.request is not None
    added = list[nt.Block]()
    for message in anthropic.plain(late.request["messages"])[len(anthropic.plain(early.request["messages"])) + 1 :]:
        if message["role"] == "user":
            added += map(anthropic.fresh, message["content"])
        else:
            added += claude_history({"messages": [message]})
    return tuple(added)


def _chat(early: Case, late: Case, reply: nt.Turn) -> Blocks:
    assert early.request is not None and late.request is not None
    rest = late.request["messages"][len(early.request["messages"]) + 1 :]
    return tuple(block for message in rest for block in chat.fresh(message))


def _responses(early: Case, late: Case, reply: nt.Turn) -> Blocks:
    assert early.request is not None and late.request is not None
    asked, start = responses.listed(late.request["input"]), len(responses.listed(early.request["input"]))
    ids = responses.renamed(asked[start : start + len(reply)], reply)
    return tuple(block for item in asked[start + len(reply) :] for block in responses.fresh(item, ids))


def _gemini(early: Case, late: Case, reply: nt.Turn) -> Blocks:
    assert early.request is not None and late.request is not None
    rest = gemini.plain(late.request)[len(gemini.plain(early.request)) + 1 :]
    return tuple(gemini.fresh(part) for content in rest for part in content["parts"])


def _without_ids(body: Any) -> Any:
    items = responses.listed(body["input"])
    ids = dict.fromkeys(item["call_id"] for item in items if "call_id" in item)
    return responses.plain(items, {id: f"call {number}" for number, id in enumerate(ids)})


FAMILIES = {
    "anthropic_messages": Family("anthropic", anthropic, "", lambda body: anthropic.plain(body["messages"]), _claude),
    "openai_chat": Family("openai-chat", chat, "/v1", lambda body: chat.plain(body["messages"]), _chat),
    "openai_responses": Family("openai", responses, "/v1", _without_ids, _responses, responses.says),
    "gemini": Family("gemini", gemini, "", gemini.plain, _gemini),
}
ANSWERS = ("messages", "chat.completions", "responses", "generateContent", "streamGenerateContent")
WAYS = [(family, way) for family in FAMILIES for way in ("sdk", "httpx") if (family, way) != ("gemini", "sdk")]


def chains(family: str, tape: Sequence[Case]) -> Iterator[list[Case]]:
    """Conversations of at least two requests, each going on from the one before as nobody had changed it."""
    module = FAMILIES[family].module
    for _, cases in itertools.groupby((case for case in tape if case.session), lambda case: case.session):
        chain: list[Case] = []
        for case in cases:
            if case.request is None or case.endpoint not in ANSWERS or case.status != 200 or not case.expected["ok"]:
                continue
            if chain and module.goes_on(chain[-1], case) and case.id not in module.CHANGED:
                chain.append(case)
                continue
            if len(chain) > 1:
                yield chain
            chain = [case]
        if len(chain) > 1:
            yield chain


def exchange(case: Case, family: str, session: str = "", seq: int = 0) -> Exchange:
    return Exchange(
        id=case.id,
        path=FAMILY_PATHS[family],
        request=case.request,
        status=case.status,
        headers={**case.headers, "content-type": case.content_type},
        body=case.body,
        session=session,
        seq=seq,
        chunks=case.chunks,
    )


def client(family: str, way: str) -> Any:
    """One client for all engines of a test: an official one, or httpx alone."""
    if way == "sdk" and family == "anthropic_messages":
        return pytest.importorskip("anthropic").AsyncAnthropic(api_key=KEY)
    if way == "sdk":
        return pytest.importorskip("openai").AsyncOpenAI(api_key=KEY)
    header = {"anthropic_messages": "x-api-key", "gemini": "x-goog-api-key"}.get(family, "authorization")
    return pytest.importorskip("httpx").AsyncClient(headers={header: KEY})


@pytest.fixture
def carrier(family: str, way: str) -> Iterator[Any]:
    made = client(family, way)
    yield made
    Waiting(made.close() if way == "sdk" else made.aclose()).result(60)


def engine(family: str, url: str, carrier: Any, case: Case) -> Any:
    """An engine that asks as the recording client did."""
    of, asked = FAMILIES[family], case.request or {}
    given = {name: value for name, value in asked.items() if name not in SAID and name != "stream"}
    own: dict[str, Any] = {"client": carrier, "base_url": url + of.base}
    if hasattr(carrier, "with_options"):
        own = {"client": carrier.with_options(base_url=url + of.base)}
    if given:
        own["extra_body"] = given
    stream = case.stream or bool(asked.get("stream"))
    return nt.engine(f"{of.prefix}:{asked.get('model') or 'gemini-2.5-flash'}", stream=stream, retries=0, **own)


@pytest.fixture(scope="module")
def tapes(shared: Path) -> dict[str, tuple[Case, ...]]:
    return {family: tuple(recorded(shared, family)) for family in FAMILIES}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of clients, for models that are no longer served
@pytest.mark.parametrize(("family", "way"), WAYS)
def test_recorded_conversations_run_through_a_session(
    tapes: dict[str, tuple[Case, ...]], family: str, carrier: Any
) -> None:
    held = list(chains(family, tapes[family]))
    assert len(held) > 20
    made = [exchange(case, family, f"chain{n}", at) for n, chain in enumerate(held) for at, case in enumerate(chain)]
    streamed = 0

    with serve(exchanges=made) as server:
        for number, chain in enumerate(held):
            server.log.clear()
            converse(server, family, carrier, number, chain)
            asked = [entry["json"] for entry in server.log]
            assert len(asked) == len(chain), [case.id for case in chain]
            for case, arrived in zip(chain, asked, strict=True):
                of = FAMILIES[family]
                assert of.same(of.compare(case.request), of.compare(arrived)), case.id
                assert others(arrived) == others(chain[0].request), case.id  # and the parameters, as they were given
            streamed += any(case.stream for case in chain)
    assert 0 < streamed < len(held)


def others(asked: Any) -> Any:
    return {name: value for name, value in without_stream_fields(asked).items() if name not in SAID}


def converse(server: Server, family: str, carrier: Any, number: int, chain: list[Case]) -> None:
    """Play a conversation: the model's side from the server, the user's and the tools' as they were recorded."""
    of, first = FAMILIES[family], chain[0]
    asks = engine(family, f"{server.url}/_session/chain{number}", carrier, first)
    start = find(of.prefix).history
    assert start is not None
    session = nt.Session(asks)
    execution = session.ask(start(first.request or {}), step={"post_inference"})
    pause = execution.next().result(60)
    for early, late in itertools.pairwise(chain):
        turn = execution.turn if pause is None else pause.turn
        added = answering(turn, of.beyond(early, late, decode(of.prefix, early.body)))
        if pause is not None and len(pause.pending):
            pause = execution.step(turn + added).result(60)  # answered by hand; the loop goes on and asks again
            continue
        finish(execution)
        execution = session.ask(turn + added, step={"post_inference"})
        pause = execution.next().result(60)
    assert finish(execution).inferences


def finish(execution: nt.Execution) -> nt.Turn:
    if execution.status == "paused":
        execution.stop()
    return execution.result(60)


def answering(turn: nt.Turn, added: Blocks) -> Blocks:
    """Results with the ids that the calls have here: some providers give none."""
    waiting = [call.tool_call_id for call in turn.pending]
    made = []
    for block in added:
        if block.kind == "tool_use" and waiting:
            id = block.tool_call_id if block.tool_call_id in waiting else waiting[0]
            waiting.remove(id)
            block = block.edit(id=id)
        made.append(block)
    return tuple(made)


@pytest.mark.parametrize(("family", "way"), WAYS)
def test_every_fault_ends_as_it_should_over_a_socket(shared: Path, family: str, carrier: Any) -> None:
    cases = [case for case in edges(shared, family) if not written_over(case, family)]
    assert len(cases) >= 6

    with serve(exchanges=[exchange(case, family) for case in cases]) as server:
        for case in cases:
            of = FAMILIES[family]
            streams = "event-stream" in case.content_type
            asks = engine(family, f"{server.url}/_case/{case.id}", carrier, case._replace(stream=streams))
            assert ended(asks, of.prefix, case) == case.expected["outcome"], case.id


def written_over(case: Case, family: str) -> bool:
    """Whether the file holds a stream of the Responses API, whose cases have the same names."""
    return family == "openai_chat" and b"event: response." in case.body


def ended(asks: Any, prefix: str, case: Case) -> str:
    """How it ends, checked against what is expected: status, wait, kind, words, and what had come until then."""
    try:
        execution = nt.Session(asks).ask("x", step={"post_inference"})
        pause = execution.next().result(60)
        turn = execution.result(60) if pause is None else pause.turn
        execution.stop()
    except nt.EngineError as error:
        wanted = case.expected
        if wanted["outcome"] == "ok" and wanted.get("finish_class") == "error":  # the codec reads it, the engine raises
            assert said(error.turn[1:]) == said(decode(prefix, case.body, case.content_type))
            return "ok"
        assert error.status == (case.status if case.status != 200 else None)
        assert error.kind == wanted.get("type", error.kind)
        assert wanted.get("message", "") in str(error)
        if "wait" in wanted:
            assert error.retry_after == wanted["wait"]
        assert error.turn.inferences[-1].finish_class == nt.FinishClass.ERROR
        assert said(error.turn[1:]) == said(partial(prefix, case))
        assert KEY not in f"{error!r}{error.turn.to_yaml()}"
        return "cut" if error.kind == "stream_cut" else "error"
    assert said(turn[1:]) == said(decode(prefix, case.body, case.content_type))
    return "ok"


def partial(prefix: str, case: Case) -> nt.Turn:
    if case.status != 200:
        return nt.Turn()
    with pytest.raises(nt.EngineError) as caught:
        decode(prefix, case.body, case.content_type)
    turn: nt.Turn = caught.value.turn
    return turn


def said(turn: nt.Turn) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [(block.kind, block.text, block.args) for block in turn]

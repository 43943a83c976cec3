"""No key is seen anywhere: whatever its place, its name, its spelling, and whatever a server does with it."""

from __future__ import annotations

import json
import logging
import pickle
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython import version_info
from IPython.core.ultratb import VerboseTB

import nbturns as nt
from nbturns.safety.secret_texts import (
    looks_secret,
    names_a_secret,
    public_url,
    secrets_in,
    secrets_in_url,
    without_texts,
)
from tests.engines.scripted_server import Script, served

SECRET = "Zq81vX30mTr47bWn"
NAMES = ("openai:gpt-5.1", "openai-chat:m", "anthropic:claude-sonnet-4-6", "gemini:gemini-2.5-flash")
ERROR = {"error": {"message": f"key {SECRET} is wrong", "type": "invalid", "code": "bad", "status": "X"}}


NO_COLOR: dict[str, Any] = {"theme_name": "nocolor"} if version_info >= (9,) else {"color_scheme": "NoColor"}


def verbose(error: BaseException) -> str:
    """The traceback with the locals of our frames, as IPython, the standard library and a walk over them show it."""
    kind, value, tb = type(error), error, error.__traceback__
    lines = [VerboseTB(**NO_COLOR).text(kind, value, tb)]
    for one in (error, error.__cause__, error.__context__):
        if one is not None:
            lines.append("".join(traceback.TracebackException.from_exception(one, capture_locals=True).format()))
    parts = re.split(r"\n(?: *File |(?=\S+\.py in ))", "\n".join(lines))  # IPython 7: "path.py in function(…)"
    return "\n".join(part for part in parts if "/tests/" not in part.split("\n")[0])


def frames_of(error: BaseException) -> Iterator[dict[str, Any]]:
    for one in (error, error.__cause__, error.__context__):
        for frame, _ in traceback.walk_tb(one.__traceback__ if one else None):
            if "/nbturns/nbturns/" in frame.f_code.co_filename or "site-packages" in frame.f_code.co_filename:
                yield dict(frame.f_locals)
            elif Path(nt.__file__).parent in Path(frame.f_code.co_filename).parents:
                yield dict(frame.f_locals)


MISTAKES: dict[str, Callable[[], object]] = {
    "unknown parameter": lambda: nt.engine("openai:gpt-5", api_key=SECRET, temprature=1),
    "key as name": lambda: nt.engine(SECRET),
    "key with a prefix as name": lambda: nt.engine("sk-" + SECRET),
    "key as model": lambda: nt.engine("openai:sk-" + SECRET),
    "key as provider": lambda: nt.engine(f"{SECRET}:gpt-5"),
    "key in a list": lambda: nt.engine("openai:gpt-5", api_key=[SECRET]),
    "key in a dict": lambda: nt.engine("openai:gpt-5", api_key={"key": SECRET}),
    "key as bytes": lambda: nt.engine("anthropic:claude-x", api_key=SECRET.encode()),
    "misspelt": lambda: nt.engine("openai:gpt-5", api_kee=SECRET),
    "another name": lambda: nt.engine("openai:gpt-5", apikey=SECRET),
    "as a bearer": lambda: nt.engine("openai:gpt-5", bearer=SECRET),
    "camel case": lambda: nt.engine("gemini:g", apiKey=SECRET),
    "as a number": lambda: nt.engine("openai:gpt-5", temperature=SECRET),
    "in a list of a parameter": lambda: nt.engine("openai:gpt-5", stop=[SECRET, 1]),
    "as the name of a parameter": lambda: nt.engine("openai:gpt-5", **{SECRET: 1}),  # type: ignore[arg-type]
    "as headers": lambda: nt.engine("openai:gpt-5", headers=SECRET),
    "headers in a list": lambda: nt.engine("openai:gpt-5", headers=[("X-Auth", SECRET)]),
    "in an address with a wrong port": lambda: nt.engine("openai-chat:m", base_url=f"http://u:{SECRET}@h:port/v1"),
    "as the address": lambda: nt.engine("openai-chat:m", base_url=SECRET),
    "positional": lambda: nt.engine("openai:gpt-5", SECRET),  # type: ignore[arg-type,call-arg]
    "of a request": lambda: nt.engines.request("openai:gpt-5", nt.turn("x"), api_key=SECRET, temprature=1),
    "with a client": lambda: nt.engine("openai:gpt-5", client=object(), api_key=SECRET),
    "as the dialect": lambda: nt.engine("openai-chat:m", dialect=SECRET),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_shows_no_key(mistake: str) -> None:
    with pytest.raises((nt.NbturnsError, TypeError)) as caught:
        MISTAKES[mistake]()

    assert SECRET not in str(caught.value)
    assert SECRET not in verbose(caught.value)
    assert SECRET not in repr(list(frames_of(caught.value)))


PLACES: dict[str, dict[str, Any]] = {
    "api_key": {"api_key": SECRET},
    "a header": {"headers": {"X-Jwt": SECRET}},
    "a header of an ordinary name": {"headers": {"X-Tenant": SECRET}},
    "a bearer": {"headers": {"Authorization": f"Bearer {SECRET}"}},
    "userinfo": {"base_url": "http://user:" + SECRET + "@{host}{base}"},
    "a query": {"base_url": "http://{host}{base}?code=" + SECRET},
    "a query of another name": {"base_url": "http://{host}{base}?subscription=" + SECRET},
    "a path": {"base_url": "http://{host}/" + SECRET + "{base}"},
    "extra_body": {"extra_body": {"auth": SECRET}},
    "deep in extra_body": {"extra_body": {"sources": [{"authentication": {"key": SECRET}}]}},
    "an address in extra_body": {"extra_body": {"sources": [{"endpoint": f"https://x.test/a?sig={SECRET}"}]}},
    "userinfo in extra_body": {"extra_body": {"webhook": f"https://u:{SECRET}@x.test/"}},
}
BASES = {"openai": "/v1", "openai-chat": "/v1", "anthropic": "", "gemini": ""}


@pytest.mark.parametrize("place", PLACES)
def test_no_output_shows_a_key(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    name = NAMES[list(PLACES).index(place) % len(NAMES)]  # `make attack` looks at each place with each provider
    caplog.set_level(logging.DEBUG)
    with served(name, "unused-key") as server:
        base = BASES[name.partition(":")[0]]
        params = dict(PLACES[place])
        if "base_url" in params:
            params["base_url"] = params["base_url"].format(host=server.url.removeprefix("http://"), base=base)
        else:
            params["base_url"] = server.url + base
        echo = {"x-request-id": SECRET, "x-echo": SECRET}
        answer = Script(json.dumps(ERROR).encode(), status=401, content_type="application/json", headers=echo)
        answers = (answer, Script(b"{}", status=401) if "extra_body" in params else answer)
        engine = server.engine(*answers, raw=True, record=tmp_path / "calls.jsonl", **params)
        session = nt.Session(engine, middleware=[nt.cassette(tmp_path / "c.yaml", record=True)])
        with pytest.raises(nt.EngineError) as caught:
            session.ask("hello").result(60)
        with pytest.raises(nt.EngineError) as counting:
            if name.startswith("openai-chat"):
                raise nt.EngineError("counts nothing")
            engine.count_tokens("hello").result(60)

    nt.save(session, tmp_path / "run.yaml")
    nt.save(session, tmp_path / "run.html")
    texts = {path.name: path.read_text() for path in tmp_path.iterdir()}
    texts |= {"log": caplog.text, "output": "".join(capsys.readouterr()), "vars": repr(vars(engine))}
    texts |= {"describe": repr(engine.describe()), "repr": f"{engine} {session} {session!r} {engine.transport}"}
    for number, error in enumerate((caught.value, counting.value)):
        texts |= {f"error {number}": f"{error} {error.request_id} {vars(error)}", f"traceback {number}": verbose(error)}
        texts[f"locals {number}"] = repr(list(frames_of(error)))
    assert [where for where, text in texts.items() if SECRET in text or quote(SECRET) in text] == []
    assert server.asked


@pytest.mark.parametrize("name", ["httpx", "openai._base_client", "anthropic._base_client", "nbturns.engines"])
def test_an_exception_in_a_log_shows_no_key(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    engine = nt.engine("openai-chat:m", base_url=f"http://user:{SECRET}@model.test/v1", api_key="k")
    try:
        raise ConnectionError(f"error for url http://user:{SECRET}@model.test/v1")
    except ConnectionError:
        logging.getLogger(name).debug("an error", exc_info=True)

    assert "ConnectionError: error for url http://user:" in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in repr(engine)


def _chat_events(*pieces: str) -> bytes:
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in pieces
    ]
    choices[-1]["finish_reason"] = "stop"
    events = [
        {"id": f"c-{SECRET}", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
        for choice in choices
    ]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode() + b"data: [DONE]\n\n"


WHOLE_ANSWER = {
    "id": f"c-{SECRET}", "object": "chat.completion", "model": "m", "system_fingerprint": SECRET,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": f"it is {SECRET}."}, "finish_reason": "stop"}],
}  # fmt: skip
ANSWERS = {
    "whole": Script(json.dumps(WHOLE_ANSWER).encode(), content_type="application/json"),
    "stream": Script(_chat_events("it is ", SECRET, ".")),
    "stream in pieces": Script(_chat_events("it is ", SECRET[:5], SECRET[5:9], SECRET[9:] + ".")),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_key_that_the_answer_repeats_is_in_no_turn_and_no_file(answer: str, tmp_path: Path) -> None:
    with served("openai-chat:m", SECRET) as server:
        engine = server.engine(
            ANSWERS[answer], raw=True, record=tmp_path / "calls.jsonl", base_url=f"{server.url}/v1",
            api_key=SECRET, stream=answer != "whole",
        )  # fmt: skip
        session = nt.Session(engine, middleware=[nt.cassette(tmp_path / "c.yaml", record=True)])
        turn = session.ask("what is the key?").result(30)

    nt.save(session, tmp_path / "run.yaml")
    pieces = SECRET, SECRET[:5], SECRET[5:9], SECRET[9:]
    shown = {path.name: path.read_text() for path in tmp_path.iterdir()} | {"blocks": repr(list(turn))}
    assert turn.text == "it is …."
    assert [(where, piece) for where, text in shown.items() for piece in pieces if piece in text] == []


def test_an_ordinary_private_value_stays_in_the_answer() -> None:
    with served("openai-chat:m", "k" * 9) as server:
        engine = server.engine(
            Script(_chat_events("acme-corp it is")), base_url=f"{server.url}/v1", headers={"X-Tenant": "acme-corp"}
        )
        assert nt.Session(engine).ask("who?").result(30).text == "acme-corp it is"


def test_an_engine_with_a_secret_in_extra_body_is_not_pickled() -> None:
    engine = nt.engine("anthropic:claude-x", base_url="http://localhost:1", extra_body={"top_k": 3})

    assert pickle.loads(pickle.dumps(engine)).extra_body == {"top_k": 3}
    with pytest.raises(nt.MisuseError, match="extra_body"):
        pickle.dumps(nt.engine("anthropic:claude-x", base_url="http://localhost:1", extra_body={"auth": SECRET}))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_sends_nothing_there(name: str, status: int) -> None:
    with served(name, "k" * 9) as other, served(name, "k" * 9) as server:
        target = f"http://localhost:{other.server_port}/v1/x?key={SECRET}"
        engine = server.engine(
            Script(b"{}", status=status, headers={"location": target}),
            base_url=server.url + BASES[name.partition(":")[0]],
            headers={"x-gateway": SECRET},
        )
        with pytest.raises(nt.EngineError, match="redirected") as caught:
            nt.Session(engine).ask("my prompt").result(60)

    assert (other.asked, other.headers) == ([], [])
    assert caught.value.status == status
    assert SECRET not in str(caught.value)


def test_a_redirect_on_the_same_host_is_followed() -> None:
    with served("openai:gpt-5.1", "k" * 9) as server:
        engine = server.engine(
            Script(b"{}", status=307, headers={"location": "/v2/responses"}), base_url=server.url + "/v1"
        )
        with pytest.raises(nt.EngineError):
            nt.Session(engine).ask("x").result(60)

    assert server.paths == ["/v1/responses", "/v2/responses"]


def test_an_error_that_is_not_ours_says_where_it_was_raised() -> None:
    class Odd:
        def __str__(self) -> str:
            raise ZeroDivisionError("odd")

    with pytest.raises(ZeroDivisionError) as caught:
        nt.engine("openai-chat:m", api_key=SECRET, base_url=Odd())
    assert any("raised at" in note for note in caught.value.__notes__)
    assert SECRET not in verbose(caught.value)


# The texts.


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "apikey",
        "x-api-key",
        "X-Auth",
        "auth",
        "Authorization",
        "access_token",
        "client_secret",
        "PASSWORD",
    ]
    + [
        "passwd",
        "passphrase",
        "jwt",
        "X-Jwt",
        "bearer",
        "Cookie",
        "sig",
        "privateKey",
        "private_key",
        "GITHUB_PAT",
        "credentials",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "input_tokens",
        "prompt_cache_key",
        "author",
        "monkey",
        "path",
        "pattern",
        "design",
        "user",
        "maxOutputTokens",
    ],
)
def test_names_of_other_things(name: str) -> None:
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    "text",
    ["gpt-5.1", "claude-sonnet-4-5-20250929", "a sentence of words", "2024-10-21", "meta-llama/Llama-3.3-70B", 5],
)
def test_ordinary_texts_do_not_look_secret(text: object) -> None:
    assert not looks_secret(text)


def test_addresses_are_shown_without_secrets() -> None:
    url = f"https://user:{SECRET}@host.test:8080/team/{SECRET}/v1?api-version=2024-10-21&code={SECRET}#{SECRET}"

    assert public_url(url) == "https://host.test:8080/team/…/v1?api-version=2024-10-21&code=…"
    assert SECRET in secrets_in_url(url)
    assert secrets_in("see https://host.test/?page=2") == frozenset()


@given(st.text(min_size=6, max_size=40).filter(lambda text: "…" not in text))
def test_a_secret_is_removed_in_every_notation(secret: str) -> None:
    for written in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False)):
        assert secret not in without_texts(f"before {written} after", [secret])


assert sys.version_info >= (3, 11)  # notes of exceptions


@pytest.mark.parametrize(
    "mistake",
    [
        nt.Session,
        nt.load_profiles,
        nt.replay,
        nt.load,
        nt.view,
        lambda key: nt.Session(nt.scripted("x")).ask(f"q{key}", limit=key),
        lambda key: nt.loads("{}", format=key),
        lambda key: nt.frames.blocks(nt.example(), backend=key),
        lambda key: nt.save(nt.example(), key),
        lambda key: nt.library(agent=key),
    ],
)
@pytest.mark.parametrize(
    "key", ["sk-proj-Ab1Cd2Ef3Gh4Ij5Kl6Mn7", "AIzaSyA1b2C3d4E5f6G7h8I9j0", "ghp_a1B2c3D4e5F6g7H8i9J0"]
)
def test_a_key_in_any_wrong_place_is_in_no_message(mistake: Any, key: str) -> None:
    with pytest.raises(nt.NbturnsError) as caught:
        mistake(key)
    assert key not in str(caught.value)
    assert key not in repr(caught.value)
    assert key not in str(getattr(caught.value, "reason", ""))

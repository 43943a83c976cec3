"""No control sequence and no hidden text reaches a terminal, by whatever way."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.middleware import log_calls
from nbturns.safety.visible_text import escaped_json, visible
from tests.engines.scripted_server import Script, served

PAYLOADS = {
    "OSC": "\x1b]52;c;cm0=\x07",
    "CSI": "\x1b[2J\x1b[31m",
    "C1": "\x9b31m\x9d0;t\x9c",
    "bidi": "a\u202etxt\u2066b",
    "backspace": "ok\b\b\rno",
    "joiners": "ab\u200d\u200c\u200d\u200dcd",
    "selectors": "x\ufe0e\ufe0f\ufe0e\ufe0fy\ufe01",
    "selectors in emoji": "😀\ufe01\ufe02\U000e0110\U000e0111",
    "fillers": "a\u3164\u115f\uffa0b",
    "soft hyphens": "a\xad\xad\xadb",
    "tags": "a\U000e0041\U000e0042",
    "blanks": "a\u200b\u2060\ufeffb",
}
LEGAL = "Ünïcødé – “quotes”, tab\tand\nline; 👩‍⚕️ 👁️‍🗨️ ❤️ 1️⃣ नमस्‍ते می‌خواهم Straßen\xadbahn 한국어"


def is_hidden(text: str) -> bool:
    """Return whether a text holds a raw control character, bidi control, or a run of unseen characters."""
    unseen = re.search(
        r"[\u00ad\u200b-\u200f\ufe00-\ufe0f\u115f\u1160\u3164\uffa0\u034f\U000e0000-\U000e0fff]{2}", text
    )
    controls = [
        c
        for c in text
        if unicodedata.category(c) == "Cc" and c not in "\n\t" or c in "\u202e\u2066\u200b\u2060\ufeff\u3164"
    ]
    return bool(controls) or (unseen is not None and unseen[0] != "\ufe0f\u200d")


def test_what_belongs_to_the_spelling_stays() -> None:
    assert visible(LEGAL) == LEGAL
    assert not is_hidden(LEGAL)


@given(st.text(st.characters(exclude_categories=[]), max_size=30))
def test_any_text_is_visible_and_stays_so(text: str) -> None:
    once = visible(text)

    assert not is_hidden(once)
    assert visible(once) == once
    once.encode()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_escaped_json_has_the_same_value(text: str) -> None:
    escaped = escaped_json(json.dumps({"a": text}, ensure_ascii=False))

    assert json.loads(escaped) == {"a": text}
    assert not is_hidden(escaped)


def printed(value: object) -> str:
    return f"{value}\n{value!r}"


def error_of(action: Callable[[], object]) -> str:
    with pytest.raises(nt.NbturnsError) as caught:
        action()
    error = caught.value
    return "\n".join(
        [
            str(error),
            repr(error),
            *(str(value) for name, value in vars(error).items() if name in ("reason", "difference")),
        ]
    )


def run_of(x: str) -> nt.Run:
    blocks = (
        nt.system(x),
        nt.user(x),
        nt.assistant(x),
        nt.reasoning(x),
        nt.tool_call(x, x, {x: x}),
        nt.tool_use(x, x, x),
        nt.Block(x, {x: x}, x, x),
    )
    return nt.Run((nt.Turn(blocks, id=x),), id=x, name=x)


def execution_of(x: str) -> Any:
    def fails(a: str = "") -> str:
        raise ValueError(x)

    session = nt.Session(nt.scripted(nt.tool_call("c", "fails", {}), x), tools=[fails], id=f"s{x}")
    session.ask(x).result(20)
    return session


def failed_execution(x: str) -> str:
    session = nt.Session(nt.scripted(nt.EngineError(x, kind=x)))
    return error_of(lambda: session.ask("q").result(20)) + printed(session) + printed(session.execution)


def profiles_of(x: str) -> Any:
    return nt.load_profiles(
        {"a": {"engine": "openai-chat:m", "description": x, "display_name": x, "system": x, "params": {"user": x}}},
        env_file=None,
    )


def warned(x: str) -> str:
    def listener(event: object) -> None:
        raise ValueError(x)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        nt.Session(nt.scripted("a"), sinks=[listener]).ask("q").result(20)
        nt.Session(nt.scripted("a")).ask("q").result(20)
    return "\n".join(str(one.message) for one in caught)


def logged(x: str) -> str:
    records: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    logger = logging.getLogger("nbturns.test_visible")
    logger.addHandler(Handler())
    logger.setLevel(logging.DEBUG)
    nt.Session(nt.scripted("a"), middleware=[log_calls(logger)]).ask(nt.Turn((nt.Block(x, {}), nt.user("q")))).result(
        20
    )
    return "\n".join(records)


def served_error(x: str) -> str:
    with served("openai-chat:m", "k" * 9) as server:
        body = json.dumps({"error": {"message": x, "type": x, "code": x}}).encode()
        engine = server.engine(Script(body, status=400, content_type="application/json"), base_url=server.url + "/v1")
        return error_of(lambda: nt.Session(engine).ask("q").result(20))


WAYS: dict[str, Callable[[str], str]] = {
    "a Turn": lambda x: printed(run_of(x)[0]),
    "a Run": lambda x: printed(run_of(x)),
    "blocks": lambda x: "".join(map(printed, run_of(x)[0])),
    "metadata": lambda x: printed(nt.Turn().with_metadata(nt.Key("test.a@v1", str), x).metadata),
    "a session": lambda x: printed(execution_of(x)) + printed(execution_of(x).execution),
    "an answer": lambda x: str(execution_of(x).latest),
    "a failure": failed_execution,
    "a comparison": lambda x: printed(nt.compare(run_of(x)[0], nt.turn(x + x))),
    "changes": lambda x: "".join(map(printed, nt.compare(run_of(x)[0], nt.turn(x + x)).changes)),
    "an unknown format": lambda x: error_of(lambda: nt.loads(json.dumps({x: 1}))),
    "broken YAML": lambda x: error_of(lambda: nt.loads(f"blocks: [{x!r}: {{")),
    "a wrong block": lambda x: error_of(lambda: nt.loads(json.dumps({"version": 1, "turns": [{"blocks": [x]}]}))),
    "an import report": lambda x: printed(
        nt.loads(
            json.dumps([{"role": "user", "content": x, x: x}, {"role": "user", "content": [{"type": x}]}])
        ).import_report
    ),
    "a missing file": lambda x: error_of(lambda: nt.load("/nowhere/" + x.replace("\0", "") + ".yaml")),
    "an engine name": lambda x: error_of(lambda: nt.engine(x)),
    "a parameter": lambda x: error_of(lambda: nt.engine("openai:m", **{x: 1})),  # type: ignore[arg-type]
    "a server": served_error,
    "profiles": lambda x: printed(profiles_of(x)) + printed(profiles_of(x)["a"]),
    "a plan": lambda x: printed(profiles_of(x).resolve("a")) + str(profiles_of(x).resolve("a").config),
    "an unknown field": lambda x: error_of(lambda: nt.load_profiles({"a": {x: 1}})),
    "an unknown profile": lambda x: error_of(lambda: profiles_of("a").resolve(x)),
    "drift": lambda x: error_of(lambda: nt.Session(nt.replay(nt.Run((nt.turn(x),)))).ask(f"{x}2").result(20)),
    "a notice": lambda x: printed(nt.events.Notice(x)) + nt.events.Notice(x).text,
    "a warning": warned,
    "a log": logged,
    "a pause": lambda x: printed(nt.Session(nt.scripted(nt.tool_call(x, x, {})), step=True).ask("q").next().result(20)),
    "views": lambda x: printed(nt.view(run_of(x))) + printed(nt.view(run_of(x)[0])),
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_hidden_is_printed(way: str, payload: str) -> None:
    text = WAYS[way](PAYLOADS[payload])

    assert not is_hidden(text), ascii(text)


@pytest.mark.parametrize("command", [["list"], ["show"], ["show", "--json"], ["check"]])
def test_the_command_line_prints_nothing_hidden(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    text = "".join(PAYLOADS.values())
    profile = {"engine": "openai-chat:m", "system": text, "description": text}
    path.write_text(json.dumps({"slug": "r", "profiles": {"a": profile, "b": {"engine": f"x{text}:m"}}}))
    program = os.path.join(os.path.dirname(sys.executable), "nbturns")

    done = subprocess.run(
        [program, "profiles", *command, f"yaml:{path}"], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.stdout + done.stderr
    assert not is_hidden(done.stdout + done.stderr), ascii(done.stdout + done.stderr)


MARKDOWN = [
    "# heading",
    "https://evil.test/?q=1",
    "www.evil.test",
    "$x^2$",
    "a@evil.test",
    "~~gone~~",
    "&lt;script&gt;",
    "<b>",
    "![i](http://e.test)",
    "| a |",
    "mailto:a",
]


@pytest.mark.parametrize("text", [*MARKDOWN, *PAYLOADS.values()])
def test_markdown_has_no_markup_of_the_conversation(text: str, tmp_path: Path) -> None:
    content = nt.save(run_of(text), tmp_path / "a.md").read_text()
    outside = re.sub(r"(?ms)^(`{3,})[a-z]*\n.*?^\1$", "", content)
    assert not is_hidden(content)
    for sign in (r"://", r"www\.", r"@evil", r"mailto:"):
        assert not re.search(rf"(?<!\\){sign}" if sign != r"www\." else r"www\.", outside)
    assert not re.search(r"(?<!\\)[$~&<|]", outside)
    assert not re.search(r"(?m)^#+ #", outside)

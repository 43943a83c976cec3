"""OpenAI chat messages: nothing of a transcript is lost, and its counts are those of the file."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers import Sample
from nbturns.importers.openai_chat import score_openai_chat
from nbturns.values.provenance import ARGUMENTS, MESSAGE
from nbturns.values.provenance import OPENAI_CHAT_FIELDS as FIELDS

CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    {"role": "assistant", "content": "Sunny."},
    {"role": "user", "content": "Thanks"},
]


def blocks_of(*messages: Any, **load_options: Any) -> list[nt.Block]:
    return list(nt.loads(list(messages), format="openai-chat", **load_options).latest)


# Real transcripts, counted by other means.


@pytest.mark.parametrize("name", ["tau_airline.jsonl", "wire_sessions.jsonl"])
def test_a_real_transcript_has_the_blocks_calls_and_results_of_its_file(shared: Path, name: str) -> None:
    path = shared / "transcripts" / "dev" / "openai-chat" / name
    chats = [json.loads(line) for line in path.read_text().splitlines()]
    runs = list(nt.load_all(path))
    manifest = next(
        m
        for m in map(json.loads, (shared / "transcripts" / "manifest.jsonl").read_text().splitlines())
        if m["file"] == f"openai-chat/{name}"
    )

    assert len(runs) == len(chats) == manifest["conversations"]
    assert sum(run.import_report.read for run in runs) == manifest["messages"]
    assert sum(len(run.latest.of_kind("tool_call")) for run in runs) == manifest["tool_calls"]
    for chat, run in zip(chats, runs, strict=True):
        roles = Counter(message["role"] for message in chat["messages"])
        kinds = Counter(block.kind for block in run.latest)
        calling = [m for m in chat["messages"] if m.get("tool_calls")]
        said = [
            m
            for m in chat["messages"]
            if m["role"] == "assistant" and (m.get("content") or m.get("refusal") or m not in calling)
        ]
        assert kinds["user"] == roles["user"] and kinds["system"] == roles["system"] + roles["developer"]
        assert kinds["tool_use"] == roles["tool"] + roles["function"]
        assert kinds["tool_call"] == sum(len(m["tool_calls"]) for m in calling)
        assert kinds["llm_text"] == len(said)
        assert kinds["reasoning"] == sum(
            bool(m.get("reasoning") or m.get("reasoning_content")) for m in chat["messages"]
        )
        assert run.latest.pending == () or chat["messages"][-1]["role"] == "assistant"
        assert (run.import_report.unknown, run.import_report.dropped) == ((), ())


def test_a_function_call_of_empty_strings_beside_a_reply_is_no_call() -> None:
    empty = {"name": "", "arguments": ""}
    reply = {"role": "assistant", "content": "sunny", "function_call": empty, "tool_calls": None}
    run = nt.loads([{"role": "user", "content": "weather?"}, reply])

    assert [block.kind for block in run.latest] == ["user", "llm_text"]
    assert run.import_report.guessed == ()
    assert run.to_messages("openai-chat")[-1] == reply


def text_of(content: Any) -> str:
    return (
        content or ""
        if not isinstance(content, list)
        else "\n".join(part["text"] for part in content if part["type"] == "text")
    )


@pytest.mark.parametrize("name", ["tau_airline.jsonl", "wire_sessions.jsonl"])
def test_every_text_call_and_result_of_a_real_transcript_is_there(shared: Path, name: str) -> None:
    path = shared / "transcripts" / "dev" / "openai-chat" / name
    for line, run in zip(path.read_text().splitlines(), nt.load_all(path), strict=True):
        chat = json.loads(line)
        texts = [
            text_of(m.get("content"))
            for m in chat["messages"]
            if m["role"] in ("system", "developer", "user", "assistant")
        ]
        calls = [
            (c["id"], c["function"]["name"], json.loads(c["function"]["arguments"] or "{}"))
            for m in chat["messages"]
            for c in m.get("tool_calls") or ()
        ]
        results = [
            (m.get("tool_call_id", calls[-1][0] if calls else ""), m["content"])
            for m in chat["messages"]
            if m["role"] in ("tool", "function")
        ]

        assert [b.text for b in run.latest.of_kind("system", "user", "llm_text") if b.text] == [
            text for text in texts if text
        ]
        assert [(b.tool_call_id, b.name, b.args) for b in run.latest.of_kind("tool_call")] == calls
        assert [(b.tool_call_id, b.result) for b in run.latest.of_kind("tool_use")] == results
        assert nt.Run.from_dict(json.loads(json.dumps(run.to_dict()))) == run


def test_a_real_transcript_survives_yaml(shared: Path) -> None:
    path = shared / "transcripts" / "dev" / "openai-chat" / "wire_sessions.jsonl"

    for run in nt.load_all(path):
        assert nt.Run.from_yaml(run.to_yaml()) == run


# What becomes of a message.


def test_a_chat_is_a_run_with_a_turn_a_prompt_each_holding_all_before_it() -> None:
    run = nt.loads(CHAT)

    assert [[b.kind for b in turn] for turn in run] == [
        ["system", "user", "tool_call", "tool_use", "llm_text"],
        ["system", "user", "tool_call", "tool_use", "llm_text", "user"],
    ]
    assert run[1].blocks.shared_length(run[0].blocks) == 5
    assert run.import_report.read == len(CHAT)


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(CHAT), json.dumps({"messages": CHAT}), json.dumps(CHAT, indent=2), "\n".join(map(json.dumps, CHAT)), json.dumps({"messages": CHAT}, indent=1) + "\n",
        "\n\n" + "\r\n".join(map(json.dumps, CHAT)) + "\r\n",
    ],
)  # fmt: skip
def test_a_list_an_object_and_a_message_a_line_are_the_same_chat(written: str) -> None:
    assert nt.loads(written) == nt.loads(CHAT)


def test_blocks_of_one_reply_are_of_one_inference_and_others_of_none() -> None:
    made = blocks_of(
        {"role": "user", "content": "q"},
        {"role": "assistant", "reasoning_content": "hm", "content": "a", "tool_calls": [CALL]},
        {"role": "assistant", "content": "b"},
    )

    assert [b.kind for b in made] == ["user", "reasoning", "llm_text", "tool_call", "llm_text"]
    ids = [b.inference_id for b in made]
    assert ids[0] == "" and len({*ids[1:4]}) == 1 and ids[4] not in (ids[0], ids[1])
    assert len(nt.Turn(tuple(made)).inferences) == 2
    assert [b.metadata.get(MESSAGE) for b in made] == [None, 1, 1, 1, None]


def test_parts_of_a_content_are_text_images_and_what_we_do_not_know() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,UE5H", "detail": "high"}}
    audio = {"type": "input_audio", "input_audio": {"data": "x"}}

    made = blocks_of(
        {"role": "user", "content": [{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}, audio]}
    )

    assert (made[0].text, made[0].payload["parts"]) == ("a\nb", [audio])
    assert made[0].images == [{"media_type": "image/png", "content": "UE5H", "detail": "high"}]


def test_arguments_that_are_no_object_are_kept_as_they_came() -> None:
    for text in ("{broken", "[1]", "3", '"x"'):
        made = blocks_of(
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": text}}]}
        )
        assert (made[0].args, made[0].payload["args_raw"]) == ({}, text)
    odd = blocks_of(
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": '{ "a":1 }'}}]}
    )
    assert (odd[0].args, odd[0].metadata[ARGUMENTS]) == ({"a": 1}, '{ "a":1 }')
    assert (
        blocks_of({"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]})[
            0
        ].args
        == {}
    )


def test_refusals_functions_of_old_and_developers_are_understood() -> None:
    made = blocks_of(
        {"role": "developer", "content": "d"},
        {"role": "assistant", "content": None, "refusal": "I cannot"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
    )

    assert [(b.kind, b.role) for b in made] == [
        ("system", "developer"),
        ("llm_text", "assistant"),
        ("tool_call", ""),
        ("tool_use", ""),
    ]
    assert (made[1].payload["refusal"], made[3].result) == ("I cannot", "r")
    assert made[2].tool_call_id == made[3].tool_call_id != ""


def test_what_stands_beside_the_content_is_kept() -> None:
    run = nt.loads(
        {
            "id": "chat-1",
            "model": "m",
            "metadata": {"a": 1},
            "version": 7,
            "turns": 3,
            "messages": [{"role": "user", "name": "ada", "content": "q", "x": {"y": None}}],
        }
    )

    assert (run.name, run.metadata[FIELDS]) == (
        "chat-1",
        {"id": "chat-1", "model": "m", "metadata": {"a": 1}, "version": 7, "turns": 3},
    )
    assert run.latest[0].metadata[FIELDS] == {"name": "ada", "x": {"y": None}}
    assert nt.Run.from_yaml(run.to_yaml()) == run == nt.Run.from_dict(run.to_dict())


def test_what_is_guessed_is_reported_and_refused_when_strict() -> None:
    for message, said in (
        (
            {"role": "tool", "content": "x"},
            "messages[1]: tool result without the id of a call; it is assigned to the tool call 'c1'",
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
            "messages[1].tool_calls[0]: tool call without an id; 'call-1-0' is used",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            "messages[1].content: 2 text parts are joined by newlines",
        ),
    ):
        chat = [{"role": "assistant", "tool_calls": [CALL]}, message]
        assert nt.loads(chat).import_report.guessed[0] == said
        with pytest.raises(nt.LoadError, match=r"messages\[1\]"):
            nt.loads(chat, strict=True)


def test_an_unknown_role_is_kept_and_reported_and_refused_when_strict() -> None:
    chat = [{"role": "user", "content": "a"}, {"role": "ipython", "content": "1"}]

    run = nt.loads(chat)

    assert (run.latest[1].kind, run.latest[1].payload["message"]) == ("other", {"role": "ipython", "content": "1"})
    assert run.import_report.unknown == ("messages[1]: unknown role 'ipython'",)
    with pytest.raises(nt.LoadError, match="unknown role 'ipython'"):
        nt.loads(chat, strict=True)


@pytest.mark.parametrize(
    ("chat", "message", "kept"),
    [
        (
            [{"role": "user", "content": "a"}, {"content": "b"}],
            r"messages\[1\]: no field 'role'; the fields are content",
            {"message": {"content": "b"}},
        ),
        (
            [{"role": "assistant", "tool_calls": {"a": 1}}],
            r"messages\[0\]\.tool_calls: expected a list, got an object",
            {"a": 1},
        ),
        (
            [{"role": "assistant", "tool_calls": [None]}],
            r"messages\[0\]\.tool_calls\[0\]: expected an object for function, got null",
            {"value": None},
        ),
        (
            [{"role": "user", "content": "a"}, "b"],
            r"messages\[1\]: expected an object, got a string: 'b'",
            {"value": "b"},
        ),
    ],
)
def test_a_message_that_cannot_be_understood_is_kept_and_named_and_refused_when_strict(
    chat: Any, message: str, kept: Any
) -> None:
    run = nt.loads(chat, format="openai-chat")

    assert run.latest[-1].kind == "other" and run.latest[-1].payload == kept
    assert re.search(message, run.import_report.unknown[0])
    with pytest.raises(nt.LoadError, match=message):
        nt.loads(chat, format="openai-chat", strict=True)


def test_what_is_no_chat_is_refused() -> None:
    with pytest.raises(nt.LoadError, match="expected a list for messages, got a string"):
        nt.loads({"messages": "hello"}, format="openai-chat")


def test_the_line_of_a_broken_conversation_is_named(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({"messages": CHAT}) + "\n" + json.dumps({"messages": [*CHAT, {"content": 1}]}) + "\n")

    with pytest.raises(nt.LoadError, match=r"chats\.jsonl: line 2, messages\[6\]: no field 'role'"):
        list(nt.load_all(path, strict=True))
    _, run = nt.load_all(path)
    assert (run.import_report.unknown[0].file, run.import_report.unknown[0].position) == (
        str(path),
        "line 2, messages[6]",
    )


def test_what_another_format_has_is_not_taken_for_a_chat() -> None:
    assert score_openai_chat(Sample("json", values=(CHAT,))) and score_openai_chat(
        Sample("json", values=({"messages": CHAT},))
    )
    others: list[Any] = [
        [], {}, {"messages": []}, [{"role": "model", "parts": []}], [{"role": []}], ["a"],
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}],
        [{"role": "user", "content": "q"}, {"type": "function_call", "name": "f"}],
    ]  # fmt: skip

    assert not any(score_openai_chat(Sample("json", values=(one,))) for one in others)

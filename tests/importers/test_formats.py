"""Every foreign format in its own small file: what is written there is what its Run says."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers import Source, importers
from nbturns.values.provenance import BRANCH_OF, FIELDS

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"
SYSTEM = "You look after a greenhouse. Be brief."
FIRST, SECOND = "Is it too warm for the tomatoes?", "And their soil?"
THOUGHT = "I should measure first."
WARM, OFFLINE = "31 °C", "the sensor is offline"
YES, SORRY = "Yes: it is 31 °C. Open the roof.", "I cannot tell: the sensor is offline."
ZONE = {"zone": "tomatoes"}

WHOLE: list[tuple[str, Any]] = [
    ("system", SYSTEM),
    ("user", FIRST),
    ("reasoning", THOUGHT),
    ("tool_call", ("call_warm1", "read_temperature", ZONE)),
    ("tool_use", ("call_warm1", WARM)),
    ("llm_text", YES),
    ("user", SECOND),
    ("tool_call", ("call_soil2", "read_soil", ZONE)),
    ("tool_use", ("call_soil2", OFFLINE)),
    ("llm_text", SORRY),
]
WITHOUT_REASONING = [one for one in WHOLE if one[0] != "reasoning"]


def renamed_calls(whole: list[tuple[str, Any]], warm: str, soil: str, offline: str = OFFLINE) -> list[tuple[str, Any]]:
    """Return the conversation with other ids of its tool calls, and another text of the failed one."""
    ids = {"call_warm1": warm, "call_soil2": soil}
    texts = {OFFLINE: offline}
    return [
        (
            kind,
            value
            if isinstance(value, str)
            else (ids[value[0]], *(texts.get(part, part) if isinstance(part, str) else part for part in value[1:])),
        )
        for kind, value in whole
    ]


FILES = {
    "ag-ui.json": ("ag-ui", WHOLE),
    "ai-studio.json": ("ai-studio", None),
    "antigravity.jsonl": ("antigravity", renamed_calls(WHOLE, "line 3 call 0", "line 7 call 0")),
    "ag-ui-events.jsonl": ("ag-ui", WHOLE),
    "atif.json": ("atif", WHOLE),
    "atof.jsonl": ("atof", None),
    "autogen.json": ("autogen", WHOLE),
    "bedrock-converse.json": ("bedrock-converse", WHOLE),
    "browser-capture.json": ("browser-capture", None),
    "chatlas.json": ("chatlas", WHOLE),
    "codex.jsonl": ("codex", WHOLE),
    "copilot-cli.jsonl": ("copilot-cli", WHOLE),
    "pi.jsonl": ("pi", WHOLE[1:]),
    "docent.json": ("docent", WHOLE),
    "gemini-cli.json": ("gemini-cli", WHOLE[1:]),
    "geppetto-events.ndjson": ("geppetto-events", WHOLE[1:]),
    "geppetto-fixture.json": ("geppetto-fixtures", None),
    "google-adk.json": ("google-adk", WHOLE[1:]),
    "goose.jsonl": ("goose", WHOLE),
    "gptme.jsonl": (
        "gptme",
        renamed_calls(WITHOUT_REASONING, "call_warm1", "call_soil2", "Error: the sensor is offline"),
    ),
    "grok-build.jsonl": ("grok-build", WHOLE),
    "grok-export.json": ("grok-export", None),
    "hermes.jsonl": ("hermes", WHOLE),
    "lm-studio.json": ("lm-studio", WHOLE),
    "librechat.json": (
        "librechat",
        renamed_calls(WHOLE[1:], "call_warm1", "call_soil2", "Error processing tool: the sensor is offline"),
    ),
    "langchain.json": ("langchain", WHOLE),
    "langchain-dumpd.json": ("langchain", WHOLE),
    "mistral-vibe.jsonl": (
        "mistral-vibe",
        renamed_calls(WHOLE[1:], "call_warm1", "call_soil2", "<tool_error>the sensor is offline</tool_error>"),
    ),
    "open-webui.json": ("open-webui", WHOLE[1:]),
    "openai-agents.json": ("openai-agents", None),
    "cline.json": ("cline", WHOLE[1:]),
    "openclaw.jsonl": ("openclaw", WHOLE[1:]),
    "cursor.jsonl": ("cursor", None),
    "kimi.jsonl": ("kimi", WHOLE),
    "kimi-wire.jsonl": ("kimi", WHOLE),
    "kiro.json": ("kiro", None),
    "vscode-chat.json": ("vscode-chat", WHOLE[1:]),
    "opencode.json": ("opencode", WHOLE),
    "qwen-code.jsonl": ("qwen-code", WHOLE[1:]),
    "qwenpaw.json": ("qwenpaw", WHOLE),
    "openhands.jsonl": ("openhands", None),
    "openhands-sdk.json": ("openhands-sdk", WHOLE),
    "openinference.jsonl": ("openinference", WITHOUT_REASONING),
    "otel-genai.json": ("otel-genai", WHOLE),
    "otel-genai-events.json": ("otel-genai", WITHOUT_REASONING),
    "posit-assistant.jsonl": ("posit-assistant", WHOLE),
    "pydantic-ai.json": ("pydantic-ai", WHOLE),
    "sharegpt.jsonl": ("sharegpt", None),
    "smolagents.json": ("smolagents", None),
    "specstory.md": ("specstory", renamed_calls(WHOLE[1:], "tool 0", "tool 1")),
    "swe-agent.traj": ("swe-agent", None),
    "tau2-bench.json": ("tau-bench", WITHOUT_REASONING),
    "vercel-ui.json": ("vercel-ui", WHOLE),
    "langfuse.jsonl": ("langfuse", WHOLE),
    "langsmith.jsonl": ("langsmith", WITHOUT_REASONING),
    "mlflow.jsonl": ("mlflow", WHOLE),
    "weave.jsonl": ("weave", WHOLE),
    "braintrust.jsonl": ("braintrust", WHOLE),
    "helicone.json": ("helicone", WHOLE),
    "logfire.json": ("logfire", WHOLE),
    "phoenix.json": ("openinference", WITHOUT_REASONING),
    "nemo-gym.jsonl": ("nemo-gym", WHOLE),
    "tau2-simulation.json": ("tau-bench", WITHOUT_REASONING),
}


def comparable(block: nt.Block) -> tuple[str, Any]:
    if block.kind == "tool_call":
        return block.kind, (block.tool_call_id, block.name, block.args)
    if block.kind == "tool_use":
        return block.kind, (block.tool_call_id, block.result or block.error)
    return block.kind, block.text


def load_run(name: str, **load_options: Any) -> nt.Run:
    return nt.load(FIXTURES / name, **load_options)


@pytest.mark.parametrize("name", FILES)
def test_a_format_is_known_by_its_content_and_says_what_its_file_says(name: str) -> None:
    format, whole = FILES[name]

    read = load_run(name)

    assert read.import_report.format == format
    assert not read.import_report.guessed and read.import_report.complete
    if whole is not None:
        assert [comparable(block) for block in read.latest if block.kind != "other"] == whole
        assert [comparable(turn.of_kind("user")[-1]) for turn in read] == [("user", FIRST), ("user", SECOND)]
    assert nt.Run.from_dict(read.to_dict()) == read
    assert nt.Run.from_yaml(read.to_yaml()) == read


@pytest.mark.parametrize("name", [*FILES, "tau-bench.json", "chatgpt.json", "claude-export.json", "aider.md"])
def test_a_sound_file_is_taken_strictly_too(name: str) -> None:
    assert list(nt.load_all(FIXTURES / name, strict=True)) == list(nt.load_all(FIXTURES / name))


@pytest.mark.parametrize("name", [*FILES, "tau-bench.json", "chatgpt.json", "claude-export.json", "aider.md"])
def test_the_name_of_a_file_has_no_say(name: str, tmp_path: Path) -> None:
    other = tmp_path / "chat.yaml"
    other.write_bytes((FIXTURES / name).read_bytes())

    assert [r.import_report.format for r in nt.load_all(other)] == [
        r.import_report.format for r in nt.load_all(FIXTURES / name)
    ]


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.iterdir()))
def test_of_each_file_one_format_alone_is_surest(name: str) -> None:
    sample = Source.of_file(FIXTURES / name).sample
    scores = {importer.name: importer.score(sample) for importer in importers().values()}

    best = max(scores.values())
    assert [format for format, score in scores.items() if score == best] == [
        next(nt.load_all(FIXTURES / name)).import_report.format
    ]


@pytest.mark.parametrize(
    ("name", "calls", "input", "model"),
    [
        ("atif.json", 4, 410, "gpt-5-mini"),
        ("geppetto-events.ndjson", 4, 406, "gpt-5-mini"),
        ("langchain.json", 4, 614, "claude-sonnet-4-5"),
        ("openinference.jsonl", 4, 409, "gpt-5-mini"),
        ("otel-genai.json", 4, 414, "gpt-5-mini-2025-08-07"),
        ("openhands.jsonl", 4, 306, "gpt-5-mini"),
        ("bedrock-converse.json", 4, 140, "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("chatlas.json", 4, 551, "gpt-5-mini-2025-08-07"),
        ("gemini-cli.json", 4, 591, "gemini-2.5-pro"),
        ("codex.jsonl", 4, 600, "gpt-5-codex"),
        ("pi.jsonl", 4, 591, "claude-sonnet-4-5"),
        ("atof.jsonl", 2, 261, "claude-sonnet-4-5"),
        ("google-adk.json", 4, 591, "gemini-2.5-pro"),
        ("lm-studio.json", 4, 591, "openai/gpt-oss-20b"),
        ("open-webui.json", 2, 261, "gpt-5-mini"),
        ("gptme.jsonl", 4, 591, "anthropic/claude-sonnet-4-5"),
        ("antigravity.jsonl", 4, 591, ""),
        ("openclaw.jsonl", 4, 591, "claude-sonnet-4-5"),
        ("posit-assistant.jsonl", 4, 591, "claude-sonnet-4-5"),
        ("pydantic-ai.json", 4, 416, "gpt-5-mini-2025-08-07"),
        ("vercel-ui.json", 4, 120, "gpt-5-mini"),
    ],
)
def test_tokens_and_models_are_those_of_the_calls(name: str, calls: int, input: int, model: str) -> None:
    read = load_run(name)

    assert len(read.inferences) == calls
    assert read.usage.input_tokens == input
    assert read.inferences[0].model == model
    assert read.usage.cached_tokens in (0, 64, 100, 192, 256, 400)


def test_a_call_ends_with_calls_pending_and_a_reply_is_completed() -> None:
    for name in ("pydantic-ai.json", "otel-genai.json", "geppetto-events.ndjson", "openinference.jsonl"):
        assert [str(one.finish_class) for one in load_run(name).inferences] == [
            "tool_calls_pending",
            "completed",
        ] * 2, name


@pytest.mark.parametrize(
    "name",
    ["ag-ui.json", "langchain.json", "openhands.jsonl", "openhands-sdk.json", "openinference.jsonl", "otel-genai.json"],
)
def test_an_image_stays_with_its_prompt(name: str) -> None:
    (image,) = load_run(name).latest.of_kind("user")[0].images

    assert image["url"] == "https://greenhouse.example/leaf.png"


# What is special to one of them.


def test_costs_are_taken_where_they_are_written() -> None:
    assert load_run("atif.json").cost == pytest.approx(0.0008)
    assert load_run("pydantic-ai.json").cost == pytest.approx(0.00084)
    assert load_run("tau2-bench.json").inferences[0].cost == 0.0005


def test_the_blocks_of_one_step_of_a_page_are_of_one_model_call() -> None:
    blocks = load_run("vercel-ui.json").latest

    assert blocks[2].inference_id == blocks[3].inference_id != blocks[5].inference_id
    assert blocks[2].inference is not None and blocks[2].inference.usage is not None
    assert blocks[2].inference.usage.reasoning_tokens == 16


def test_what_is_no_message_is_kept_in_its_place() -> None:
    kinds = [block.payload["type"] for block in load_run("ag-ui-events.jsonl").latest.of_kind("other")]

    assert kinds == ["STATE_DELTA", "CUSTOM"]


def test_a_stream_of_events_is_read_from_its_wire_form_too(tmp_path: Path) -> None:
    lines = (FIXTURES / "ag-ui-events.jsonl").read_text(encoding="utf-8").splitlines()
    path = tmp_path / "events.txt"
    path.write_text("".join(f"data: {line}\n\n" for line in lines), encoding="utf-8")

    assert nt.load(path).latest.same_content(load_run("ag-ui-events.jsonl").latest)


def test_one_trajectory_is_one_turn_and_what_only_its_steps_have_is_kept() -> None:
    read = load_run("swe-agent.traj")

    assert [comparable(block) for block in read.latest] == [
        ("system", SYSTEM),
        ("user", FIRST),
        ("llm_text", THOUGHT),
        WHOLE[3],
        WHOLE[4],
        ("llm_text", YES),
        WHOLE[7],
        WHOLE[8],
        ("other", ""),
    ]
    assert len(read) == 1
    assert read.latest[-1].payload["action"] == "submit"
    assert read.latest[2].metadata[FIELDS]["step"]["execution_time"] == 0.25
    assert read.metadata[FIELDS]["info"]["model_stats"]["api_calls"] == 3


def test_a_models_words_are_read_from_its_reply_and_stand_once() -> None:
    read = load_run("openhands.jsonl")

    assert [comparable(block) for block in read.latest if block.kind != "other"] == [
        *WHOLE[:2],
        ("llm_text", THOUGHT),
        *WHOLE[3:],
        ("tool_call", ("call_end3", "finish", {"message": SORRY})),
    ]
    assert [
        block.payload.get("action", block.payload.get("observation")) for block in read.latest.of_kind("other")
    ] == [
        "recall",
        "recall",
    ]
    assert read.inferences[0].duration_ms == 1250
    assert [block.name for block in read.latest.pending] == ["finish"]


def test_each_task_of_a_benchmark_is_a_run() -> None:
    runs = list(nt.load_all(FIXTURES / "tau-bench.json"))

    assert [one.name for one in runs] == ["task 3, trial 0", "task 4, trial 1"]
    assert [one.metadata[FIELDS]["reward"] for one in runs] == [1.0, 0.0]
    assert [comparable(block) for block in runs[0].latest][:2] == WHOLE[:2]


def test_each_session_of_a_history_is_a_run() -> None:
    first, second = nt.load_all(FIXTURES / "aider.md")

    assert [block.kind for block in first.latest] == ["other", "user", "llm_text", "other", "user", "llm_text"]
    assert first.latest[1].text == f"{FIRST}\nThe roof is closed."
    assert first.latest[2].text.startswith(f"{YES}\n\nroof.py\n```python\n<<<<<<< SEARCH\n")
    assert first.latest[3].text == "Tokens: 1.2k sent, 80 received.\nApplied edit to roof.py"
    assert [len(turn) for turn in first] == [4, 6]
    assert first.inferences[0].model == "gpt-5-mini"
    assert [block.text for block in second.latest] == ["Aider v0.86.1"]


def test_a_later_span_goes_on_from_the_one_whose_words_it_begins_with() -> None:
    read = load_run("otel-genai.json")

    assert read.id == "conv-greenhouse"
    assert [one.duration_ms for one in read.inferences] == [750] * 4
    assert [span["name"] for span in read.metadata[FIELDS]["spans"]] == [
        "execute_tool read_temperature",
        "invoke_agent gardener",
    ]


def test_a_span_that_begins_otherwise_is_a_run_of_its_own() -> None:
    document = json.loads((FIXTURES / "otel-genai.json").read_text(encoding="utf-8"))
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][1]
    asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Name a herb."}]}])
    attributes = [
        {**one, "value": {"stringValue": asked}} if one["key"] == "gen_ai.input.messages" else one
        for one in span["attributes"]
    ]
    document["resourceSpans"][0]["scopeSpans"][0]["spans"].append(
        {**span, "spanId": "00000000000000aa", "attributes": attributes}
    )

    runs = load_document(document)

    assert [[block.text for block in one.latest.of_kind("user")] for one in runs] == [
        [FIRST, SECOND],
        ["Name a herb."],
    ]


def load_document(document: Any) -> list[nt.Run]:
    from nbturns.importers import Source, otel_genai

    return list(otel_genai.IMPORTER.read(Source.of_data(document)))


# ChatGPT's tree.


def test_each_branch_of_a_conversation_is_a_run_and_the_current_one_is_first() -> None:
    runs = list(nt.load_all(FIXTURES / "chatgpt.json"))

    assert [one.name for one in runs] == ["Spider mites"] * 3 + ["A herb"]
    assert [one.latest.text for one in runs] == ["After 21 days.", "It may want water.", "A few dozen.", "Basil."]
    assert [comparable(block) for block in runs[0].latest if block.kind != "other"] == [
        ("system", "I keep a greenhouse.\n\nAnswer in one sentence."),
        ("user", "What is wrong with this leaf?"),
        ("llm_text", "It has spider mites."),
        ("user", "How many days until 500 mites, from 4, doubling every 3 days?"),
        ("reasoning", "4 * 2^n >= 500, so n is 7."),
        ("tool_call", ("n-call", "python", {})),
        ("tool_use", ("n-call", "21")),
        ("llm_text", "After 21 days."),
    ]
    assert runs[0].latest[5].payload["args_raw"] == "import math; math.ceil(math.log2(500/4))*3"
    assert runs[0].latest[1].images[0]["file_uri"] == "file-service://file-leaf01"
    assert [one.model for one in runs[0].inferences] == ["gpt-4o", "o3", "o3", "o3"]
    assert not any(one.import_report.guessed or one.import_report.unknown for one in runs)


def test_branches_share_the_blocks_before_they_part() -> None:
    first, _, third, _ = nt.load_all(FIXTURES / "chatgpt.json")

    assert all(mine is theirs for mine, theirs in zip(list(first.latest)[:3], third.latest, strict=False))
    assert first[0].blocks.shared_length(third[0].blocks) == 3


def test_the_export_is_read_from_the_zip_that_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("user.json", "{}")
        archive.write(FIXTURES / "chatgpt.json", "conversations.json")
        archive.writestr("chat.html", "<html></html>")

    assert [one.latest for one in nt.load_all(path)] == [one.latest for one in nt.load_all(FIXTURES / "chatgpt.json")]


def test_a_tree_that_goes_round_in_circles_is_read_to_the_end() -> None:
    first = json.loads((FIXTURES / "chatgpt.json").read_text(encoding="utf-8"))[1]
    first["mapping"]["r"]["parent"] = "b"
    first["mapping"]["a"]["parent"] = "a"

    (read,) = export_runs([first])

    assert [block.text for block in read.latest.of_kind("user", "llm_text")] == ["Name a herb.", "Basil."]
    assert any("is its own ancestor" in note.what for note in read.import_report.guessed)


def export_runs(document: Any, **load_options: Any) -> list[nt.Run]:
    from nbturns.importers import Source, chatgpt

    return list(chatgpt.IMPORTER.read(Source.of_data(document, **load_options)))


def test_of_a_conversation_with_branches_load_gives_the_current_one(tmp_path: Path) -> None:
    first, second = json.loads((FIXTURES / "chatgpt.json").read_text(encoding="utf-8"))
    path = tmp_path / "one.json"
    path.write_text(json.dumps([first]), encoding="utf-8")

    assert nt.load(path) == next(nt.load_all(path)) == nt.loads([first])
    assert [one.metadata.get(BRANCH_OF) for one in nt.load_all(path)] == [None, *[first["id"]] * 2]
    with pytest.raises(nt.LoadError, match="several conversations"):
        nt.loads([first, second])


def test_training_data_has_calls_answered_in_their_order_and_its_prompt_beside() -> None:
    read = load_run("sharegpt.jsonl")

    assert [comparable(block) for block in read.latest.of_kind("tool_call", "tool_use")] == [
        ("tool_call", ("call_0", "read_temperature", ZONE)),
        ("tool_use", ("call_0", WARM)),
        ("tool_call", ("call_1", "read_soil", ZONE)),
        ("tool_use", ("call_1", OFFLINE)),
    ]
    assert (read.latest[0].text, read.latest.text, read.id) == (SYSTEM, SORRY, "greenhouse_1")
    assert "read_temperature" in read.metadata[FIELDS]["tools"]
    both = [{"name": "a", "arguments": {}}, {"name": "b", "arguments": '{"x": 1}'}]
    said = [
        {"from": "function_call", "value": json.dumps(both)},
        {"from": "tool", "value": "1"},
        {"from": "tool", "value": "2"},
    ]
    calls = nt.loads({"conversations": [{"from": "human", "value": "q"}, *said]}).latest
    assert [(call.name, call.args) for call in calls.of_kind("tool_call")] == [("a", {}), ("b", {"x": 1})]
    assert calls.pending == () and len({call.inference_id for call in calls.of_kind("tool_call")}) == 1


def test_a_call_in_training_data_that_is_no_json_is_kept_as_it_is() -> None:
    read = nt.loads([{"from": "human", "value": "q"}, {"from": "function_call", "value": "look()"}])

    assert read.latest[1].kind == "other" and read.latest[1].payload["value"] == "look()"
    assert "not JSON with a name" in read.import_report.unknown[0]


def test_an_export_of_claudes_pages_has_thoughts_calls_attachments_and_branches(tmp_path: Path) -> None:
    path = FIXTURES / "claude-export.json"
    first, branch, old = nt.load_all(path)

    assert [comparable(block) for block in first.latest] == [
        ("user", FIRST),
        ("user", "06:00 24 °C"),
        ("reasoning", THOUGHT),
        ("tool_call", ("toolu_1", "read_temperature", ZONE)),
        ("tool_use", ("toolu_1", WARM)),
        ("llm_text", YES),
        ("user", SECOND),
        ("tool_call", ("toolu_2", "read_soil", ZONE)),
        ("tool_use", ("toolu_2", OFFLINE)),
        ("llm_text", SORRY),
    ]
    assert first.latest[8].error == OFFLINE
    assert (first.name, first.id, branch.metadata[BRANCH_OF]) == ("Tomatoes", "conv-greenhouse", "conv-greenhouse")
    assert branch.latest.text == "You are welcome." and branch[0].blocks.shared_length(first[0].blocks) == 6
    assert [comparable(block) for block in old.latest] == [("user", "Name a herb."), ("llm_text", "Basil.")]
    packed = tmp_path / "data.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users.json", "[]")
        archive.write(path, "conversations.json")
    assert [one.latest for one in nt.load_all(packed)] == [one.latest for one in nt.load_all(path)]
    assert nt.load_all(packed).__next__().import_report.format == "claude-export"


def test_the_events_of_a_trajectory_are_read_from_its_zip_in_their_order(tmp_path: Path) -> None:
    events = json.loads((FIXTURES / "openhands-sdk.json").read_text(encoding="utf-8"))
    path = tmp_path / "trajectory.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, event in reversed(list(enumerate(events))):
            archive.writestr(f"event_{number:06d}_{event['id']}.json", json.dumps(event))
        archive.writestr("meta.json", json.dumps({"id": "conv-1", "title": "Tomatoes", "llm_model": "gpt-5-mini"}))

    read = nt.load(path)

    assert read.latest.same_content(load_run("openhands-sdk.json").latest)
    assert (read.id, read.name, read.inferences[0].model) == ("conv-1", "Tomatoes", "gpt-5-mini")
    assert nt.load(path, strict=True) == read


def test_the_pages_name_every_format_and_their_number() -> None:
    root = FIXTURES.parents[1]
    names = {importer.name for importer in importers().values()}
    rows = re.findall(
        r"^\| `([\w-]+)`(?: `[\w-]+`)* (?:\|[^|\n]*){8}$", (root / "docs/formats.md").read_text(), re.MULTILINE
    )

    assert sorted(rows) == sorted(names)
    assert f"- {len(names)} formats are detected" in (root / "CHANGELOG.md").read_text()

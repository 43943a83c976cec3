"""Real transcripts in foreign formats, counted by other means: their messages, calls, results and texts are all there."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers import Source, importers

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"
ContentsByKind = dict[str, list[Any]]  # by kind: texts; for calls (id, name, arguments), for results (id, content)


def dev_folder(shared: Path) -> Path:
    return shared / "transcripts" / "dev"


def json_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def contents_of(run: nt.Run) -> ContentsByKind:
    contents: ContentsByKind = {}
    for block in run.latest:
        if block.kind == "tool_call":
            contents.setdefault(block.kind, []).append((block.tool_call_id, block.name, block.args))
        elif block.kind == "tool_use":
            contents.setdefault(block.kind, []).append(
                (block.tool_call_id, block.result if not block.error else block.error)
            )
        elif block.kind != "other":
            contents.setdefault(block.kind, []).append(block.text)
    return contents


def group_by_kind(pairs: Iterable[tuple[str, Any]]) -> ContentsByKind:
    contents: ContentsByKind = {}
    for kind, content in pairs:
        contents.setdefault(kind, []).append(content)
    return contents


def parse_arguments(json_or_object: Any) -> Any:
    return json.loads(json_or_object) if isinstance(json_or_object, str) else json_or_object


# Each format, read again in the plainest way.


def chat(messages: list[Any]) -> Iterator[tuple[str, Any]]:
    """OpenAI's messages; AG-UI's spell some names otherwise."""
    for m in messages:
        calls = m.get("tool_calls") or m.get("toolCalls") or []
        if m["role"] in ("system", "user"):
            parts = m["content"] if isinstance(m["content"], list) else [{"text": m["content"]}]
            yield m["role"], "\n".join(part["text"] for part in parts if "text" in part)
        elif m["role"] == "tool":
            yield "tool_use", (m.get("tool_call_id") or m.get("toolCallId"), m["content"])
        elif m.get("content") or not calls:
            yield "llm_text", m.get("content") or ""
        for c in calls:
            yield "tool_call", (c["id"], c["function"]["name"], parse_arguments(c["function"]["arguments"]))


def vercel(messages: list[Any]) -> Iterator[tuple[str, Any]]:
    for m in messages:
        for p in m["parts"]:
            if p["type"] == "text":
                yield {"user": "user", "assistant": "llm_text"}[m["role"]], p["text"]
            else:
                yield "tool_call", (p["toolCallId"], p["type"].removeprefix("tool-"), p["input"])
                yield "tool_use", (p["toolCallId"], p["output"])


def pydantic_ai(messages: list[Any]) -> Iterator[tuple[str, Any]]:
    kinds = {"user-prompt": "user", "text": "llm_text", "thinking": "reasoning", "system-prompt": "system"}
    for m in messages:
        for p in m["parts"]:
            if p["part_kind"] == "tool-call":
                yield "tool_call", (p["tool_call_id"], p["tool_name"], parse_arguments(p["args"]))
            elif p["part_kind"] == "tool-return":
                yield "tool_use", (p["tool_call_id"], p["content"])
            else:
                yield kinds[p["part_kind"]], p["content"]


def langchain(messages: list[Any]) -> Iterator[tuple[str, Any]]:
    for m in messages:
        d = m.get("data") or m["kwargs"]
        kind = {"human": "user", "ai": "llm_text", "tool": "tool_use", "system": "system"}[d["type"]]
        if kind == "tool_use":
            yield kind, (d["tool_call_id"], d["content"])
        elif d["content"] or not d.get("tool_calls"):
            yield kind, d["content"]
        for c in d.get("tool_calls") or []:
            yield "tool_call", (c["id"], c["name"], c["args"])


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("vercel-ui/chats.jsonl", vercel),
        ("ag-ui/chats.jsonl", chat),
        ("pydantic-ai/conversations.jsonl", pydantic_ai),
        ("langchain/messages_to_dict.jsonl", langchain),
        ("langchain/dumpd.jsonl", langchain),
    ],
)
def test_each_line_of_chats_is_a_run_that_says_the_same(shared: Path, name: str, read: Any) -> None:
    chats = json_lines(dev_folder(shared) / name)
    runs = list(nt.load_all(dev_folder(shared) / name))

    assert [contents_of(run) for run in runs] == [group_by_kind(read(one["messages"])) for one in chats]
    assert [run.import_report.read for run in runs] == [len(one["messages"]) for one in chats]
    assert all(run.import_report.complete for run in runs)
    prompts = [len(group_by_kind(read(one["messages"]))["user"]) for one in chats]
    assert [len(run) for run in runs] == prompts


def test_tokens_and_prices_of_a_history_are_those_of_its_responses(shared: Path) -> None:
    path = dev_folder(shared) / "pydantic-ai" / "conversations.jsonl"

    for run, one in zip(nt.load_all(path), json_lines(path), strict=True):
        usage = [m["usage"] for m in one["messages"] if m["kind"] == "response"]
        assert run.usage.input_tokens == sum(u["input_tokens"] for u in usage)
        assert run.usage.output_tokens == sum(u["output_tokens"] for u in usage)
        assert run.usage.reasoning_tokens == sum(u["output_reasoning_tokens"] for u in usage)
        assert run.cost == pytest.approx(sum(float(u["cost"]) for u in usage))
        assert [i.response_id for i in run.inferences] == [
            m["provider_response_id"] for m in one["messages"] if m["kind"] == "response"
        ]


def test_each_task_of_a_benchmark_says_what_its_messages_say(shared: Path) -> None:
    path = dev_folder(shared) / "tau-bench" / "gpt-4o-airline.json"
    tasks = json.loads(path.read_text(encoding="utf-8"))

    runs = list(nt.load_all(path))

    assert [contents_of(run) for run in runs] == [group_by_kind(chat(task["traj"])) for task in tasks]
    assert {run.import_report.format for run in runs} == {"tau-bench"}


def test_a_trajectory_of_swe_agent_says_what_its_history_says(shared: Path) -> None:
    for path in sorted((dev_folder(shared) / "swe-agent").iterdir()):
        document = json.loads(path.read_text(encoding="utf-8"))
        history = [{**m, "tool_call_id": next(iter(m.get("tool_call_ids") or [None]))} for m in document["history"]]

        run = nt.load(path)

        assert contents_of(run) == group_by_kind(chat(history)), path.name
        assert len(run) == 1
        steps = {name for step in document["trajectory"] for name in (step["observation"], step["response"])}
        held = json.dumps(run.to_dict())
        assert all(json.dumps(one)[1:-1] in held for one in steps), path.name


def test_an_event_stream_of_openhands_says_what_its_replies_say(shared: Path) -> None:
    path = dev_folder(shared) / "openhands" / "output.jsonl"
    (document,) = json_lines(path)
    calls, results, texts = [], [], []
    for event in document["history"]:
        about = event.get("tool_call_metadata")
        if about and "action" in event:
            (message,) = [choice["message"] for choice in about["model_response"]["choices"]]
            calls += [
                (c["id"], c["function"]["name"], parse_arguments(c["function"]["arguments"]))
                for c in message["tool_calls"]
            ]
            texts += [message["content"]] * bool(message["content"])
        elif about:
            results.append((about["tool_call_id"], event["content"]))

    run = nt.load(path)

    assert contents_of(run)["tool_call"] == calls and len(calls) == 23
    assert contents_of(run)["tool_use"] == results and len(results) == 22
    assert contents_of(run)["llm_text"] == texts
    assert [block.text for block in run.latest.of_kind("user")] == [document["instruction"]]
    assert run.import_report.read == 49
    assert run.usage.output_tokens == document["metrics"]["accumulated_token_usage"]["completion_tokens"]


def test_a_trajectory_in_atif_says_what_its_steps_say(shared: Path) -> None:
    for path in sorted((dev_folder(shared) / "atif").iterdir()):
        document = json.loads(path.read_text(encoding="utf-8"))
        pairs: list[tuple[str, Any]] = []
        for step in document["steps"]:
            kind = {"agent": "llm_text"}.get(step["source"], step["source"])
            pairs += [(kind, step["message"])] * bool(step["message"])
            for c in step.get("tool_calls") or []:
                pairs.append(("tool_call", (c["tool_call_id"], c["function_name"], c["arguments"])))
            for r in (step.get("observation") or {}).get("results", []):
                pairs.append(("tool_use", (r.get("source_call_id") or "", r.get("content"))))

        run = nt.load(path)

        assert contents_of(run) == group_by_kind(pairs), path.name
        assert run.import_report.read == len(document["steps"])
        assert run.cost == pytest.approx(document["final_metrics"]["total_cost_usd"])
        assert run.usage.input_tokens == document["final_metrics"]["total_prompt_tokens"]


def test_every_line_of_a_history_of_aiders_is_there(shared: Path) -> None:
    path = dev_folder(shared) / "aider" / ".aider.chat.history.md"
    text = path.read_text(encoding="utf-8")
    asked = [line[5:].rstrip() for line in text.splitlines() if line.startswith("#### ")]
    status = [line[2:].rstrip() for line in text.splitlines() if line.startswith("> ")]

    runs = list(nt.load_all(path))

    prompts = [
        line for run in runs for block in run.latest.of_kind("user") for line in (block.text or "<blank>").split("\n")
    ]
    notices = [line for run in runs for block in run.latest.of_kind("other") for line in block.text.split("\n")]
    assert [line.rstrip() for line in prompts] == asked and len(asked) == 7115
    assert [line.rstrip() for line in notices if line.strip()] == [line for line in status if line.strip()]
    assert len(runs) == len(re.findall(r"(?m)^# aider chat started at", text)) == 453
    words = Counter(re.findall(r"\w+", text))
    kept = Counter(word for run in runs for block in run.latest for word in re.findall(r"\w+", block.text))
    headed = Counter(word for run in runs for word in re.findall(r"\w+", f"aider chat started at {run.name}"))
    missing = words - kept - headed
    assert set(missing) <= {"blank"}


def test_the_events_of_geppetto_say_what_its_turn_says(shared: Path) -> None:
    for events in sorted((dev_folder(shared) / "geppetto").glob("*-events.ndjson")):
        turn = nt.load(str(events).replace("-events.ndjson", "-turn.yaml")).latest
        run = nt.load(events)

        made = [block for block in turn if block.kind in ("llm_text", "tool_call", "reasoning")]
        assert [(b.kind, b.text, b.tool_call_id, b.name, b.args) for b in run.latest if b.kind != "other"] == [
            (b.kind, b.text, b.tool_call_id, b.name, b.args) for b in made
        ]
        assert run.import_report.read == len(json_lines(events))
        for mine, theirs in zip(
            (b.inference for b in run.latest if b.kind != "other"), (b.inference for b in made), strict=True
        ):
            assert mine is not None and theirs is not None
            assert (mine.provider, mine.model, mine.stop_reason, mine.finish_class, mine.usage, mine.duration_ms) == (
                theirs.provider, theirs.model, theirs.stop_reason, theirs.finish_class, theirs.usage, theirs.duration_ms,
            )  # fmt: skip


# Spans.


def otel(messages: list[Any]) -> Iterator[tuple[str, Any]]:
    for m in messages:
        for p in m["parts"]:
            if p["type"] == "text":
                yield {"user": "user", "assistant": "llm_text", "system": "system"}[m["role"]], p["content"]
            elif p["type"] == "tool_call":
                yield "tool_call", (p["id"], p["name"], parse_arguments(p["arguments"]))
            else:
                yield "tool_use", (p["id"], p["result"])


def test_the_spans_of_a_trace_are_one_conversation(shared: Path) -> None:
    path = dev_folder(shared) / "otel-genai" / "spans_v1.37_messages.jsonl"
    traces: dict[str, list[Any]] = {}
    for span in json_lines(path):
        traces.setdefault(span["context"]["trace_id"], []).append(span["attributes"])

    runs = list(nt.load_all(path))

    assert len(runs) == len(traces) == 9
    for run, spans in zip(runs, traces.values(), strict=True):
        chats = [span for span in spans if span["gen_ai.operation.name"] == "chat"]
        if "gen_ai.input.messages" not in chats[-1]:
            assert [str(one.finish_class) for one in run.inferences] == ["error"]
            continue
        whole = json.loads(chats[-1]["gen_ai.input.messages"]) + json.loads(chats[-1]["gen_ai.output.messages"])
        assert contents_of(run) == group_by_kind(otel(whole))
        assert [one.usage.input_tokens for one in run.inferences if one.usage] == [
            c["gen_ai.usage.input_tokens"] for c in chats
        ]
        assert [one.response_id for one in run.inferences] == [c["gen_ai.response.id"] for c in chats]


def is_continued(messages: list[Any], other: list[Any]) -> bool:
    """Return whether a later call was sent all messages and the reply of an earlier one."""
    return len(other) > len(messages) and other[: len(messages)] == messages


def test_log_records_say_what_was_asked_and_answered(shared: Path) -> None:
    path = dev_folder(shared) / "otel-genai" / "events.jsonl"
    spans: dict[str, list[Any]] = {}
    for record in json_lines(path):
        body, role = record["body"], record["event_name"].split(".")[1]
        message = body["message"] if role == "choice" else {"role": role, **body}
        if message["role"] == "tool":
            message = {**message, "tool_call_id": message["id"]}
        spans.setdefault(record["span_id"], []).append({"content": None, **message})

    runs = list(nt.load_all(path))

    whole = [
        messages for messages in spans.values() if not any(is_continued(messages, other) for other in spans.values())
    ]
    assert len(runs) == len(whole) == 6
    expected = [group_by_kind(chat(messages)) for messages in whole]
    assert all(contents_of(run) in expected for run in runs)
    assert sum(len(run.inferences) for run in runs) == len(spans) == 8


def test_spans_without_messages_still_tell_of_their_calls(shared: Path) -> None:
    path = dev_folder(shared) / "otel-genai" / "spans.jsonl"
    spans = [span["attributes"] for span in json_lines(path)]

    runs = list(nt.load_all(path))

    assert [len(run.latest) for run in runs] == [0] * 8
    assert [run.inferences[0].model for run in runs] == [span["gen_ai.response.model"] for span in spans]
    assert [run.usage.output_tokens for run in runs] == [span["gen_ai.usage.output_tokens"] for span in spans]


def numbered(attributes: dict[str, Any], prefix: str) -> Iterator[dict[str, Any]]:
    for index in sorted(
        {int(name.removeprefix(f"{prefix}.").split(".")[0]) for name in attributes if name.startswith(prefix)}
    ):
        here = {
            k.removeprefix(f"{prefix}.{index}.message."): v
            for k, v in attributes.items()
            if k.startswith(f"{prefix}.{index}.")
        }
        yield here


def openinference(attributes: dict[str, Any]) -> ContentsByKind:
    pairs: list[tuple[str, Any]] = []
    for prefix in ("llm.input_messages", "llm.output_messages"):
        for m in numbered(attributes, prefix):
            texts = [m["content"]] if "content" in m else []
            texts += [v for k, v in m.items() if re.fullmatch(r"contents\.\d+\.message_content\.text", k)
                      and m[k.replace(".text", ".type")] == "text"]  # fmt: skip
            if "tool_call_id" in m:
                pairs.append(("tool_use", (m["tool_call_id"], "\n".join(texts))))
            elif m["role"] in ("user", "system", "developer"):
                pairs.append(("user" if m["role"] == "user" else "system", "\n".join(texts)))
            elif texts:
                pairs.append(("llm_text", "\n".join(texts)))
            for index in range(100):
                call = f"tool_calls.{index}.tool_call."
                if f"{call}id" in m:
                    pairs.append(
                        (
                            "tool_call",
                            (
                                m[f"{call}id"],
                                m[f"{call}function.name"],
                                parse_arguments(m[f"{call}function.arguments"]),
                            ),
                        )
                    )
    return group_by_kind(pairs)


def test_a_span_of_openinference_says_what_its_attributes_say(shared: Path) -> None:
    path = dev_folder(shared) / "openinference" / "spans.jsonl"
    spans = [span["attributes"] for span in json_lines(path)]

    runs = list(nt.load_all(path))

    expected = [openinference(attributes) for attributes in spans]
    for run in runs:  # that of several calls is the last of them, which was sent all before it
        found = contents_of(run)
        found.pop("reasoning", None)
        assert found in expected
    calls = [call for run in runs for call in run.inferences]
    assert len(calls) == len(spans) == 20
    tokens = sorted(int(attributes.get("llm.token_count.prompt", 0)) for attributes in spans)
    assert sorted(call.usage.input_tokens if call.usage else 0 for call in calls) == tokens
    assert Counter(call.model for call in calls) == Counter(attributes["llm.model_name"] for attributes in spans)
    images = sum(len(block.images) for run in runs for block in run.latest)
    assert images == sum("image.image.url" in name for span in spans for name in span)


# Naming a format.


def samples(folder: Path) -> list[tuple[str, Path]]:
    """Every sample there is, with the format it is in."""
    names = {
        "geppetto": "nbturns",
        "openai-responses": "openai-responses",
        "chatgpt": "chatgpt-export",
        "tau2-bench": "tau-bench",
        "tau2-simulation": "tau-bench",
        "phoenix": "openinference",
        "kimi-wire": "kimi",
        "geppetto-fixture": "geppetto-fixtures",
    }
    found = [(names.get(path.parent.name, path.parent.name), path) for path in sorted(folder.glob("*/*"))]
    found += [(names.get(path.parent.name, path.parent.name), path) for path in folder.glob("*/.*")]
    found = [("geppetto-events" if path.suffix == ".ndjson" else name, path) for name, path in found]
    own = [(re.sub(r"-(events|dumpd)$", "", path.stem), path) for path in sorted(FIXTURES.iterdir())]
    own = [("geppetto-events" if path.suffix == ".ndjson" else names.get(name, name), path) for name, path in own]
    return found + own


def test_each_sample_is_named_right_and_by_one_importer_alone(shared: Path) -> None:
    known = {name: one.name for name, one in importers().items()}
    wrong = []
    for folder, path in samples(dev_folder(shared)):
        source = Source.of_file(path)
        scores = {one.name: one.score(source.sample) for one in importers().values()}
        if not max(scores.values()):
            scores = {one.name: one.score(source.longer_sample()) for one in importers().values()}
        best = max(scores.values())
        surest = [name for name, score in scores.items() if score == best and best]
        if surest != [known[folder]]:
            wrong.append((path.name, folder, {name: score for name, score in scores.items() if score}))

    assert not wrong
    assert len(samples(dev_folder(shared))) > 70

"""Every value of a transcript is in a block, in the counts of a model call, in kept metadata, or named in the report.

`CONTENT` lists, for each format, the paths that hold messages, tool calls, results and counts, by its documentation:
what is there must arrive in a block or in the result of a model call. Every file is also offered to every importer.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers import Note, Source, importers, read_runs

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"
NAMES = sorted(path.name for path in FIXTURES.iterdir())
JSON_NAMES = [name for name in NAMES if not name.endswith(".md")]
FORMATS = sorted({importer.name for importer in importers().values()})

# Regular expressions of paths, by format; indexes are left out: `messages.content` is that of each message.
CALLS = r"tool_calls(\.function)?\.(id|name|arguments)"
CONTENT: dict[str, str] = {
    "ag-ui": r"messages\.(content|content\.(text|source\.value|source\.mimeType)|toolCallId|error|toolCalls\.id|toolCalls\.function\..*)|content|toolCallId|toolCallName",
    "anthropic": r"(request\.|response\.)?(system\.text|messages\.content.*\.(text|thinking|signature|id|name|tool_use_id|content|input\..*)|content\.text|messages\.content)|response\.(stop_reason|model|usage\.output_tokens)",
    "agentv": r"content|tool_calls\.(tool|id|input\..*|output)|token_usage\..*|duration_ms|start_time|source\.model",
    "ai-studio": r"chunkedPrompt\.chunks\.(text|createTime|executableCode\..*|codeExecutionResult\.output|finishReason)|systemInstruction\.parts\.text",
    "antigravity": r"content|thinking|tool_calls\.(name|args\..*)|usage\..*|created_at",
    "atif": r"steps\.(message|message\.text|reasoning_content|tool_calls\..*|observation\.results\.(source_call_id|content)|metrics\..*|model_name|timestamp)",
    "atof": r"data\.(content|assistant_message|zone|result|error|usage\..*)|metadata\.(model|tool_call_id)",
    "autogen": r"llm_context\.messages\.(content|thought|content\.(id|name|arguments|content|call_id))",
    "browser-capture": r"session\.(model|turns\.(text|provider_turn_id|timestamp))",
    "bedrock-converse": r".*\.(content|system)\..*(text|signature|toolUseId|name|input\..*)|response\.(stopReason|metrics\.latencyMs|usage\..*)|request\.modelId",
    "chatgpt-export": r"mapping\.[^.]*\.message\.(content\.(parts|text|user_profile|user_instructions|thoughts\.content|result)|create_time|metadata\.model_slug)",
    "chatlas": r"contents\.(text|thinking|id|name|arguments\..*|value|error)|cost|finish_reason|completion\.(id|model)|tokens",
    "claude-code": r"message\.(content(\.(thinking|signature|text|id|name|input\..*|tool_use_id|content))?|model|stop_reason|usage\..*)|timestamp|requestId",
    "claude-export": r"chat_messages\.(content\.(text|thinking|id|name|input\..*|tool_use_id|content\.text)|attachments\.extracted_content)",
    "codex": r"payload\.(content\.text|message|text|summary\.text|encrypted_content|name|arguments|call_id|output|info\.last_token_usage\.(?!total).*)",
    "copilot-cli": r"data\.(content|reasoningText|outputTokens|messageId|toolRequests\.(toolCallId|name|arguments\..*)|result\.content|error\.message|selectedModel)",
    "pi": r"message\.(content\.(text|thinking|thinkingSignature|id|name|arguments\..*)|toolCallId|model|provider|stopReason|usage\.(input|output|cacheRead|cacheWrite|cost\.total))|summary",
    "docent": r"transcripts\.messages\.(content|content\.(text|reasoning|signature)|model|tool_calls\.(id|function|arguments\..*)|tool_call_id|error\.message)|metadata\.scores\..*",
    "gemini": r"(contents|systemInstruction)\.parts\.(text|inlineData\..*|functionCall\..*|functionResponse\..*)",
    "gemini-cli": r"messages\.(content(\.text)?|thoughts\.(subject|description)|tokens\..*|model|timestamp|toolCalls\.(id|name|args\..*|timestamp|result\.functionResponse\.response\..*))",
    "geppetto-events": r"event\.(prompt|tool_call_id|tool_name|input|stop_reason|duration_ms|usage\..*)|(event\.)?meta\.model",
    "geppetto-fixtures": r"(turn\.blocks|followups)\.(kind|payload\..*)",
    "google-adk": r"events\.(content\.parts\.(text|function_call\.(id|name|args\..*)|function_response\.(id|response\..*))|usage_metadata\.(?!total).*|model_version|timestamp|id)",
    "goose": r"content\.(text|thinking|signature|id|toolCall\.value\..*|toolResult\.(value\.text|error))|created",
    "gptme": r"content|timestamp|call_id|metadata\.(model|cost|usage\.(input|output|cache_read)_tokens|timings\..*)",
    "grok-export": r"conversations\.responses\.response\.(_id|message|model|thinking_trace|create_time\..*)",
    "grok-build": r"content(\.text)?|summary\.text|tool_calls\.(id|name|arguments)|tool_call_id|model_id",
    "hermes": rf"content|reasoning|{CALLS}|tool_call_id|finish_reason|model|timestamp",
    "inspect": r"samples\.(messages\.(content(\.(reasoning|signature|text))?|tool_calls\.(id|function|arguments\..*)|tool_call_id|error\.message)|events\.output\.(usage\.output_tokens|choices\.stop_reason|model)|target|scores\..*\.value|attachments\..*)",
    "langchain": r"(messages\.)?(data|kwargs)\.(content(\.(text|thinking|signature|image_url\..*))?|tool_calls\.(name|id|args\..*)|usage_metadata\.(?!total).*|tool_call_id|response_metadata\.(model_name|stop_reason))",
    "librechat": r"messages\.(messageId|text|createdAt|model|content\.(think|text|text\.value|tool_call\.(id|name|args|output)))",
    "lm-studio": r"systemPrompt|messages\.versions\.(content\.text|steps\.(content\.(text|name|parameters\..*|toolCallRequestId|content)|genInfo\.(identifier|stats\.(stopReason|(prompt|predicted)TokensCount))))",
    "mistral-vibe": rf"content|reasoning_content|{CALLS}|tool_call_id|message_id",
    "open-webui": r"chat\.history\.messages\.[^.]*\.(id|content|model|timestamp|usage\.(prompt|completion)_tokens)",
    "openai": r"instructions|model|input\.(content\.text|summary\.text|encrypted_content|call_id|name|arguments|output)",
    "openai-agents": r"original_input|generated_items\.raw_item\.(call_id|name|arguments|output|content\.text)|model_responses\.(response_id|usage\.(input_tokens|output_tokens))",
    "openai-chat": rf"model|messages\.(content(\.(text|image_url\..*))?|{CALLS}|tool_call_id|refusal)",
    "openclaw": r"messages\.(content\.(text|thinking|thinkingSignature|id|name|arguments\..*)|toolCallId|model|provider|stopReason|usage\.(input|output|cacheRead|cost\.total)|timestamp)",
    "opencode": r"messages\.(info\.(time\.created|modelID|providerID|system|cost|tokens\..*)|parts\.(text|tool|callID|state\.(input\..*|output|error)))",
    "openhands": r"history\.(args\.(content|command|thought)|content|timestamp|tool_call_metadata\.(tool_call_id|model_response\.(id|model|usage\.(prompt|completion)_tokens|choices\.message\..*(content|id|arguments|name))))",
    "openhands-sdk": r"(system_prompt|dynamic_context)\.text|llm_message\.content\.(text|image_urls)|reasoning_content|thinking_blocks\.(thinking|signature)|tool_name|tool_call_id|tool_call\.(id|name|arguments)|llm_response_id|observation\.content\.text|error|timestamp",
    "openinference": r"(data\.)?attributes\.llm\.((input|output)_messages\..*\.(content|text|url|id|name|arguments|tool_call_id)|token_count\.(?!total).*|model_name|provider)",
    "otel-genai": r"resourceSpans\.scopeSpans\.spans\.((events\.)?attributes\.value\.stringValue)",
    "cline": r"content\.(text|thinking|signature|id|name|input\..*|tool_use_id|content\.text)|ts|modelInfo\.(modelId|providerId)|metrics\.(tokens\..*|cost)",
    "kiro": r"history\.(user\.(timestamp|content\..*\.(prompt|tool_use_id|Text))|assistant\..*\.(content|id|name|args\..*)|request_metadata\.(request_id|model_id|stream_end_timestamp_ms))",
    "posit-assistant": r"message\.(content|content\.(text|toolCallId|toolName|input\..*|output\.value)|providerOptions\.providerMetadata\.positai\.(timestamp|modelId|usage\.(?!total).*))",
    "vscode-chat": r"requests\.(message\.text|timestamp|response\.(value|toolCallId)|result\.(timings\..*|metadata\.(promptTokens|outputTokens|resolvedModel|toolCallRounds\.toolCalls\.(id|name|arguments)|toolCallResults\..*\.value)))",
    "kimi": r"content(\.(text|think|encrypted))?|tool_calls\.(id|function\..*)|tool_call_id|input\.text|systemPrompt|message\.content\.text|event\.(part\.(text|think)|toolCallId|name|args\..*|result\.output|usage\..*|finishReason|llmFirstTokenLatencyMs)",
    "cursor": r"message\.content\.(text|name|input\..*)",
    "qwen-code": r"message\.parts\.(text|functionCall\.(id|name|args\..*)|functionResponse\.(id|response\..*))|model|usageMetadata\.(?!total).*",
    "qwenpaw": r"agent\.memory\.content\.(content\.(text|thinking|id|name|input\..*|raw_input|output\.text)|timestamp)",
    "pydantic-ai": r"parts\.(content|content\.(url|media_type)|args(\..*)?|tool_name|tool_call_id|signature)|instructions|usage\..*|model_name|provider_response_id|timestamp",
    "sharegpt": r"system|conversations\.value",
    "smolagents": r"system_prompt\.system_prompt|steps\.(task|model_output|observations|tool_calls\.(id|function\..*)|token_usage\.(input|output)_tokens|error\.message)",
    "swe-agent": rf"history\.(content|{CALLS}|tool_call_ids)|info\.submission",
    "tau-bench": rf"((simulations\.)?messages|traj)\.(content|{CALLS}|tool_calls\.arguments\..*|tool_call_id|id|usage\.(prompt|completion)_tokens|cost)|reward|(simulations\.)?reward_info\.reward",
    "braintrust": r"(input|output)(\.message)?\.(content|reasoning|tool_call_id|tool_calls(\.function)?\.(id|name|arguments)|zone)|output|error|scores\..*|metrics\.(prompt_tokens|completion_tokens|prompt_cached_tokens|completion_reasoning_tokens)|metadata\.(model|provider)|output\.finish_reason",
    "helicone": r"data\.(request_body\.messages|response_body\.choices\.message)\.(content|reasoning_content|tool_call_id|tool_calls(\.function)?\.(id|name|arguments))|data\.(costUSD|response_model|delay_ms|scores\..*)|data\.response_body\.(usage\.(prompt|completion)_tokens|choices\.finish_reason)",
    "langfuse": r"observations\.(input|output|model|totalCost|usageDetails\.(input_cache_read|output_reasoning)|statusMessage)|trace\.scores\.(name|value)",
    "langsmith": r"inputs\.messages\.kwargs\.(content|tool_call_id|tool_calls\.(name|id|args\..*))|outputs\.generations\.message\.kwargs\.(content|tool_calls\.(name|id|args\..*))|prompt_tokens|completion_tokens|prompt_token_details\..*|completion_token_details\..*|error|feedback_stats\.helpful\.avg|extra\.metadata\.ls_(provider|model_name)",
    "logfire": r"rows\.attributes\.((request_data\.messages|response_data\.message)\.(content|reasoning_content|tool_call_id|tool_calls(\.function)?\.(id|name|arguments))|gen_ai\.(usage\..*|response\.(model|id|finish_reasons)|system|tool\..*)|operation\.cost|tool_arguments|tool_response)|rows\.exception_message",
    "mlflow": r"data\.spans\.(attributes\.mlflow\.(span(Inputs|Outputs)(\.choices)?(\.messages?)?\.(content|reasoning_content|tool_call_id|zone|question|tool_calls(\.function)?\.(id|name|arguments))|chat\.tokenUsage\.(?!total).*|llm\.(model|provider|cost\.total_cost))|status\.message)|info\.assessments\.(assessment_name|feedback\.value)",
    "nemo-gym": r"responses_create_params\.input\.content|response\.output\.(content\.text|content|summary\.text|call_id|name|arguments|output)|response\.(model|usage\.(input|output)_tokens)|reward",
    "weave": r"inputs\.(messages\.(content|tool_call_id|tool_calls(\.function)?\.(id|name|arguments))|zone)|output(\.choices\.(message\.(content|reasoning_content|tool_calls(\.function)?\.(id|name|arguments))|finish_reason))?|output\.usage\.(prompt|completion)_tokens|exception",
    "vercel-ui": r"messages\.(parts\.(text|url|mediaType|toolCallId|toolName|input\..*|output|errorText|data\..*)|metadata\.(createdAt|model|finishReason|totalUsage\.(?!total).*))",
}  # fmt: skip
DETAILS = re.compile(
    r'(?<=name=")[^"]*|(?<=arguments=")\{.*?\}(?=")|(?<=result="")[^"]*|(?<=^> ).*|(?<=</details>\n)[^<]+', re.MULTILINE
)
CALL_IN_TEXT = re.compile(r"^@(\w+)\((\w+)\): (?=\{)", re.MULTILINE)  # as gptme writes a tool call
FROM_TESTS_OF_THEIR_OWN = {
    "aider",
    "specstory",
    "nbturns",
    "pinocchio",
    "iflow",
    "table",
    "http-exchanges",
    "vercel-messages",
}


def documents(name: str) -> list[Any]:
    text = (FIXTURES / name).read_text(encoding="utf-8")
    if name.endswith((".json", ".traj")):
        document = json.loads(text)
        return document if isinstance(document, list) else [document]
    lines = [json.loads(line) for line in text.splitlines()]
    return [with_values_of_attributes(line) for line in lines] if name.startswith("mlflow") else lines


def with_values_of_attributes(trace: Any) -> Any:
    """Return a trace of MLflow with the values of attributes, which it has as JSON."""
    for span in trace["data"]["spans"]:
        span["attributes"] = {name: json.loads(value) for name, value in span["attributes"].items()}
    return trace


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each text and number with its path, without indexes; null, "" and the empty containers are none."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    elif value is not None and value != "":
        yield path, value


class Values:
    """The values in Runs, those in JSON texts included."""

    def __init__(self, *values: Any) -> None:
        self.known: set[Any] = set()
        for value in values:
            self.add(value)
        self.text = "\0".join(value for value in self.known if isinstance(value, str))

    def add(self, value: Any) -> None:
        if isinstance(value, dict):
            self.known.update(value)
            for item in value.values():
                self.add(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                self.add(item)
        elif value is not None:
            self.known.add(value)
            if isinstance(value, str) and value[:1] in ("{", "["):
                self.add(json_value(value))

    def has(self, value: Any) -> bool:
        if value in self.known or str(value) in self.text:
            return True
        if isinstance(value, str) and value.lstrip("-").isdigit():
            return int(value) in self.known
        inner = json_value(value) if isinstance(value, str) and value[:1] in ("{", "[") else None
        if inner is not None and all(self.has(item) for path, item in leaves(inner) if not is_shape(path)):
            return True
        if isinstance(value, str) and value.startswith("<details "):  # as Open WebUI writes thoughts and tool calls
            pieces = DETAILS.findall(html.unescape(value))
            return bool(pieces) and all(self.has(piece.strip()) for piece in pieces if piece.strip())
        if isinstance(value, str) and (pieces := CALL_IN_TEXT.split(value))[1:]:
            return all(self.has(piece) for piece in pieces if piece)
        return isinstance(value, str) and value.startswith("Error: ") and value.removeprefix("Error: ") in self.text


def json_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def is_shape(path: str) -> bool:
    """Return whether a field names the shape of its object: a block says the same by its kind."""
    return path.rpartition(".")[2] in ("type", "role", "kind", "status", "modality", "finish_reason", "index", "object")


@cache
def load_runs(name: str) -> tuple[nt.Run, ...]:
    return tuple(nt.load_all(FIXTURES / name))


def format_of(name: str) -> str:
    report = load_runs(name)[0].import_report
    return report.format if report else "nbturns"


def values_of_blocks(runs: tuple[nt.Run, ...]) -> Values:
    """Return the values in blocks and in the results of model calls, with times; metadata is left out."""
    values: list[Any] = []
    for run in runs:
        values += [result.to_dict() for result in run.inferences]
        values.append(run.outcome.to_dict() if run.outcome else None)
        for block in (block for turn in run for block in turn):
            record = block.to_dict()
            metadata = record.pop("metadata", {})
            wire = [part for key, part in metadata.items() if key.endswith(".wire@v1")]  # the part as it was sent
            values += [record, metadata.get(nt.keys.TIMESTAMP.name), metadata.get(nt.keys.ARGUMENTS.name), wire]
            values += [result.to_dict() for result in [block.inference] if result]
    return Values(*values)


def test_every_format_has_a_list_of_its_content() -> None:
    assert CONTENT.keys() | FROM_TESTS_OF_THEIR_OWN >= set(FORMATS)
    assert CONTENT.keys() >= {format_of(name) for name in JSON_NAMES}


def converted(value: Any) -> set[Any]:
    """Return the forms that a value has when it was converted: a usage with the cache added, seconds, a number as text."""
    forms = {value}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        forms |= {repr(value), str(value), float(value), round(value * 1000)}
    return forms


@pytest.mark.parametrize("name", JSON_NAMES)
def test_messages_calls_results_and_counts_are_in_blocks_and_results(name: str) -> None:
    content = re.compile(CONTENT[format_of(name)])
    values = values_of_blocks(load_runs(name))

    checked = [(path, value) for path, value in leaves(documents(name)) if content.fullmatch(path)]
    lost = [
        (path, value)
        for path, value in checked
        if not isinstance(value, bool)
        and value != 0
        and not (
            path.endswith("spans.attributes.value.stringValue") and value[:1] not in "[{"
        )  # of an attribute that is no message
        and not str(value).startswith("attachment://")
        and not any(map(values.has, converted(value)))
    ]

    assert len(checked) >= 3
    assert not lost


@pytest.mark.parametrize("name", JSON_NAMES)
def test_every_number_of_a_transcript_is_kept(name: str) -> None:
    values = Values(*(run.to_dict() for run in load_runs(name)))

    lost = {
        path
        for path, value in leaves(documents(name))
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and not any(map(values.has, converted(value)))
    }

    assert lost <= NOT_KEPT.get(name, set())


NOT_KEPT = {
    "ag-ui-events.jsonl": {"timestamp"},  # of the end of a message
    "geppetto-events.ndjson": {"event.sequence"},
    "inspect.json": {"samples.events.input_refs", "samples.events.output.usage.total_tokens"},  # a sum
    "otel-genai-events.json": {"resourceSpans.scopeSpans.spans.kind", "resourceSpans.scopeSpans.spans.status.code"},
    "smolagents.json": {"steps.token_usage.total_tokens"},  # a sum
}


# Every file, offered to every importer.


@pytest.mark.parametrize("name", NAMES)
def test_an_importer_of_another_format_reports_what_it_does_not_read(name: str) -> None:
    texts = [value for _, value in leaves(documents(name)) if is_long(value)] if name in JSON_NAMES else []
    source = Source.of_file(FIXTURES / name)
    others = [
        importer for importer in importers().values() if importer.name != format_of(name) and not importer.score(source.sample)
    ]  # fmt: skip
    assert len({importer.name for importer in others}) >= len(FORMATS) - 6
    for format in {importer.name for importer in others}:
        try:
            items = list(read_runs(Source.of_file(FIXTURES / name), format))
        except nt.LoadError:
            continue
        runs = tuple(item for item in items if isinstance(item, nt.Run))
        notes = [item for item in items if isinstance(item, Note)]
        notes += [note for run in runs if run.import_report for _, note in run.import_report.notes()]
        known, in_blocks = Values(*(run.to_dict() for run in runs)), values_of_blocks(runs)
        lost = [text for text in texts if not known.has(text)]
        assert notes or not texts or (not lost and any(map(in_blocks.has, texts))), format
        if notes and not all(_is_guess(note, runs) for note in notes):
            with pytest.raises(nt.LoadError):
                list(read_runs(Source.of_file(FIXTURES / name, strict=True), format))


def is_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= 12


def _is_guess(note: Note, runs: tuple[nt.Run, ...]) -> bool:
    return any(run.import_report is not None and note in run.import_report.guessed for run in runs)


# Detection.


def all_scores(sample: Any) -> dict[str, int]:
    scores = {importer.name: importer.score(sample) for importer in importers().values()}
    return {name: score for name, score in sorted(scores.items(), key=lambda item: -item[1]) if score}


@pytest.mark.parametrize("name", NAMES)
def test_no_other_format_is_nearly_as_sure(name: str) -> None:
    scores = all_scores(Source.of_file(FIXTURES / name).sample)

    (winner, best), *others = scores.items()
    assert winner == format_of(name)
    assert all(best - score >= 5 for _, score in others), scores


RECORDED = {
    "dev/ag-ui": "ag-ui", "dev/aider": "aider", "dev/anthropic": "anthropic", "dev/atif": "atif",
    "dev/claude-code": "claude-code", "dev/gemini": "gemini", "dev/inspect": "inspect", "dev/langchain": "langchain",
    "dev/openai-chat": "openai-chat", "dev/openai-responses": "openai", "dev/openhands": "openhands",
    "dev/openinference": "openinference", "dev/otel-genai": "otel-genai", "dev/pydantic-ai": "pydantic-ai",
    "dev/swe-agent": "swe-agent", "dev/tau-bench": "tau-bench", "dev/vercel-ui": "vercel-ui",
    "more/atif": "atif", "more/claude-code": "claude-code", "more/gemini-cli": "gemini-cli", "more/iflow": "iflow",
    "more/inspect": "inspect", "more/openhands-sdk": "openhands-sdk", "more/vs-copilot": "otel-genai",
    "more/nemo-gym": "nemo-gym", "more/langfuse-export": "langfuse", "more/codex": "codex", "more/pi": "pi", "more/opencode": "opencode",
    "more/cursor": "cursor", "more/qwenpaw": "qwenpaw", "more/kiro": "kiro", "more/kimi": "kimi",
    "more/vscode-copilot-chat": "vscode-chat",
    "more/antigravity": "antigravity", "more/gptme": "gptme", "more/grok-build": "grok-build",
    "more/ai-studio": "ai-studio", "more/autogen": "autogen", "more/google-adk": "google-adk",
    "more/chatgpt": "browser-capture", "more/docent": "tau-bench",
    "more/mistral-vibe": "mistral-vibe", "more/hermes": "hermes", "more/openclaw": "openclaw",
    "more/posit-assistant": "posit-assistant", "more/specstory": "specstory",
}  # fmt: skip


@pytest.mark.parametrize("folder", RECORDED)
def test_recorded_files_are_known_by_their_content_alone(shared: Path, folder: str) -> None:
    paths = [path for path in (shared / "transcripts" / folder).rglob("*") if path.is_file()]
    assert paths
    for path in paths:
        (winner, best), *others = all_scores(Source.of_file(path).sample).items()
        assert winner == RECORDED[folder], path
        assert all(best - score >= 5 for _, score in others), path

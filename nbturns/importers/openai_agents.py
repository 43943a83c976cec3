"""Results, states and traces of openai-agents: the items of a run, and the model calls that made them.

Read are `RunState.to_json()` (`original_input`, `generated_items` with a `raw_item` each, `model_responses`), and the
data of a `RunResult` (`to_input_list()` as `agents_input`, `raw_responses`). Items are those of the Responses API, and
each model response has its items, its usage and its id. Source:
openai/openai-agents-python at 7f7a44f8dc06, src/agents/run_state.py, result.py, items.py and usage.py.
Traces: `openai_agents_traces.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..engines import find
from ..values.inference_results import InferenceResult
from ..values.turns import Block, Run
from .kit.faults import wrong_type
from .kit.import_report import Notes
from .kit.importer import Importer, document_reader
from .kit.record_fields import list_or_empty, object_or_empty, omit, token_usage
from .kit.record_lists import document_score
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript, other_block
from .openai_agents_traces import new_reader, score_traces

FORMAT = "openai-agents"
CODEC = "openai"  # the engine whose codec reads items of the Responses API
ITEM_ERRORS = (TypeError, ValueError, AttributeError, KeyError)  # errors of the codec for malformed items


def is_state(value: Any) -> bool:
    """Return True for a state, or for the data of a result."""
    if not isinstance(value, Mapping):
        return False
    return "agents_input" in value or {"$schemaVersion", "original_input", "model_responses"} <= value.keys()


def read_state(state: Any, notes: Notes) -> Run:
    """Return the Run of a state or a result."""
    if not isinstance(state, Mapping):
        raise notes.load_error("", wrong_type("state", state, dict))
    items, positions, extra_fields = _items_of(state)
    responses = list_or_empty(state.get("model_responses", state.get("raw_responses")), "model_responses")
    transcript = Transcript(notes)
    results = _results_by_item(transcript, responses)
    for position, item in zip(positions, items, strict=True):
        transcript.begin_record(position)
        notes.record_count += 1
        blocks = _blocks_of(item)
        if blocks is None:
            transcript.add_unknown(item, f"no item of the Responses API: {type(item).__name__}")
            continue
        transcript.add_blocks(blocks, result=next((results[key] for key in _keys(item) if key in results), None))
    agent = object_or_empty(state.get("current_agent"), "current_agent").get("name")
    return transcript.to_run(name=agent if isinstance(agent, str) else "", extra_fields=extra_fields)


def _items_of(state: Mapping[str, Any]) -> tuple[list[Any], list[str], dict[str, Any]]:
    """Return the items of a state, their positions, and its other fields."""
    if "agents_input" in state:
        items = list_or_empty(state["agents_input"], "agents_input")
        return items, [f"input[{index}]" for index in range(len(items))], omit(state, "agents_input", "raw_responses")
    original = state["original_input"]
    prompts = [{"role": "user", "content": original}] if isinstance(original, str) else list(original or ())
    wrappers = list_or_empty(state.get("session_items") or state.get("generated_items"), "generated_items")
    generated = [wrapper.get("raw_item", wrapper) if isinstance(wrapper, Mapping) else wrapper for wrapper in wrappers]
    positions = [f"original_input[{index}]" for index in range(len(prompts))]
    positions += [f"generated_items[{index}].raw_item" for index in range(len(generated))]
    known_fields = ("original_input", "generated_items", "session_items", "model_responses", "last_model_response")
    return [*prompts, *generated], positions, omit(state, *known_fields)


def _blocks_of(item: Any) -> Sequence[Block] | None:
    """Return the blocks of an item; None for a value that is not an item."""
    read_history = find(CODEC).history
    assert read_history is not None
    if not isinstance(item, Mapping):
        return None
    try:
        return tuple(read_history({"input": [item]}).blocks) or (other_block(item),)
    except ITEM_ERRORS:
        return None


def _results_by_item(transcript: Transcript, responses: Sequence[Any]) -> dict[tuple[str, str], InferenceResult]:
    """Return the result of the model call by the ids of each item that it made."""
    results: dict[tuple[str, str], InferenceResult] = {}
    for index, response in enumerate(responses):
        if not isinstance(response, Mapping):
            continue
        output = list_or_empty(response.get("output"), "output")
        result = _result_of(transcript, response, index, any(_type_of(item) == "function_call" for item in output))
        for item in output:
            for key in _keys(item):
                results.setdefault(key, result)
    return results


def _result_of(transcript: Transcript, response: Mapping[str, Any], index: int, pending: bool) -> InferenceResult:
    usage = object_or_empty(response.get("usage"), "usage")
    response_id = response.get("response_id")
    return transcript.inference_result(
        id=f"model_responses[{index}]",
        provider=CODEC,
        response_id=response_id if isinstance(response_id, str) else "",
        pending=pending,
        usage=token_usage(
            usage.get("input_tokens"),
            usage.get("output_tokens"),
            cache_read_tokens=_detail(usage, "input_tokens_details", "cached_tokens"),
            cache_write_tokens=_detail(usage, "input_tokens_details", "cache_write_tokens"),
            reasoning_tokens=_detail(usage, "output_tokens_details", "reasoning_tokens"),
        ),
        extra=omit(response, "output", "response_id"),
    )


def _detail(usage: Mapping[str, Any], field_name: str, count_name: str) -> Any:
    """Return a count among the details of a usage, which newer versions write as a list of one object."""
    details = usage.get(field_name)
    if isinstance(details, list) and len(details) == 1:
        details = details[0]
    return details.get(count_name) if isinstance(details, Mapping) else None


def _keys(item: Any) -> list[tuple[str, str]]:
    """Return the ids that an item is known by: its own, and that of its call unless it is a result."""
    if not isinstance(item, Mapping):
        return []
    names = ("id",) if _type_of(item).endswith("_output") else ("id", "call_id")
    return [(name, item[name]) for name in names if isinstance(item.get(name), str) and item[name]]


def _type_of(item: Any) -> str:
    return str(item.get("type", "")) if isinstance(item, Mapping) else ""


def score_openai_agents(sample: Sample) -> int:
    """Return a score for states, results and traces."""
    return score_traces(sample) or document_score(is_state)(sample)


def read_source(source: Source) -> Iterator[Run]:
    """Yield the Runs of states, results and traces."""
    read = new_reader(FORMAT) if score_traces(source.sample) else document_reader(FORMAT, read_state)
    yield from read(source)


IMPORTER = Importer(FORMAT, score_openai_agents, read_source)

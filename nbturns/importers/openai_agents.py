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
from .kit.ledger import with_calls
from .kit.record_fields import list_of_document, object_of_document, omit, token_usage, without_lists
from .kit.record_lists import document_score
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript, other_block
from .openai_agents_traces import new_reader, score_traces

FORMAT = "openai-agents"
STATE_LISTS = ("original_input", "generated_items", "session_items", "model_responses")
RESULT_LISTS = ("agents_input", "raw_responses")
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
    items, positions, extra_fields = _items_of(state, notes)
    responses_name = "model_responses" if "model_responses" in state else "raw_responses"
    responses = list_of_document(state.get(responses_name), responses_name, notes)
    transcript = Transcript(notes)
    calls = list(_model_calls(transcript, responses))
    results = {key: result for result, keys in reversed(calls) for key in keys}
    calls_with_blocks: set[str] = set()  # by id
    for position, item in zip(positions, items, strict=True):
        transcript.begin_record(position)
        notes.record_count += 1
        blocks = _blocks_of(item)
        if blocks is None:
            transcript.add_unknown(item, f"no item of the Responses API: {type(item).__name__}")
            continue
        result = next((results[key] for key in _keys(item) if key in results), None)
        if result is not None:
            calls_with_blocks.add(result.inference_id)
        transcript.add_blocks(blocks, result=result)
    if odd_responses := [response for response in responses if not isinstance(response, Mapping)]:
        extra_fields[responses_name] = odd_responses
    agent = object_of_document(state.get("current_agent"), "current_agent", notes).get("name")
    run = transcript.to_run(name=agent if isinstance(agent, str) else "", extra_fields=extra_fields)
    return with_calls(run, [result for result, _ in calls if result.inference_id not in calls_with_blocks])


def _items_of(state: Mapping[str, Any], notes: Notes) -> tuple[list[Any], list[str], dict[str, Any]]:
    """Return the items of a state, their positions, and its other fields."""
    if "agents_input" in state:
        items = list_of_document(state["agents_input"], "agents_input", notes)
        return items, [f"input[{index}]" for index in range(len(items))], without_lists(state, *RESULT_LISTS)
    original = state.get("original_input")
    if isinstance(original, str):
        original = [{"role": "user", "content": original}]
    prompts = list_of_document(original, "original_input", notes)
    items_name = "session_items" if state.get("session_items") else "generated_items"
    wrappers = list_of_document(state.get(items_name), items_name, notes)
    generated = [wrapper.get("raw_item", wrapper) if isinstance(wrapper, Mapping) else wrapper for wrapper in wrappers]
    positions = [f"original_input[{index}]" for index in range(len(prompts))]
    positions += [f"generated_items[{index}].raw_item" for index in range(len(generated))]
    fields = without_lists(state, *STATE_LISTS)
    if isinstance(fields.get("original_input"), str):  # a prompt
        del fields["original_input"]
    return [*prompts, *generated], positions, omit(fields, "last_model_response")


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


def _model_calls(
    transcript: Transcript, responses: Sequence[Any]
) -> Iterator[tuple[InferenceResult, list[tuple[str, str]]]]:
    """Yield the result of each model call with the ids of the items that it made."""
    for index, response in enumerate(responses):
        if not isinstance(response, Mapping):
            transcript.notes.add_unknown(f"model_responses[{index}]", wrong_type("", response, dict))
            continue
        output = list_of_document(response.get("output"), f"model_responses[{index}].output", transcript.notes)
        result = _result_of(transcript, response, index, any(_type_of(item) == "function_call" for item in output))
        yield result, [key for item in output for key in _keys(item)]


def _result_of(transcript: Transcript, response: Mapping[str, Any], index: int, pending: bool) -> InferenceResult:
    usage = object_of_document(response.get("usage"), f"model_responses[{index}].usage", transcript.notes)
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
        extra=omit(response, *(("output",) if _are_objects(response.get("output")) else ()), "response_id"),
    )


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


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

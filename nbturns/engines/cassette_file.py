"""Record model calls in a YAML file that people read and edit, and answer from it.

A cassette is a middleware and records the calls at its place in the list. Two questions are
equal when content, tools, settings and model are; ids, times and streaming do not matter.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import DriftError, StoreError
from ..render.text import block_line
from ..runtime.background_loop import run_in_worker
from ..runtime.call_ids import PROVIDER_CALL_ID
from ..runtime.engine_protocol import Engine, Scope, innermost_engine
from ..safety.file_writing import check_name, locked, store_error, write_file
from ..safety.visible_text import printable
from ..values.blocks import Block, comparable_content
from ..values.frozen_json import thaw
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, total_cost, total_usage
from ..values.inference_settings import INFERENCE_CONFIG, STRUCTURED_OUTPUT_CONFIG
from ..values.metadata import Key
from ..values.turns import Turn
from .cassette_calls import CONDITIONS, VERSION, CassetteCall, file_calls, question_digest, read_calls
from .registry import installed_providers
from .streaming_playback import play_back

STREAMING_PARAMS = ("stream",)  # parameters that change the transport of an answer, not its content
HEAD = "# Model calls recorded by nbturns; you may edit questions and answers. `after: 2` continues call 2.\n"
Record = Literal[True, False, "again"]


@dataclass(slots=True, eq=False)
class Cassette:
    """A middleware that answers from a file; with `record` it adds the calls that the file does not have.

    `record="again"` repeats every call once and records the new answers. `pace` is the
    seconds between two words of an answer from the file. Raises DriftError for a question
    that is not recorded, with the difference from the most similar one, and LoadError for
    a file that cannot be read.
    """

    path: Path
    record: Record = False
    pace: float = 0.0
    name: str = "cassette"
    calls: list[CassetteCall] = field(default_factory=list)
    _file_version: tuple[int, int, int] | None = None  # time, size and number of the file when it was read
    _new_digests: set[str] = field(default_factory=set)

    async def __call__(self, turn: Turn, scope: Scope, engine: Engine) -> Turn:
        self._refresh()
        conditions = _conditions(turn, scope, innermost_engine(engine))
        recorded_call = self._find_call(conditions, turn)
        if recorded_call is not None and (self.record != "again" or recorded_call.digest in self._new_digests):
            return await engine(turn, scope.replace(replacement_engine=self._playback_engine(recorded_call)))
        if not self.record:
            raise self._drift_error(conditions, turn)
        answer = await engine(turn, scope)
        call = CassetteCall(conditions, turn, _new_blocks(answer, turn), _call_result(answer, turn))
        try:
            await run_in_worker(lambda: self._add_call(call))
        except StoreError as error:
            error.turn = answer
            raise
        except OSError as error:
            failure = store_error(self.path, error, 0)
            failure.turn = answer
            raise failure from None
        return answer

    def __len__(self) -> int:
        return len(self.calls)

    @printable
    def __repr__(self) -> str:
        return f"<cassette {self.path.name}: {len(self.calls)} call{'s' * (len(self.calls) != 1)}{', recording' if self.record else ''}>"

    def _playback_engine(self, call: CassetteCall) -> Engine:
        async def play(turn: Turn, scope: Scope) -> Turn:
            return await play_back(turn, call.blocks, call.result, scope, self.pace)

        return play

    def _find_call(self, conditions: Mapping[str, Any], turn: Turn) -> CassetteCall | None:
        digest = question_digest(conditions, turn)
        return next(
            (call for call in self.calls if call.digest == digest and _same_engine(call.conditions, conditions)), None
        )

    def _drift_error(self, conditions: dict[str, Any], turn: Turn) -> DriftError:
        hint = f"nt.cassette({self.path.name!r}, record=True) calls the model and records the answer"
        if not self.calls:
            problem = "has no calls" if self.path.exists() else "does not exist"
            return DriftError(f"{self.path.name} {problem}; {hint}", turn=turn)
        nearest = max(self.calls, key=lambda call: _similarity(call, conditions, turn))
        differences = list(_differences(nearest, conditions, turn))
        number = self.calls.index(nearest) + 1
        return DriftError(
            f"{self.path.name} has no answer to this; most similar is call {number}: {differences[0]}; see error.difference; {hint}",
            difference="\n".join(differences),
            turn=turn,
        )

    # The file.

    def _refresh(self) -> None:
        """Read the file if it exists and has changed since the last reading."""
        try:
            status = self.path.stat()
        except (OSError, ValueError):  # ValueError: a name with NUL
            return
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        if version != self._file_version:
            self.calls = list(read_calls(self.path))
            self._file_version = version

    def _add_call(self, call: CassetteCall) -> None:
        """Add a call to the calls that the file has now, which other sessions and processes write, too."""
        from ..serialization.yaml_text import dump_yaml  # brings yaml with it

        with locked(self.path):
            self._refresh()
            calls = list(self.calls)
            index = next(
                (place for place, known_call in enumerate(calls) if _is_same_call(known_call, call)), len(calls)
            )
            calls[index : index + 1] = [call]
            text = HEAD + dump_yaml({"version": VERSION, "calls": list(file_calls(calls))})
            write_file(self.path, text.encode("utf-8", "surrogatepass"))
            self.calls = calls
            self._new_digests.add(call.digest)
            status = self.path.stat()
            self._file_version = (status.st_mtime_ns, status.st_size, status.st_ino)


def cassette(path: str | Path, *, record: Record = False, pace: float = 0.0) -> Cassette:
    """Return a middleware that answers from a YAML file; `record=True` adds calls that it does not have.

    Raises FileNotFoundError when it should record into a folder that does not exist.
    """
    check_name(path)
    path = Path(path).expanduser()
    if record and not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: no such folder: {path.parent}")
    tape = Cassette(path, record, pace)
    tape._refresh()
    return tape


def _conditions(turn: Turn, scope: Scope, engine: Any) -> dict[str, Any]:
    """Return the properties of a question, apart from its content, that must match: engine, settings and tools."""
    conditions: dict[str, Any] = {}
    if (describe := getattr(engine, "describe", None)) is not None:
        description: dict[str, Any] = describe()
        params = {name: value for name, value in description.get("params", {}).items() if name not in STREAMING_PARAMS}
        extra = {"extra_body": description["extra_body"]} if description.get("extra_body") else {}
        conditions["engine"] = {"model": f"{description.get('provider')}:{description.get('model')}", **params, **extra}
    if settings := {key.name: thaw(turn.data.raw(key)) for key in _settings_keys() if key in turn.data}:
        conditions["settings"] = settings
    if scope.tool_config.enabled and len(scope.tools):
        conditions["tools"] = {tool.name: _digest([tool.description, thaw(tool.parameters)]) for tool in scope.tools}
        tool_choice = scope.with_config_of(turn).tool_config.tool_choice
        conditions |= {"tool_choice": tool_choice} if tool_choice != "auto" else {}
    plain: dict[str, Any] = json.loads(json.dumps(conditions, default=repr))
    return plain


def _settings_keys() -> list[Key[Any]]:
    """Return the keys of a Turn's data that hold settings of its next call."""
    provider_keys = [provider.portable.turn_key for provider in installed_providers() if provider.portable]
    return [*dict.fromkeys((INFERENCE_CONFIG, *filter(None, provider_keys), STRUCTURED_OUTPUT_CONFIG))]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()[:8]


def _same_engine(recorded_conditions: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    return (
        "engine" not in recorded_conditions
        or "engine" not in conditions
        or recorded_conditions["engine"] == conditions["engine"]
    )


def _is_same_call(call: CassetteCall, other: CassetteCall) -> bool:
    return call.digest == other.digest and _same_engine(call.conditions, other.conditions)


def _new_blocks(answer: Turn, question: Turn) -> tuple[Block, ...]:
    """Return the blocks after the last one of the question, without the ids of this session."""
    old_ids = {id(block) for block in question}
    last_question_block = max((index for index, block in enumerate(answer) if id(block) in old_ids), default=-1)
    return tuple(_portable_block(block) for block in answer.blocks[last_question_block + 1 :])


def _call_result(answer: Turn, question: Turn) -> InferenceResult:
    """Return the result of the call; of several (a session as an engine) the last, with the cost of all."""
    result = answer.metadata.get(INFERENCE_RESULT) or InferenceResult()
    calls = [call for call in answer.inferences[len(question.inferences) :] if call.usage is not None]
    return result.replace(usage=total_usage(calls), cost=total_cost(calls)) if len(calls) > 1 else result


def _portable_block(block: Block) -> Block:
    metadata = block.metadata.without(INFERENCE_ID, INFERENCE_RESULT)
    provider_id = block.metadata.get(PROVIDER_CALL_ID)
    if block.kind == "tool_call" and provider_id == "":  # the session assigned the id, and will again
        block = block.edit(id="")
        metadata = metadata.without(PROVIDER_CALL_ID)
    return block._with(id="", metadata=metadata)


# What differs.


def _similarity(call: CassetteCall, conditions: Mapping[str, Any], turn: Turn) -> tuple[int, float]:
    lines, recorded_lines = list(_lines(turn)), list(_lines(call.question))
    equal_lines = next(
        (
            index
            for index, (line, recorded_line) in enumerate(zip(lines, recorded_lines, strict=False))
            if line != recorded_line
        ),
        min(len(lines), len(recorded_lines)),
    )
    equal_conditions = sum(
        call.conditions.get(name) == conditions.get(name) for name in {*call.conditions, *conditions}
    )
    return equal_lines, equal_conditions - 0.1 * abs(len(lines) - len(recorded_lines))


def _lines(turn: Turn) -> Iterator[str]:
    for (kind, role, payload), block in zip(comparable_content(turn), turn, strict=True):
        del kind, role
        yield f"{block_line(block)} {_digest(thaw(payload))}"


def _differences(call: CassetteCall, conditions: Mapping[str, Any], turn: Turn) -> Iterator[str]:
    """Yield one line per difference: model, settings and tools first, then the content."""
    for part in CONDITIONS:
        recorded_value, value = call.conditions.get(part), conditions.get(part)
        if recorded_value == value or (part == "engine" and (recorded_value is None or value is None)):
            continue
        if isinstance(recorded_value, dict) and isinstance(value, dict):
            for name in sorted({*recorded_value, *value}):
                if recorded_value.get(name) != value.get(name):
                    yield f"{part} {name}: recorded {recorded_value.get(name)!r:.90}, asked {value.get(name)!r:.90}"
        else:
            yield f"{part}: recorded {recorded_value!r:.90}, asked {value!r:.90}"
    yield from _content_differences(call.question, turn)


def _content_differences(recorded_turn: Turn, turn: Turn) -> Iterator[str]:
    contents, recorded_contents = comparable_content(turn), comparable_content(recorded_turn)
    index = next(
        (
            position
            for position, (content, recorded_content) in enumerate(zip(contents, recorded_contents, strict=False))
            if content != recorded_content
        ),
        min(len(contents), len(recorded_contents)),
    )
    if index == len(contents) == len(recorded_contents):
        return
    line = block_line(turn[index]) if index < len(turn) else "nothing"
    recorded_line = block_line(recorded_turn[index]) if index < len(recorded_turn) else "nothing"
    yield f"block {index}: recorded {recorded_line!r}, asked {line!r}"
    yield from difflib.unified_diff(
        _block_json(recorded_turn, index), _block_json(turn, index), "recorded", "asked", lineterm="", n=2
    )


def _block_json(turn: Turn, index: int) -> list[str]:
    if index >= len(turn):
        return []
    return [
        f"[{turn[index].kind}]",
        *json.dumps(thaw(turn[index].payload), indent=1, ensure_ascii=False, default=repr).splitlines(),
    ]

"""Model calls kept in a YAML file that people read and edit, and answered from it.

A middleware, so it stands where it is listed: what is kept is what a model was asked
there. A question is the same where what matters to the model is: what was said, the
tools, the settings, the model; ids, times and how it is streamed do not.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..blocks import Block, content
from ..contract import Engine, Scope, innermost
from ..distinct_calls import PROVIDER_CALL_ID
from ..errors import DriftError, LoadError
from ..frozen import freeze, thaw
from ..keyed import NOTHING
from ..results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, total_cost, total_usage
from ..serde import block_from_dict, block_to_dict, yamlable
from ..settings import CLAUDE_INFERENCE_CONFIG, INFERENCE_CONFIG, OPENAI_INFERENCE_CONFIG, STRUCTURED_OUTPUT_CONFIG
from ..text import block_line
from ..toolbox import TOOL_CONFIG
from ..turns import Turn
from .speaking import speak

VERSION = 1
SETTINGS = (INFERENCE_CONFIG, CLAUDE_INFERENCE_CONFIG, OPENAI_INFERENCE_CONFIG, STRUCTURED_OUTPUT_CONFIG)
HOW = ("stream",)  # parameters that change how an answer comes, and not what it says
HEAD = "# Calls of a model, kept by nbturns: answers and questions may be edited. `after: 2` goes on from call 2.\n"
Record = Literal[True, False, "again"]


@dataclass(slots=True)
class Call:
    """One call: what was asked (all of it, as a Turn), and what was answered."""

    about: dict[str, Any]  # engine, settings, tools
    asked: Turn
    blocks: tuple[Block, ...]
    result: InferenceResult
    _mark: str = ""

    @property
    def mark(self) -> str:
        if not self._mark:
            self._mark = mark(self.about, self.asked)
        return self._mark


def mark(about: Mapping[str, Any], asked: Turn) -> str:
    """The same for questions that are the same to a model. An engine that says nothing of itself may be any."""
    said = [[kind, role, thaw(payload)] for kind, role, payload in content(asked)]
    known = {name: value for name, value in about.items() if name != "engine"}
    text = json.dumps([known, said], sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True, eq=False)
class Cassette:
    """A middleware that answers from a file, and keeps in it what it has no answer for yet if `record` is true.

    `record="again"` asks everything anew, each question once, and keeps the new answers.
    `pace` is the seconds between two words of an answer from the file. Raises DriftError
    for a question that is not there, with what differs from the nearest one, and
    LoadError for a file that cannot be read.
    """

    path: Path
    record: Record = False
    pace: float = 0.0
    name: str = "cassette"
    calls: list[Call] = field(default_factory=list)
    _read_at: int = -1
    _anew: set[str] = field(default_factory=set)

    async def __call__(self, turn: Turn, scope: Scope, engine: Engine) -> Turn:
        self._refresh()
        about = _about(turn, scope, innermost(engine))
        known = self._known(about, turn)
        if known is not None and (self.record != "again" or known.mark in self._anew):
            return await engine(turn, scope.replace(instead=self._telling(known)))
        if not self.record:
            raise self._miss(about, turn)
        answer = await engine(turn, scope)
        self._keep(Call(about, turn, _answered(answer, turn), _result_of(answer, turn)))
        return answer

    def __len__(self) -> int:
        return len(self.calls)

    def __repr__(self) -> str:
        return f"<cassette {self.path.name}: {len(self.calls)} calls{', recording' if self.record else ''}>"

    def _telling(self, call: Call) -> Engine:
        async def told(turn: Turn, scope: Scope) -> Turn:
            return await speak(turn, call.blocks, call.result, scope, self.pace)

        return told

    def _known(self, about: Mapping[str, Any], turn: Turn) -> Call | None:
        wanted = mark(about, turn)
        return next((call for call in self.calls if call.mark == wanted and _same_engine(call.about, about)), None)

    def _miss(self, about: dict[str, Any], turn: Turn) -> DriftError:
        hint = f"nt.cassette({self.path.name!r}, record=True) asks the model and keeps the answer"
        if not self.calls:
            why = "holds no calls" if self.path.exists() else "does not exist yet"
            return DriftError(f"{self.path.name} {why}; {hint}", turn=turn)
        nearest = max(self.calls, key=lambda call: _likeness(call, about, turn))
        unlike = list(_differences(nearest, about, turn))
        number = self.calls.index(nearest) + 1
        return DriftError(
            f"{self.path.name} has no answer to this; the nearest is call {number}, and {unlike[0]}; see error.difference. {hint}",
            difference="\n".join(unlike),
            turn=turn,
        )

    # The file.

    def _refresh(self) -> None:
        """Read the file if it is there and was changed since."""
        try:
            at = self.path.stat().st_mtime_ns
        except OSError:
            return
        if at != self._read_at:
            self.calls = list(_read(self.path))
            self._read_at = at

    def _keep(self, call: Call) -> None:
        at = next(
            (i for i, old in enumerate(self.calls) if old.mark == call.mark and _same_engine(old.about, call.about)),
            None,
        )
        if at is None:
            self.calls.append(call)
        else:
            self.calls[at] = call
        from ..yaml_text import dump  # brings yaml with it

        self._anew.add(call.mark)
        text = HEAD + dump({"version": VERSION, "calls": list(_written(self.calls))})
        new = self.path.with_name(f".{self.path.name}.new")
        new.write_text(text, encoding="utf-8")
        new.replace(self.path)
        self._read_at = self.path.stat().st_mtime_ns


def cassette(path: str | Path, *, record: Record = False, pace: float = 0.0) -> Cassette:
    """A middleware that answers from a YAML file; `record=True` keeps in it what is not there yet.

    Raises FileNotFoundError when it is to record into a folder that is not there.
    """
    path = Path(path).expanduser()
    if record and not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    made = Cassette(path, record, pace)
    made._refresh()
    return made


def _about(turn: Turn, scope: Scope, engine: Any) -> dict[str, Any]:
    """What matters of a question beside what is said."""
    about: dict[str, Any] = {}
    if (describe := getattr(engine, "describe", None)) is not None:
        told: dict[str, Any] = describe()
        params = {name: value for name, value in told.get("params", {}).items() if name not in HOW}
        extra = {"extra_body": told["extra_body"]} if told.get("extra_body") else {}
        about["engine"] = {"model": f"{told.get('provider')}:{told.get('model')}", **params, **extra}
    if settings := {key.name: thaw(turn.data.raw(key)) for key in SETTINGS if key in turn.data}:
        about["settings"] = settings
    if scope.tool_config.enabled and len(scope.tools):
        about["tools"] = {tool.name: _digest([tool.description, thaw(tool.parameters)]) for tool in scope.tools}
        chosen = turn.data.get(TOOL_CONFIG)
        choice = (chosen or scope.tool_config).tool_choice
        about |= {"tool_choice": choice} if choice != "auto" else {}
    plain: dict[str, Any] = json.loads(json.dumps(about, default=repr))
    return plain


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()[:8]


def _same_engine(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return "engine" not in recorded or "engine" not in asked or recorded["engine"] == asked["engine"]


def _answered(answer: Turn, asked: Turn) -> tuple[Block, ...]:
    """The blocks behind the last one that was there before, without the ids of this session."""
    old = {id(block) for block in asked}
    last = max((at for at, block in enumerate(answer) if id(block) in old), default=-1)
    return tuple(_bare(block) for block in answer.blocks[last + 1 :])


def _result_of(answer: Turn, asked: Turn) -> InferenceResult:
    """What is known of the call; of several (a session as an engine, a layer that asks twice) the last, with what all cost."""
    result = answer.metadata.get(INFERENCE_RESULT) or InferenceResult()
    calls = [one for one in answer.inferences[len(asked.inferences) :] if one.usage is not None]
    return result.replace(usage=total_usage(calls), cost=total_cost(calls)) if len(calls) > 1 else result


def _bare(block: Block) -> Block:
    metadata = block.metadata.without(INFERENCE_ID, INFERENCE_RESULT)
    given = block.metadata.get(PROVIDER_CALL_ID)
    if block.kind == "tool_call" and given == "":  # the session gave it an id, and will again
        block = block.edit(id="")
        metadata = metadata.without(PROVIDER_CALL_ID)
    return block._with(id="", metadata=metadata)


# What differs.


def _likeness(call: Call, about: Mapping[str, Any], turn: Turn) -> tuple[int, float]:
    mine, theirs = list(_lines(turn)), list(_lines(call.asked))
    same = next((i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs)))
    beside = sum(call.about.get(name) == about.get(name) for name in {*call.about, *about})
    return same, beside - 0.1 * abs(len(mine) - len(theirs))


def _lines(turn: Turn) -> Iterator[str]:
    for (kind, role, payload), block in zip(content(turn), turn, strict=True):
        del kind, role
        yield f"{block_line(block)} {_digest(thaw(payload))}"


def _differences(call: Call, about: Mapping[str, Any], turn: Turn) -> Iterator[str]:
    """What is not the same, a line each: model, settings and tools first, then what was said."""
    for part in ("engine", "settings", "tools", "tool_choice"):
        recorded, asked = call.about.get(part), about.get(part)
        if recorded == asked or (part == "engine" and (recorded is None or asked is None)):
            continue
        if isinstance(recorded, dict) and isinstance(asked, dict):
            for name in sorted({*recorded, *asked}):
                if recorded.get(name) != asked.get(name):
                    yield f"{part} {name}: recorded {recorded.get(name)!r:.90}, asked {asked.get(name)!r:.90}"
        else:
            yield f"{part}: recorded {recorded!r:.90}, asked {asked!r:.90}"
    yield from _said_otherwise(call.asked, turn)


def _said_otherwise(recorded: Turn, asked: Turn) -> Iterator[str]:
    mine, theirs = content(asked), content(recorded)
    at = next((i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs)))
    if at == len(mine) == len(theirs):
        return
    here = block_line(asked[at]) if at < len(asked) else "nothing"
    there = block_line(recorded[at]) if at < len(recorded) else "nothing"
    yield f"block {at}: recorded {there!r}, asked {here!r}"
    yield from difflib.unified_diff(_text(recorded, at), _text(asked, at), "recorded", "asked", lineterm="", n=2)


def _text(turn: Turn, at: int) -> list[str]:
    if at >= len(turn):
        return []
    return [
        f"[{turn[at].kind}]",
        *json.dumps(thaw(turn[at].payload), indent=1, ensure_ascii=False, default=repr).splitlines(),
    ]


# To and from the file.


def _written(calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
    """Each call as the file has it: of what was asked, what an earlier call does not tell already."""
    so_far: list[list[Any]] = []
    for call in calls:
        said = content(call.asked)
        before, start = 0, 0
        for number, whole in enumerate(so_far, 1):
            if start < len(whole) <= len(said) and said[: len(whole)] == whole:
                before, start = number, len(whole)
        rest = [_asked_block(block) for block in call.asked.blocks[start:]]
        asked = {**({"after": before} if before else {}), "blocks": rest}
        answer = {"blocks": [_answer_block(block) for block in call.blocks], "result": _result(call.result)}
        yield {**call.about, "asked": asked, "answer": answer}
        so_far.append(content((*call.asked, *call.blocks)))


def _asked_block(block: Block) -> dict[str, Any]:
    return block_to_dict(block._with(id="", metadata=NOTHING), plain=yamlable)


def _answer_block(block: Block) -> dict[str, Any]:
    return block_to_dict(block, plain=yamlable)


def _result(result: InferenceResult) -> dict[str, Any]:
    told = result.to_dict()
    for name in ("inference_id", "duration_ms", "time_to_first_token_ms"):
        told.pop(name, None)
    plain: dict[str, Any] = yamlable(freeze(told))
    return plain


def _read(path: Path) -> Iterator[Call]:
    """Raises LoadError that names the place."""
    from ..yaml_text import load  # brings yaml with it

    raw = load(path.read_bytes(), str(path))
    if not isinstance(raw, Mapping) or not isinstance(raw.get("calls"), list):
        raise LoadError("a cassette has a list of calls", file=str(path))
    if raw.get("version", VERSION) != VERSION:
        raise LoadError(f"this cassette is of version {raw['version']!r}; read is {VERSION}", file=str(path))
    wholes: list[Turn] = []
    for number, one in enumerate(raw["calls"], 1):
        call = _call(one, wholes, str(path), f"call {number}")
        wholes.append(call.asked + call.blocks)
        yield call


def _call(raw: Any, wholes: Sequence[Turn], file: str, where: str) -> Call:
    try:
        asked, answer = raw["asked"], raw["answer"]
        after = asked.get("after", 0)
        head = wholes[after - 1] if after else Turn()
        blocks = tuple(block_from_dict(block) for block in answer["blocks"])
        about = {name: thaw(value) for name, value in raw.items() if name not in ("asked", "answer")}
        return Call(
            about,
            head + tuple(block_from_dict(block) for block in asked.get("blocks") or ()),
            blocks,
            InferenceResult.from_dict(answer.get("result") or {}),
        )
    except LoadError as error:
        raise LoadError(error.reason, file=file, position=f"{where} {error.position}".strip()) from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise LoadError(
            f"a call has what was asked and what was answered: {error}", file=file, position=where
        ) from None

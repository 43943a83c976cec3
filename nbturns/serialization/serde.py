"""Run and Turn ⇄ plain data ⇄ YAML and JSON, in the names geppetto has on disk.

Unknown kinds and keys are kept, dates stay text. Errors name the position in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from typing import Any, TypeAlias, TypeVar

from ..errors import LoadError, MisuseError
from ..values.metadata import Metadata
from ..values.persistent_list import PersistentList
from ..values.portable import name_of_float
from ..values.turns import Block, Run, Turn
from .decoder import NO_BLOCKS, Decoder, GuessReporter, discard_guess
from .file_format import BYTES_KEY, DEFAULT_ROLES, FLOATS_KEY, FORMAT_VERSION, SHARED_BLOCKS_KEYS

V = TypeVar("V")
PlainConverter: TypeAlias = Callable[[Any], Any]


# A value → plain data.


def jsonable(value: Any) -> Any:
    """Return plain data for JSON, with NaN and infinity as texts."""
    if isinstance(value, float) and not isfinite(value):
        return name_of_float(value)
    return _plain(value, jsonable)


def yamlable(value: Any) -> Any:
    """Return plain data for YAML."""
    return _plain(value, yamlable)


def _plain(value: Any, inside: PlainConverter) -> Any:
    if isinstance(value, Mapping):  # escapes keys that look like BYTES_KEY
        return {f"{k}!" if k.rstrip("!") == BYTES_KEY else k: inside(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, PersistentList)):
        return [inside(v) for v in value]
    return value


def _with_float_places(
    json_fields: dict[str, Any], values_by_field: Mapping[str, Any], converter: PlainConverter
) -> dict[str, Any]:
    """Return fields for JSON with the places of the texts that are NaN or infinity in the value."""
    if converter is not jsonable:
        return json_fields
    places = [place for name, value in values_by_field.items() for place in _float_places(value, (name,))]
    return {**json_fields, FLOATS_KEY: places} if places else json_fields


def _float_places(value: Any, path: tuple[str | int, ...]) -> Iterator[list[str | int]]:
    if isinstance(value, float):
        if not isfinite(value):
            yield list(path)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if type(item) is not str:
                yield from _float_places(item, (*path, f"{name}!" if name.rstrip("!") == BYTES_KEY else name))
    elif isinstance(value, (list, tuple, PersistentList)):
        for index, item in enumerate(value):
            if type(item) is not str:
                yield from _float_places(item, (*path, index))


def block_to_dict(block: Block, *, converter: PlainConverter = jsonable) -> dict[str, Any]:
    block_fields: dict[str, Any] = {"id": block.id} if block.id else {}
    block_fields["kind"] = block.kind
    if block.role or block.kind in DEFAULT_ROLES:
        block_fields["role"] = block.role or None
    if block.payload or block.extra:  # without a payload, a `text` field would be read as its text
        block_fields["payload"] = converter(block.payload)
    if len(block.metadata):
        block_fields["metadata"] = _metadata_to_dict(block.metadata, converter)
    values = {"payload": block.payload, "metadata": dict(block.metadata.items()), **block.extra}
    return _with_float_places({**block_fields, **converter(block.extra)}, values, converter)


def turn_to_dict(
    turn: Turn,
    *,
    omit_data: bool = False,
    previous_blocks: PersistentList[Block] = NO_BLOCKS,
    converter: PlainConverter = jsonable,
) -> dict[str, Any]:
    """Return a Turn as on disk, with references to the blocks that it shares with the previous Turn."""
    turn_fields: dict[str, Any] = {"id": turn.id} if turn.id else {}
    shared_count = turn.blocks.shared_length(previous_blocks)
    if shared_count:
        turn_fields["shared_blocks"] = shared_count
    turn_fields["blocks"] = _blocks_to_list(turn.blocks.since(shared_count), previous_blocks, shared_count, converter)
    if len(turn.metadata):
        turn_fields["metadata"] = _metadata_to_dict(turn.metadata, converter)
    if len(turn.data) and not omit_data:
        turn_fields["data"] = _metadata_to_dict(turn.data, converter)
    written_data = {} if omit_data else {"data": dict(turn.data.items())}
    values = {"metadata": dict(turn.metadata.items()), **written_data, **turn.extra}
    return _with_float_places({**turn_fields, **converter(turn.extra)}, values, converter)


def _blocks_to_list(
    blocks: Iterable[Block], previous_blocks: PersistentList[Block], shared_count: int, converter: PlainConverter
) -> list[dict[str, Any]]:
    is_edited = shared_count < len(previous_blocks)
    previous_positions = {id(block): index for index, block in enumerate(previous_blocks)} if is_edited else {}
    block_dicts: list[dict[str, Any]] = []
    for block in blocks:
        position = previous_positions.get(id(block))
        last_dict = block_dicts[-1] if block_dicts else {}
        if position is None:
            block_dicts.append(block_to_dict(block, converter=converter))
        elif last_dict.keys() == SHARED_BLOCKS_KEYS and last_dict["shared_blocks"][1] == position:
            last_dict["shared_blocks"][1] += 1
        else:
            block_dicts.append({"shared_blocks": [position, position + 1]})
    return block_dicts


def run_to_dict(run: Run, *, converter: PlainConverter = jsonable) -> dict[str, Any]:
    """Return a Run as on disk, with each block once and references to blocks of the previous Turn.

    `shared_blocks` of a Turn is the number of shared leading blocks; among its blocks, a range [start, end).
    """
    run_fields: dict[str, Any] = {"version": FORMAT_VERSION}
    if run.id:
        run_fields["id"] = run.id
    if run.name:
        run_fields["name"] = run.name
    run_fields["turns"] = turn_dicts = []
    previous_blocks: PersistentList[Block] = PersistentList()
    for turn in run.turns:
        turn_dicts.append(turn_to_dict(turn, previous_blocks=previous_blocks, converter=converter))
        previous_blocks = turn.blocks
    if len(run.metadata):
        run_fields["metadata"] = _metadata_to_dict(run.metadata, converter)
    values = {"metadata": dict(run.metadata.items()), **run.extra}
    return _with_float_places({**run_fields, **converter(run.extra)}, values, converter)


def _metadata_to_dict(metadata: Metadata, converter: PlainConverter) -> dict[str, Any]:
    return {name: converter(value) for name, value in sorted(metadata.items())}


# Plain data → a value.


def block_from_dict(data: Mapping[str, Any], *, file: str = "", strict: bool = False) -> Block:
    """Return the Block of plain data. Raises LoadError with the position."""
    return Decoder(file, strict).block(data, "")


def turn_from_dict(
    data: Mapping[str, Any], *, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess
) -> Turn:
    """Return the Turn of plain data. Raises LoadError with the position."""
    return Decoder(file, strict, guess).turn(data)


def run_from_dict(
    data: Mapping[str, Any], *, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess
) -> Run:
    """Return the Run of plain data; a Turn becomes a Run of one Turn. Raises LoadError with the position."""
    reader = Decoder(file, strict, guess)
    if isinstance(data, Mapping) and "turns" not in data and "blocks" in data:
        return Run((reader.turn(data),))
    return reader.run(data)


def is_nbturns_data(data: Any) -> bool:
    """Return True when plain data looks like a Turn or a Run of nbturns or geppetto."""
    if not isinstance(data, Mapping):
        return False
    turns = data.get("turns")
    if isinstance(turns, (list, tuple)) and all(isinstance(turn, Mapping) and "blocks" in turn for turn in turns):
        return True
    return "blocks" in data and not ({"messages", "role", "content", "mapping"} & data.keys())


# YAML, by way of yaml_text.


def turn_to_yaml(turn: Turn, *, omit_data: bool = False) -> str:
    from .yaml_text import dump_yaml

    return dump_yaml({"version": FORMAT_VERSION, **turn_to_dict(turn, omit_data=omit_data, converter=yamlable)})


def run_to_yaml(run: Run) -> str:
    from .yaml_text import dump_yaml

    return dump_yaml(run_to_dict(run, converter=yamlable))


def turn_from_yaml(text: str | bytes) -> Turn:
    """Return the Turn in a YAML text. Raises LoadError, with line and block, for anything else and for several."""
    return next(_read_yaml(text, "", turn_from_dict, single=True))


def run_from_yaml(text: str | bytes) -> Run:
    """Return the Run in a YAML text. Raises LoadError, with line and block, for anything else and for several."""
    return next(_read_yaml(text, "", lambda run_data: Decoder().run(run_data), single=True))


def runs_from_yaml(text: str | bytes, convert: Callable[[Any], Run], *, file: str = "") -> Iterator[Run]:
    """Yield the Runs that `convert` makes of the documents of a YAML stream. Raises LoadError with line and block."""
    return _read_yaml(text, file, convert)


def _read_yaml(text: str | bytes, file: str, convert: Callable[[Any], V], *, single: bool = False) -> Iterator[V]:
    """Convert each YAML document; an error about a block gets its line."""
    from .yaml_text import line_of_path, yaml_documents

    if not isinstance(text, (str, bytes)):
        raise MisuseError(f"expected YAML text, got {type(text).__name__}: {text!r:.60}; use nt.load(path) for a file")
    numbered_documents = yaml_documents(text, file, single=single)
    for number, data in numbered_documents if numbered_documents or not single else ((0, None),):
        try:
            yield convert({} if data is None else data)
        except LoadError as error:
            line = line_of_path(text, error.position, number)
            raise LoadError(error.reason, file=file, position=f"line {line}, {error.position}".rstrip(", ")) from None

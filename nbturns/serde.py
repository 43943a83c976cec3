"""Run and Turn ⇄ plain data ⇄ YAML and JSON, in the names geppetto has on disk.

Nothing is lost on the way: unknown kinds keep their word, unknown keys their value,
dates stay text, bytes come back as bytes. What cannot be understood is refused, with
the place where it stands.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from .chunks import Chunks
from .errors import LoadError, MisuseError
from .frozen import FrozenDict, FrozenList, freeze, key_name
from .keyed import Keyed, keyed
from .provenance import with_current_names
from .turns import Block, Kind, Run, Turn

VERSION = 1
BYTES = "!!binary"
KINDS = frozenset(Kind)
ROLES = {"llm_text": "assistant"}  # what a block without a role is given when it is read, as in geppetto
NO_BLOCKS: Chunks[Block] = Chunks()
SHARED = {"shared_blocks"}  # the keys of what stands for blocks of the Turn before
MISPLACED = {  # by kind: what belongs in the payload, and is seen beside it in files written by hand
    "tool_call": ("name", "args"),
    "tool_use": ("result", "error"),
    "user": ("text", "images"),
}
V = TypeVar("V")
Plain: TypeAlias = Callable[[Any], Any]


# A value → plain data.


def jsonable(value: Any) -> Any:
    """Plain data that JSON can hold: bytes as `{"!!binary": base64}`."""
    if isinstance(value, bytes):
        return {BYTES: base64.b64encode(value).decode("ascii")}
    return _plain(value, jsonable)


def yamlable(value: Any) -> Any:
    """Plain data that YAML can hold, which has bytes of its own."""
    return _plain(value, yamlable)


def _plain(value: Any, inside: Plain) -> Any:
    if isinstance(value, Mapping):  # a key that looks like our mark of bytes gets an exclamation mark more
        return {f"{k}!" if k.rstrip("!") == BYTES else k: inside(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, Chunks)):
        return [inside(v) for v in value]
    return value


def block_to_dict(block: Block, *, plain: Plain = jsonable) -> dict[str, Any]:
    written: dict[str, Any] = {"id": block.id} if block.id else {}
    written["kind"] = block.kind
    if block.role or block.kind in ROLES:
        written["role"] = block.role or None
    if block.payload or block.extra:  # without one, a text beside the kind is taken for what belongs in it
        written["payload"] = plain(block.payload)
    if len(block.metadata):
        written["metadata"] = _bag(block.metadata, plain)
    return {**written, **plain(block.extra)}


def turn_to_dict(
    turn: Turn, *, omit_data: bool = False, before: Chunks[Block] = NO_BLOCKS, plain: Plain = jsonable
) -> dict[str, Any]:
    """The shape on disk, without the blocks that the Turn `before` has as well: they are named by their place there."""
    written: dict[str, Any] = {"id": turn.id} if turn.id else {}
    shared = turn.blocks.shared(before)
    if shared:
        written["shared_blocks"] = shared
    written["blocks"] = _blocks_to_list(turn.blocks.since(shared), before, shared, plain)
    if len(turn.metadata):
        written["metadata"] = _bag(turn.metadata, plain)
    if len(turn.data) and not omit_data:
        written["data"] = _bag(turn.data, plain)
    return {**written, **plain(turn.extra)}


def _blocks_to_list(blocks: Iterable[Block], before: Chunks[Block], shared: int, plain: Plain) -> list[dict[str, Any]]:
    places = {id(block): place for place, block in enumerate(before)} if shared < len(before) else {}
    written: list[dict[str, Any]] = []
    for block in blocks:
        place = places.get(id(block))
        if place is None:
            written.append(block_to_dict(block, plain=plain))
        elif written and written[-1].keys() == SHARED and written[-1]["shared_blocks"][1] == place:
            written[-1]["shared_blocks"][1] += 1
        else:
            written.append({"shared_blocks": [place, place + 1]})
    return written


def run_to_dict(run: Run, *, plain: Plain = jsonable) -> dict[str, Any]:
    """A Run with each block once: a Turn says which it shares with the one before.

    `shared_blocks` of a Turn is how many at its head; among its blocks, from where to where (exclusive).
    """
    written: dict[str, Any] = {"version": VERSION}
    if run.id:
        written["id"] = run.id
    if run.name:
        written["name"] = run.name
    written["turns"] = turns = []
    before: Chunks[Block] = Chunks()
    for turn in run.turns:
        turns.append(turn_to_dict(turn, before=before, plain=plain))
        before = turn.blocks
    if len(run.metadata):
        written["metadata"] = _bag(run.metadata, plain)
    return {**written, **plain(run.extra)}


def _bag(bag: Keyed, plain: Plain) -> dict[str, Any]:
    return {name: plain(value) for name, value in sorted(bag.items())}


# Plain data → a value.


Guess: TypeAlias = Callable[[str, str], object]  # is told a place, and what was assumed there


def unheard(_where: str, _what: str) -> None:
    """For guesses nobody keeps a report of."""


class _Reader:
    """Reads plain data; a complaint names the file and the path inside it.

    Blocks that are equal, their ids included, become one object, as they were before they were written.
    """

    def __init__(self, file: str = "", strict: bool = False, guess: Guess = unheard) -> None:
        self.file = file
        self.strict = strict
        self.guess = guess
        self.known: dict[str, Block] = {}

    def refuse(self, where: str, message: str) -> LoadError:
        return LoadError(message, file=self.file, position=where)

    def mapping(self, raw: Any, where: str, what: str) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise self.refuse(where, f"{what} is a mapping, not {_said(raw)}")
        try:
            return _named(raw)
        except TypeError as error:
            raise self.refuse(where, str(error)) from None

    def frozen(self, raw: Any, where: str) -> FrozenDict:
        try:
            value: FrozenDict = freeze(_from_jsonable(raw))
        except TypeError as error:
            raise self.refuse(where, str(error)) from None
        except RecursionError:
            raise self.refuse(where, "this value is nested too deeply") from None
        if not isinstance(value, FrozenDict):  # {"!!binary": …} alone stands for bytes
            raise self.refuse(where, f"a mapping stands here, not {type(value).__name__}")
        return value

    def text(self, raw: Any, where: str, what: str) -> str:
        if raw is None:
            return ""
        try:
            return key_name(raw)
        except TypeError:
            raise self.refuse(where, f"{what} is a text, not {_said(raw)}") from None

    def bag(self, raw: Any, where: str, what: str) -> Keyed:
        values = self.frozen(self.mapping({} if raw is None else raw, where, what), where)
        return keyed(with_current_names(values))

    def block(self, raw: Any, where: str) -> Block:
        given = self.mapping(raw, where, "a block")
        kind = self.kind(given.pop("kind", None), given, where)
        payload = given.pop("payload", None) if "payload" in given else self.misplaced(given, kind, where)
        made = Block(
            kind,
            self.frozen(
                self.mapping({} if payload is None else payload, f"{where}.payload", "a payload"), f"{where}.payload"
            ),
            self.role(given.pop("role", ""), kind, f"{where}.role"),
            self.text(given.pop("id", None), f"{where}.id", "an id"),
            self.bag(given.pop("metadata", None), f"{where}.metadata", "metadata"),
            extra=self.frozen(given, where),
        )
        known = self.known.setdefault(made.id, made) if made.id else made
        return known if known == made else made

    def misplaced(self, given: dict[str, Any], kind: str, where: str) -> dict[str, Any]:
        """What stands beside the kind of a block without a payload, and is its payload."""
        names = [name for name in MISPLACED.get(kind, ("text",)) if name in given]
        if names:
            said = f"{' and '.join(names)} belong{'s' * (len(names) == 1)} in the payload: payload: {{{names[0]}: …}}"
            if self.strict:
                raise self.refuse(where, said)
            self.guess(where, said)
        return {name: given.pop(name) for name in names}

    def kind(self, raw: Any, given: Mapping[str, Any], where: str) -> str:
        if raw is None:
            raise self.refuse(where, f"a block has a kind; this one has {', '.join(given) or 'nothing'}")
        kind = self.text(raw, f"{where}.kind", "a kind")
        known = kind.strip().lower()
        if known in KINDS:
            return known
        if self.strict:
            raise self.refuse(f"{where}.kind", f"{kind!r} is no kind; there are: {', '.join(sorted(KINDS))}")
        return kind or "other"

    def role(self, raw: Any, kind: str, where: str) -> str:
        """Blank is left to the kind, as in geppetto; null says that there is none."""
        role = self.text(raw, where, "a role")
        return role if raw is None or role.strip() else ROLES.get(kind, role)

    def blocks(self, raw: Any, where: str, before: Chunks[Block]) -> Iterator[Block]:
        if not isinstance(raw, (list, tuple, type(None))):
            raise self.refuse(where, f"blocks are a list, not {_said(raw)}")
        for index, one in enumerate(raw or ()):
            if isinstance(one, Mapping) and one.keys() == SHARED:
                yield from self.shared(one["shared_blocks"], f"{where}[{index}].shared_blocks", before)
            else:
                yield self.block(one, f"{where}[{index}]")

    def shared(self, raw: Any, where: str, before: Chunks[Block]) -> tuple[Block, ...]:
        """From where to where in the Turn before."""
        whole = isinstance(raw, (list, tuple)) and len(raw) == 2 and all(type(place) is int for place in raw)
        if not whole or not 0 <= raw[0] < raw[1] <= len(before):
            raise self.refuse(where, f"the turn before has {len(before)} blocks; it cannot share {raw!r:.60}")
        return before[raw[0] : raw[1]]

    def turn(self, raw: Any, where: str = "", before: Chunks[Block] = NO_BLOCKS) -> Turn:
        given = self.mapping(raw, where, "a turn")
        self.version(given, where)
        inside = f"{where}." if where else ""
        shared = given.pop("shared_blocks", 0)
        if not isinstance(shared, int) or isinstance(shared, bool) or not 0 <= shared <= len(before):
            raise self.refuse(
                f"{inside}shared_blocks", f"the turn before has {len(before)} blocks; it cannot share {shared!r}"
            )
        return Turn(
            before.head(shared) + self.blocks(given.pop("blocks", None), f"{inside}blocks", before),
            self.text(given.pop("id", None), f"{inside}id", "an id"),
            self.bag(given.pop("metadata", None), f"{inside}metadata", "metadata"),
            self.bag(given.pop("data", None), f"{inside}data", "data"),
            extra=self.frozen(given, where),
        )

    def run(self, raw: Any) -> Run:
        given = self.mapping(raw, "", "a run")
        self.version(given, "")
        listed = given.pop("turns", None)
        listed = [] if listed is None else listed
        if not isinstance(listed, (list, tuple)):
            raise self.refuse("turns", f"turns are a list, not {_said(listed)}")
        turns: list[Turn] = []
        for index, one in enumerate(listed):
            turns.append(self.turn(one, f"turns[{index}]", turns[-1].blocks if turns else Chunks()))
        return Run(
            tuple(turns),
            self.text(given.pop("id", None), "id", "an id"),
            self.text(given.pop("name", None), "name", "a name"),
            self.bag(given.pop("metadata", None), "metadata", "metadata"),
            extra=self.frozen(given, ""),
        )

    def version(self, given: dict[str, Any], where: str) -> None:
        version = given.pop("version", VERSION)
        if version != VERSION:
            raise self.refuse(
                f"{where}.version".lstrip("."), f"version {version!r} is not one this nbturns reads; it reads {VERSION}"
            )


def _said(raw: Any) -> str:
    names = {
        dict: "a mapping",
        list: "a list",
        tuple: "a list",
        str: "a text",
        type(None): "nothing",
        FrozenDict: "a mapping",
        FrozenList: "a list",
    }
    return f"{names.get(type(raw), type(raw).__name__)}: {raw!r:.60}" if raw is not None else "nothing"


def _from_jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(value.get(BYTES), str):
            try:
                return base64.b64decode(value[BYTES], validate=True)
            except ValueError:  # somebody else's mapping, which happens to have that key
                return value
        return {k[:-1] if k.rstrip("!") == BYTES != k else k: _from_jsonable(v) for k, v in _named(value).items()}
    if isinstance(value, (list, tuple)):
        return [_from_jsonable(v) for v in value]
    return value


def _named(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """The same mapping with texts as keys. Raises TypeError when two become one."""
    made = {key_name(k): v for k, v in raw.items()}
    if len(made) != len(raw):
        raise MisuseError(f"two keys of this mapping are the same as texts: {', '.join(made)}")
    return made


def block_from_dict(data: Mapping[str, Any], *, file: str = "", strict: bool = False) -> Block:
    """Raises LoadError that names the place."""
    return _Reader(file, strict).block(data, "")


def turn_from_dict(data: Mapping[str, Any], *, file: str = "", strict: bool = False, guess: Guess = unheard) -> Turn:
    """Raises LoadError that names the place."""
    return _Reader(file, strict, guess).turn(data)


def run_from_dict(data: Mapping[str, Any], *, file: str = "", strict: bool = False, guess: Guess = unheard) -> Run:
    """A Run, or a Turn as a Run of one. Raises LoadError that names the place."""
    reader = _Reader(file, strict, guess)
    if isinstance(data, Mapping) and "turns" not in data and "blocks" in data:
        return Run((reader.turn(data),))
    return reader.run(data)


def is_ours(data: Any) -> bool:
    """Whether plain data looks like a Turn or a Run of ours or geppetto's."""
    if not isinstance(data, Mapping):
        return False
    if isinstance(data.get("turns"), (list, tuple)) and all(
        isinstance(t, Mapping) and "blocks" in t for t in data["turns"]
    ):
        return True
    return "blocks" in data and not ({"messages", "role", "content", "mapping"} & data.keys())


# YAML, by way of yaml_text.


def turn_to_yaml(turn: Turn, *, omit_data: bool = False) -> str:
    from .yaml_text import dump

    return dump({"version": VERSION, **turn_to_dict(turn, omit_data=omit_data, plain=yamlable)})


def run_to_yaml(run: Run) -> str:
    from .yaml_text import dump

    return dump(run_to_dict(run, plain=yamlable))


def turn_from_yaml(text: str | bytes) -> Turn:
    """Raises LoadError with line and block for what is not a Turn, or several."""
    (turn,) = _from_yaml(text, "", turn_from_dict, single=True)
    return turn


def run_from_yaml(text: str | bytes) -> Run:
    """Raises LoadError with line and block for what is not a Run, or several."""
    (run,) = _from_yaml(text, "", _only_a_run, single=True)
    return run


def runs_from_yaml(text: str | bytes, *, file: str = "", strict: bool = False, guess: Guess = unheard) -> Iterator[Run]:
    """The Runs and Turns of a stream of documents. Raises LoadError with line and block for what is neither."""
    return _from_yaml(text, file, lambda data: run_from_dict(data, file=file, strict=strict, guess=guess))


def _only_a_run(data: Any) -> Run:
    return _Reader().run(data)


def _from_yaml(text: str | bytes, file: str, read: Callable[[Any], V], *, single: bool = False) -> Iterator[V]:
    """Read YAML; a complaint about a block gets the line it stands on."""
    from .yaml_text import documents, line_of

    if not isinstance(text, (str, bytes)):
        raise MisuseError(
            f"this reads the text of a file, not {type(text).__name__}: {text!r:.60}; nt.load(path) opens one"
        )
    found = documents(text, file, single=single)
    for number, data in found if found or not single else ((0, None),):
        try:
            yield read({} if data is None else data)
        except LoadError as error:
            line = line_of(text, error.position, number)
            raise LoadError(error.reason, file=file, position=f"line {line}, {error.position}".rstrip(", ")) from None

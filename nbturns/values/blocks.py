"""Block, a piece of a conversation, and functions that make blocks.

Blocks are frozen: an edit returns a new block that shares the unchanged values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import MisuseError
from ..safety.visible_text import printable
from .frozen_json import EMPTY_DICT, FrozenDict, FrozenList, freeze, refuse_assignment, unchecked_constructor
from .images import image, normal_image, normal_or_raw_image
from .inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, ledger_results
from .metadata import NO_METADATA, Key, Metadata, MetadataLike, metadata_of
from .provenance import CHILD_RUN

T = TypeVar("T")


class Kind(StrEnum):
    """The known kinds of blocks. Other kinds are kept as strings."""

    SYSTEM = "system"
    USER = "user"
    LLM_TEXT = "llm_text"
    TOOL_CALL = "tool_call"
    TOOL_USE = "tool_use"
    REASONING = "reasoning"
    OTHER = "other"


TOOL_CALL, TOOL_USE = str(Kind.TOOL_CALL), str(Kind.TOOL_USE)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a Turn: a message, a tool call, its result, or reasoning.

    The fields of `payload` depend on the kind and have geppetto's names: `text`, `images`; `id`,
    `name`, `args`; `id`, `result`, `error`. `extra` has the unknown fields of a file.
    """

    kind: str
    payload: Mapping[str, Any] = EMPTY_DICT
    role: str = ""
    id: str = ""
    metadata: Metadata = NO_METADATA
    extra: Mapping[str, Any] = field(default=EMPTY_DICT, kw_only=True)

    if TYPE_CHECKING:  # the accepted types; `__post_init__` converts them to those of the fields

        def __init__(
            self,
            kind: str,
            payload: Mapping[str, Any] = EMPTY_DICT,
            role: str = "",
            id: str = "",
            metadata: MetadataLike = NO_METADATA,
            *,
            extra: Mapping[str, Any] = EMPTY_DICT,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = object.__setattr__
        if type(self.kind) is not str or not self.kind:
            put(self, "kind", require_str(self.kind, "kind") or "other")
        if type(self.payload) is not FrozenDict:
            put(self, "payload", require_mapping(self.payload, "payload"))
        if type(self.role) is not str:
            put(self, "role", require_str(self.role, "role"))
        if type(self.id) is not str:
            put(self, "id", require_str(self.id, "id"))
        if type(self.metadata) is not Metadata:
            put(self, "metadata", metadata_of("block", self.metadata))
        if type(self.extra) is not FrozenDict:
            put(self, "extra", extra_fields(self.extra, "kind payload role id metadata"))

    @property
    def text(self) -> str:
        """The text of a message or of reasoning; "" without one."""
        text = self.payload.get("text")
        return text if isinstance(text, str) else ""

    @property
    def name(self) -> str:
        """The name of the called tool; "" for other blocks."""
        name = self.payload.get("name")
        return name if type(name) is str else str(name or "")

    @property
    def args(self) -> FrozenDict:
        """The arguments of a call; empty when they are not an object (see `payload`)."""
        raw_args = self.payload.get("args")
        if isinstance(raw_args, str):
            import json  # rarely needed, and it would slow down `import nbturns`

            try:
                raw_args = freeze(json.loads(raw_args))
            except (ValueError, TypeError, RecursionError):  # not JSON, or nested too deeply
                return EMPTY_DICT
        return raw_args if isinstance(raw_args, FrozenDict) else EMPTY_DICT

    @property
    def result(self) -> Any:
        """Result of a tool as JSON data; None for other kinds, and for a call that failed."""
        return self.payload.get("result")

    @property
    def error(self) -> str:
        """The error message of a tool; "" without one."""
        error = self.payload.get("error")
        return error if type(error) is str else str(error or "")

    @property
    def images(self) -> FrozenList:
        """The images of a message as image maps of one form."""
        images = self.payload.get("images")
        return FrozenList(map(normal_or_raw_image, images)) if isinstance(images, FrozenList) else FrozenList()

    @property
    def tool_call_id(self) -> str:
        """The provider's id of the tool call that this block makes or answers; "" for a block of another kind."""
        call_id = self.payload.get("id") if self.kind in ("tool_call", "tool_use") else None
        return call_id if isinstance(call_id, str) else ""

    @property
    def inference(self) -> InferenceResult | None:
        """The record of the model call that made this block."""
        return self.metadata.get(INFERENCE_RESULT)

    @property
    def inference_id(self) -> str:
        """Id of the model call that made this block; "" when none did."""
        return self.metadata.get(INFERENCE_ID) or ""

    @property
    def child_run_id(self) -> str:
        """The id of the Run that this tool call started; "" for other blocks."""
        return self.metadata.get(CHILD_RUN) or ""

    def edit(self, **payload: Any) -> Block:
        """Return the block with some fields of its payload replaced.

        Raises MisuseError for a name that is neither in the payload nor in PAYLOAD_FIELDS, because
        it is probably misspelt. `replace(payload={…})` accepts any name.
        """
        for name in payload:
            if name not in self.payload and name not in PAYLOAD_FIELDS:
                raise MisuseError(
                    f"a {self.kind} block has no {name!r}; it has {', '.join(self.payload) or 'no payload'}{_spelling_hint(name)}"
                )
        if "text" in payload:
            require_str(payload["text"], "text")
        return self._with(payload=freeze({**self.payload, **payload}))

    def replace(
        self,
        *,
        kind: str | None = None,
        id: str | None = None,
        role: str | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> Block:
        """Return the block with another kind, id, role or payload."""
        return self._with(kind=kind, payload=payload, role=role, id=id)

    def with_metadata(self, key: Key[T], value: T) -> Block:
        """Return a copy with a metadata value. Raises MisuseError for a value or a key that does not fit."""
        return self._with(metadata=self.metadata.with_(key, value, "block"))

    def without_metadata(self, *keys: Key[Any]) -> Block:
        """Return the block without the values of these keys."""
        return self._with(metadata=self.metadata.without(*keys))

    def _with(
        self,
        *,
        kind: str | None = None,
        payload: Any = None,
        role: str | None = None,
        id: str | None = None,
        metadata: Metadata | None = None,
    ) -> Block:
        return make_block(
            self.kind if kind is None else require_str(kind, "kind") or "other",
            self.payload if payload is None else require_mapping(payload, "payload"),
            self.role if role is None else require_str(role, "role"),
            self.id if id is None else require_str(id, "id"),
            self.metadata if metadata is None else metadata,
            self.extra,
        )

    def with_signature(self, id: str, metadata: Metadata) -> Block:
        """Return the block with an id and metadata that are known to be valid."""
        return make_block(self.kind, self.payload, self.role, id, metadata, self.extra)

    def __add__(self, other_blocks: Any) -> Any:
        """Return a Turn that begins with this block."""
        from .turns import Turn

        return other_blocks.insert(0, self) if isinstance(other_blocks, Turn) else Turn((self,)) + other_blocks

    def to_dict(self) -> dict[str, Any]:
        """Return the block as plain data for JSON; `Block.from_dict` reads it back equal."""
        from ..serialization.serde import block_to_dict

        return block_to_dict(self)

    @printable
    def __repr__(self) -> str:
        from ..render.text import block_line

        return f"<Block {block_line(self)}>"

    def _repr_html_(self) -> str:
        from ..render.html import turn_html
        from .turns import Turn

        return turn_html(Turn((self,)))


refuse_assignment(Block)
make_block: Callable[..., Block] = unchecked_constructor(Block)  # takes the fields of a Block, frozen and valid


# The fields of payloads, with the names of geppetto (`helpers_blocks.go`) and of the providers' codecs.
PAYLOAD_FIELDS = frozenset(
    [
        "text",
        "images",
        "id",
        "name",
        "args",
        "args_raw",
        "result",
        "error",
        "encrypted_content",
        "summary",
        "item_id",
        "signature",
        "correlation",
        "refusal",
        "annotations",
        "citations",
        "media",
        "data",
        "phase",
        "parts",
        "is_error",
        "cache_control",  # Anthropic's mark of what to cache
        "prompt_cache_breakpoint",  # OpenAI's
    ]
)


def _spelling_hint(name: str) -> str:
    if name in ("kind", "role", "metadata"):
        return f"; {name} is changed by .replace() or .with_metadata()"
    similar_names = [
        payload_name
        for payload_name in PAYLOAD_FIELDS
        if payload_name.startswith(name[:3]) or name.startswith(payload_name)
    ]
    return f"; did you mean {' or '.join(sorted(similar_names))}?" if similar_names else ""


def system(text: str) -> Block:
    """Return a `system` block. Raises MisuseError unless `text` is a str."""
    return Block(Kind.SYSTEM, {"text": require_str(text, "text")}, "system")


def user(text: str = "", images: Iterable[Any] = ()) -> Block:
    """Return a message of the user. `images` are one or several of `image(...)`, paths, URLs, bytes or image maps."""
    image_sources = (
        images if isinstance(images, Iterable) and not isinstance(images, (str, bytes, Mapping)) else (images,)
    )
    image_maps = [normal_image(source) if isinstance(source, Mapping) else image(source) for source in image_sources]
    payload = {"text": require_str(text, "text")}
    return Block(Kind.USER, {**payload, "images": image_maps} if image_maps else payload, "user")


def assistant(text: str) -> Block:
    """Return an `llm_text` block with the role "assistant".

    Raises MisuseError unless `text` is a str.
    """
    return Block(Kind.LLM_TEXT, {"text": require_str(text, "text")}, "assistant")


def reasoning(text: str = "", **payload: Any) -> Block:
    """Return a reasoning block; `payload` may have `summary`, `encrypted_content`, `item_id`, `signature`."""
    return Block(Kind.REASONING, {"text": require_str(text, "text"), **payload})


def tool_call(id: str, name: str, args: Mapping[str, Any] | str | None = None) -> Block:
    """Return a call of a tool by the model. `id` is the provider's id of the call."""
    frozen_args = EMPTY_DICT if args is None else freeze(args)
    return make_block(
        TOOL_CALL,
        FrozenDict(
            id=require_str(id, "the id of a call"), name=require_str(name, "the name of a tool"), args=frozen_args
        ),
    )


def tool_use(id: str, result: Any = None, error: str = "") -> Block:
    """Return the answer to the call with this `id`: a result, or an error message."""
    error_text = require_str(error, "error")
    return make_block(
        TOOL_USE, FrozenDict(id=require_str(id, "the id of a call"), result=freeze(result), error=error_text)
    )


def require_blocks(items: Iterable[Any]) -> Iterable[Block]:
    """Return the items as they are. Raises MisuseError if one of them is not a Block."""
    if type(items) not in (tuple, list):
        if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
            raise MisuseError(f"expected Blocks, like nt.user(...), got {type(items).__name__}: {items!r:.60}")
        items = tuple(items)
    for item in items:
        if not isinstance(item, Block):
            raise MisuseError(f"expected Blocks, like nt.user(...), got {type(item).__name__}: {item!r:.60}")
    return items


def require_str(value: Any, description: str) -> str:
    if type(value) is str:
        return value
    if not isinstance(value, str):
        raise MisuseError(f"{description} must be a str, got {type(value).__name__}: {value!r:.60}")
    return str.__str__(value)


def require_mapping(value: Any, description: str) -> FrozenDict:
    if not isinstance(value, Mapping):
        raise MisuseError(f"{description} must be a mapping, got {type(value).__name__}: {value!r:.60}")
    frozen: FrozenDict = freeze(value)
    return frozen


def extra_fields(extra: Any, field_names: str) -> FrozenDict:
    """Return the fields of a file that the format does not know. Raises MisuseError for a name of the format."""
    if reserved_names := [name for name in field_names.split() if name in extra]:
        raise MisuseError(f"extra cannot have the names of the format: {', '.join(reserved_names)}")
    return require_mapping(extra, "extra")


def results_of_blocks(blocks: Iterable[Block]) -> tuple[InferenceResult, ...]:
    """Return the distinct results of the model calls of these blocks, in order.

    Results are distinguished by the id of their call; without ids (in geppetto's files, where all
    blocks of a loop have the result of its last call) equal results are one.
    """
    results_by_id: dict[Any, InferenceResult] = {}
    for block in blocks:
        if (result := block.inference) is not None:
            results_by_id.setdefault(block.inference_id or result.inference_id or result, result)
    return tuple(results_by_id.values())


def results_of_turn(metadata: Metadata, blocks: Iterable[Block]) -> tuple[InferenceResult, ...]:
    """Return the results of all model calls of a Turn: those of its ledger, else those of its blocks."""
    results = ledger_results(metadata)
    return results_of_blocks(blocks) if results is None else results


def comparable_content(blocks: Iterable[Block]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return kind, role and payload of each block; call ids become numbers, so that conversations can be compared."""
    call_numbers: dict[str, int] = {}
    call_count = 0

    def payload(block: Block) -> Mapping[str, Any]:
        nonlocal call_count
        call_id = block.tool_call_id
        if not call_id or block.kind not in ("tool_call", "tool_use"):
            return block.payload
        if (
            block.kind == "tool_call" or call_id not in call_numbers
        ):  # recordings use an id again, and mean another call
            call_numbers[call_id] = call_count = call_count + 1
        return {**block.payload, "id": call_numbers[call_id]}

    return [(block.kind, block.role, payload(block)) for block in blocks]

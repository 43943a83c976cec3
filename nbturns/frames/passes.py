"""One pass over Runs that makes any of the frames, and keeps what is done when it has to end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, LoadError
from .block_frame import BLOCK, BlockMaker
from .columns import Column
from .inference_frame import INFERENCE, InferenceMaker
from .maker import Maker
from .report_frame import REPORT, ReportMaker
from .sheet import Sheet
from .snapshot_frame import SNAPSHOT, SnapshotMaker
from .sources import Claims, Source
from .tool_call_frame import TOOL_CALL, ToolCallMaker
from .turn_frame import TURN, TurnMaker
from .walk import Walk

if TYPE_CHECKING:
    import pyarrow as pa

ERROR: tuple[Column, ...] = (
    Column("file", lambda row: row.file or None, "string", doc="the file, if it is one"),
    Column("position", lambda row: row.position or None, "string", doc="where in it"),
    Column("reason", lambda row: row.reason, "string", doc="what is wrong there"),
)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "blocks": BLOCK,
    "turns": TURN,
    "inferences": INFERENCE,
    "tool_calls": TOOL_CALL,
    "snapshots": SNAPSHOT,
    "reports": REPORT,
    "errors": ERROR,
}
MAKERS: dict[str, type[Maker]] = {
    "turns": TurnMaker,
    "inferences": InferenceMaker,
    "tool_calls": ToolCallMaker,
    "snapshots": SnapshotMaker,
    "reports": ReportMaker,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames a pass is to make, with which columns; `strict` ends it at the first error."""

    columns: Mapping[str, tuple[Column, ...]]
    repeat: bool = False
    strict: bool = True

    def maker(self, name: str) -> Maker:
        if name == "blocks":
            return BlockMaker(self.columns[name], repeat=self.repeat)
        return MAKERS[name](self.columns[name])

    @property
    def is_ours(self) -> bool:
        """Whether all columns are ours, so that their values are known wherever they are made."""
        return all(set(COLUMNS[name]).issuperset(columns) for name, columns in self.columns.items())

    def chosen(self, made: Made) -> Made:
        """Of whole frames, the columns that are wanted."""
        for name, columns in self.columns.items():
            wanted = [column.name for column in columns]
            if made.tables[name].column_names != wanted:
                made.tables[name] = made.tables[name].select(wanted)
        return made


@dataclass(slots=True)
class Made:
    """The tables of a pass, by name; `objects` are the values of columns that Arrow has no type for."""

    tables: dict[str, pa.Table]
    objects: dict[str, dict[str, list[Any]]] = field(default_factory=dict)


class Pass:
    """Goes through Runs, each Turn once, for all the frames that are wanted."""

    def __init__(self, wanted: Wanted, claims: Claims | None = None) -> None:
        self.wanted = wanted
        self.claims = Claims() if claims is None else claims
        self.makers = {name: wanted.maker(name) for name in wanted.columns if name != "errors"}
        self.errors = Sheet(ERROR)

    @property
    def rows(self) -> int:
        """How many there are in all frames."""
        return sum(map(len, self.makers.values())) + len(self.errors)

    def lengths(self) -> dict[str, int]:
        """The same by frame."""
        return {**{name: len(maker) for name, maker in self.makers.items()}, "errors": len(self.errors)}

    def read(self, source: Source) -> None:
        """Put the rows of one Run into every frame, or none of them.

        Raises DecodeError for metadata that do not fit, where the pass is strict.
        """
        id = self.claims.claim(source.id, source.file, source.label, source.place)
        walk = Walk(source if id == source.id else replace(source, id=id))
        makers = tuple(self.makers.values())
        for maker in makers:
            maker.mark()
        try:
            for maker in makers:
                maker.begin(walk)
            for place in walk:
                for maker in makers:
                    maker.place(place)
            for maker in makers:
                maker.end()
        except BaseException as error:  # an interrupt too: half a Run is in some frames and not in others
            for maker in makers:
                maker.take_back()
            if not isinstance(error, DecodeError) or self.wanted.strict:
                raise
            self.failed(LoadError(str(error), file=source.file, position=f"run {source.id}"))

    def failed(self, error: LoadError) -> None:
        """Note what could not be read. Raises it, where the pass is strict."""
        if self.wanted.strict:
            raise error
        self.errors.add(error)

    def made(self) -> Made:
        made = Made({})
        for name, maker in self.makers.items():
            made.tables[name], made.objects[name] = maker.table()
        made.tables["errors"], _ = self.errors.table()
        return made


def together(several: Iterable[Made]) -> Made:
    """The tables of several passes as one, in their order."""
    import pyarrow as pa

    made = list(several)
    if len(made) == 1:
        return made[0]
    tables = {
        name: pa.concat_tables([one.tables[name] for one in made]).unify_dictionaries() for name in made[0].tables
    }
    names = {(frame, column) for one in made for frame, columns in one.objects.items() for column in columns}
    objects: dict[str, dict[str, list[Any]]] = {frame: {} for frame in tables}
    for frame, column in names:
        objects[frame][column] = [value for one in made for value in _objects(one, frame, column)]
    return Made(tables, objects)


def _objects(made: Made, frame: str, column: str) -> list[Any]:
    if column in made.objects.get(frame, {}):
        return made.objects[frame][column]
    return [None] * len(made.tables[frame])

"""Labels kept in a file of their own, beside conversations that are not to be changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import LoadError, MisuseError
from ..values.blocks import Block
from ..values.label_values import Label, new_label, with_labels
from ..values.turns import Run, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelLine:
    """A line of the file: a label, and the Run or the block that has it.

    `digest` is that of the block's content, by which it is found in any Run; "" and None for a label of a Run.
    """

    label: Label
    run_id: str = ""
    turn_index: int | None = None
    block_index: int | None = None
    digest: str = ""
    removed: bool = False

    @property
    def target(self) -> tuple[Any, ...]:
        return self.run_id, self.turn_index, self.block_index, self.digest

    def to_dict(self) -> dict[str, Any]:
        place = {"run_id": self.run_id, "turn_index": self.turn_index, "block_index": self.block_index}
        removed = {"removed": True} if self.removed else {}
        label = {"note": "", "by": "", "at": "", **self.label.to_dict()}
        return {**place, "digest": self.digest or None, **label, **removed}


class Labels:
    """The labels in a file of JSON lines. A line is appended for each change; the file may be shared and merged."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path).expanduser()
        self._lines = tuple(_read_lines(self.path)) if self.path.exists() else ()

    def add(self, target: Any, label: str, note: str = "", by: str = "", *, run: Run | None = None) -> Labels:
        """Append a label of a Run, a block, or a row of a frame, and return these labels.

        With `run`, the label of a block holds in that Run alone; without it, wherever an equal block is. Raises
        MisuseError for another target, and for a Run without an id.
        """
        self._append(_line_of(target, new_label(label, note, by), run))
        return self

    def read(self, source: Any) -> Labels:
        """Append the labels in a table, or in a CSV, Parquet or JSON Lines file, and return these labels.

        A row has `run_id` and `label`, and perhaps `turn_index`, `block_index`, `note`, `by` and `at`; results of
        Inspect Scout are read as they are. A label that is here already is not appended again. Raises LoadError, with
        the row, for a row without a label.
        """
        from .label_tables import label_records

        saved_line = {(*line.target, line.label.label) for line in self.lines()}
        for record in list(label_records(source)):
            line = _line_of_record(record)
            if (*line.target, line.label.label) not in saved_line:
                saved_line.add((*line.target, line.label.label))
                self._append(line)
        return self

    def remove(self, target: Any, label: str | None = None, *, run: Run | None = None) -> Labels:
        """Remove a label of a Run, a block or a row, or all of them; a line that says so is appended."""
        line = _line_of(target, new_label(label or "-"), run)
        for saved_line in self.lines():
            if saved_line.target == line.target and label in (None, saved_line.label.label):
                self._append(replace(saved_line, removed=True))
        return self

    def lines(self) -> tuple[LabelLine, ...]:
        """Return the lines that hold: those that were not removed, in their order."""
        lines: dict[tuple[Any, ...], LabelLine] = {}
        for line in self._lines:
            key = (*line.target, line.label.label)
            if line.removed:
                lines.pop(key, None)
            else:
                lines[key] = line
        return tuple(lines.values())

    def of_run(self, run_id: str) -> tuple[Label, ...]:
        """Return the labels of a Run as a whole."""
        return tuple(line.label for line in self.lines() if line.run_id == run_id and _is_of_run(line))

    def of_block(self, run_id: str, turn_index: int, block_index: int, block: Block) -> tuple[Label, ...]:
        """Return the labels of a block at its place in a Run."""
        return LabelIndex(self).of_block(run_id, turn_index, block_index, block)

    def apply(self, run: Run) -> Run:
        """Return the Run with these labels in its metadata and in those of its blocks; no file is changed."""
        index, turns, labelled = LabelIndex(self), [], {}
        for turn_index, turn in enumerate(run.turns):
            blocks = []
            for block_index, block in enumerate(turn.blocks):
                if id(block) not in labelled:
                    labels = index.of_block(run.id, turn_index, block_index, block)
                    labelled[id(block)] = with_labels(block, labels)
                blocks.append(labelled[id(block)])
            is_same = all(new is old for new, old in zip(blocks, turn.blocks, strict=True))
            turns.append(turn if is_same else Turn(blocks, turn.id, turn.metadata, turn.data, extra=turn.extra))
        return with_labels(replace(run, turns=tuple(turns)), self.of_run(run.id))

    def to_df(self, *, backend: str = "pandas") -> Any:
        """Return a frame with a row for each label, as `nt.frames.labels` does."""
        from .label_frame import labels_frame

        return labels_frame(self, backend)

    def _append(self, line: LabelLine) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line.to_dict(), ensure_ascii=True) + "\n")
        self._lines = (*self._lines, line)

    def __len__(self) -> int:
        return len(self.lines())

    def __iter__(self) -> Iterator[LabelLine]:
        return iter(self.lines())

    def __repr__(self) -> str:
        return f"<Labels {len(self)} in {self.path}>"


def labels(path: str | os.PathLike[str]) -> Labels:
    """Return the labels of a file of JSON lines, which the first `add` makes.

    Raises LoadError, with the line, for a file that holds something else.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise MisuseError(f'nt.labels() expects the path of a file, like "labels.jsonl", got {path!r:.60}')
    return Labels(path)


LabelFile: TypeAlias = Labels | str | os.PathLike[str] | None


def label_file_of(labels: LabelFile) -> Labels | None:
    """Return the labels that an argument `labels=` names. Raises MisuseError for anything else."""
    if labels is None or isinstance(labels, Labels):
        return labels
    if isinstance(labels, (str, os.PathLike)):
        return Labels(labels)
    raise MisuseError(f"labels= must be nt.labels(path) or a path, got {labels!r:.60}")


class LabelIndex:
    """The labels of a file by what they are for, so that a frame finds those of each row quickly."""

    def __init__(self, labels: Labels) -> None:
        self._runs: dict[str, list[Label]] = {}
        self._places: dict[tuple[str, int | None, int | None], list[LabelLine]] = {}
        self._digests: dict[str, list[LabelLine]] = {}
        for line in labels.lines():
            if _is_of_run(line):
                self._runs.setdefault(line.run_id, []).append(line.label)
            elif line.digest:
                self._digests.setdefault(line.digest, []).append(line)
            else:
                self._places.setdefault((line.run_id, line.turn_index, line.block_index), []).append(line)

    def of_run(self, run_id: str) -> tuple[Label, ...]:
        return tuple(self._runs.get(run_id, ()))

    def of_block(self, run_id: str, turn_index: int, block_index: int, block: Block) -> tuple[Label, ...]:
        lines = list(self._places.get((run_id, turn_index, block_index), ()))
        if self._digests:
            lines += [line for line in self._digests.get(digest_of(block), ()) if line.run_id in ("", run_id)]
        return tuple(line.label for line in lines)


def digest_of(block: Block) -> str:
    """Return a digest of the content of a block: its kind and its payload, without ids and metadata."""
    data = block.to_dict()
    content = json.dumps([data.get("kind"), data.get("payload")], sort_keys=True, ensure_ascii=True, default=repr)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _is_of_run(line: LabelLine) -> bool:
    return line.block_index is None and not line.digest


def _line_of(target: Any, label: Label, run: Run | None) -> LabelLine:
    if isinstance(target, Run):
        if not target.id:
            raise MisuseError("this Run has no id to label it by; pass one with an id, or a row of nt.frames.runs(x)")
        return LabelLine(label=label, run_id=target.id)
    if isinstance(target, Block):
        turn_index, block_index = _place_in(run, target) if run is not None else (None, None)
        run_id = run.id if run is not None else ""
        return LabelLine(
            label=label, run_id=run_id, turn_index=turn_index, block_index=block_index, digest=digest_of(target)
        )
    names = ("run_id", "turn_index", "block_index")
    try:
        row = {name: target[name] for name in names if name in target}
    except (TypeError, KeyError):
        row = {}
    if not isinstance(row.get("run_id"), str):
        raise MisuseError(f"expected a Run, a Block or a row of a frame, got {type(target).__name__}: {target!r:.60}")
    turn_index, block_index = (_index(row.get(name)) for name in names[1:])
    return LabelLine(
        label=label,
        run_id=row["run_id"],
        turn_index=turn_index if block_index is not None else None,
        block_index=block_index,
    )


def _index(value: Any) -> int | None:
    """Return an index, also one that a table holds as 2.0 or as text; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return int(number) if number >= 0 and number.is_integer() else None


def _place_in(run: Run, block: Block) -> tuple[int, int]:
    for turn_index, turn in enumerate(run.turns):
        for block_index, other in enumerate(turn.blocks):
            if other is block:
                return turn_index, block_index
    raise MisuseError(f"this block is not in run {run.id!r}: {block!r:.60}")


def _line_of_record(record: Any) -> LabelLine:
    return LabelLine(
        label=Label.from_dict({name: value for name, value in record.items() if value is not None}),
        run_id=str(record.get("run_id") or ""),
        turn_index=_index(record.get("turn_index")),
        block_index=_index(record.get("block_index")),
        digest=str(record.get("digest") or ""),
        removed=bool(record.get("removed")),
    )


def _read_lines(path: Path) -> Iterator[LabelLine]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"the labels cannot be read: {error}", file=str(path)) from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            yield _line_of_record(record)
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise LoadError(f"not a label: {line[:60]!r}", file=str(path), position=f"line {number}") from None

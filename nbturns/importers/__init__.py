"""Foreign transcripts: every format is an importer, found by looking at what a file holds.

**To add a format**, write a module with an `IMPORTER` and name that module among the entry points
`nbturns.importers` (ours are declared the same way, in `pyproject.toml`; `pip install -e .` again after that):

    FORMAT = "diary"

    def score(sample: Sample) -> int:
        '''How sure it is that this is a diary, from the head of a file.'''
        first = sample.record  # the first JSON object: a line's, a list's, or the document
        return SURE if "diary_version" in first else 0

    def read_one(value: Any, notes: Notes) -> Run:
        '''One JSON value (a document, or a line of JSON Lines) as a Run.'''
        blocks = []
        for index, page in enumerate(value["pages"]):
            notes.read += 1  # records of the source
            ...
            notes.guess(f"pages[{index}]", "no author; taken for the user's")  # refused when strict
        return conversation(blocks, notes, name=value["title"])

    IMPORTER = Importer(FORMAT, score, each_record(FORMAT, read_one))

**score** gets a `Sample` (see `source.py`): parsed values, names of a zip's members, text. It
returns 0 for "no", else how sure it is: `SURE` for a mark that no other format has, `LIKELY` for a
shape that fits, `MAYBE` for one that fits others as well. The highest wins; the file's name has no say.
It must be quick (microseconds) and may raise nothing: whatever may be in `sample.values`, ask first
(`isinstance(x, Mapping)`), and remember that a long document is cut somewhere.

**read** gets a `Source` and yields Runs, one after the other, so that large files stream:

- `source.values()`: the JSON values with their positions: a document (`""`), or each line of JSON
  Lines (`"line 3"`); YAML too.
- `source.records()`: the same, but a list on top is opened and streamed: `("[2]", item)`. `each_record`
  makes a `read` of a function that reads one.
- `source.text()`, `source.content()` (bytes), `source.open()` (a binary file), `source.path` (None for
  a text in memory): for what is no JSON. `source.zip()` opens an archive, zstd (method 93) included.
- `source.notes(FORMAT, position)`: what is told of one Run: `read` counts the records; `guess`,
  `unknown`, `drop` note what was assumed, kept as it was, left out. Each raises LoadError when strict.
- `source.problem(position, why)`: what cannot be read and belongs to no Run: reported with the Run
  before it, raised when strict. A LoadError raised out of `read_one` becomes one.

**What becomes of what** (the same in every format, `conversation.py` has the functions):

- `conversation(blocks, notes, …)` makes the Run: a Turn a user prompt, each holding all before it.
- Nothing is lost: what is not understood is an `other` block with its JSON (`other(value, role)`), and noted
  with `notes.unknown`. What stood beside a message goes to `FIELDS` in its block's metadata,
  what stood beside the messages to `FIELDS` in the Run's; `MESSAGE` is the message's index.
- The blocks of one model call carry the same `INFERENCE_ID` and `INFERENCE_RESULT` (`signed(…)`), with
  the model, the usage (`input_tokens` counts the cache too) and the stop reason where the file has them.
- A call: `tool_call` with `id`, `name`, `args` (an object; else `args_raw`, as it was written). Its answer:
  `tool_use` with `id`, `result`, `error`. No id in the file: make one from the place, and `guess`.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import LoadError, MissingPackageError
from ..frozen import FrozenDict
from ..turns import Run
from .conversation import call as call
from .conversation import conversation as conversation
from .conversation import other as other
from .conversation import signed as signed
from .json_text import BLANK
from .report import ImportReport as ImportReport
from .report import Note as Note
from .report import Notes as Notes
from .source import HEAD
from .source import Sample as Sample
from .source import Source as Source

OURS = "nbturns"
SURE, LIKELY, MAYBE = 90, 60, 30


@dataclass(frozen=True, slots=True)
class Importer:
    """One format: its name, how sure it is of a file's head (0 to 100), and how it reads."""

    name: str
    score: Callable[[Sample], int]
    read: Callable[[Source], Iterator[Run]]


def each_record(format: str, read_one: Callable[[Any, Notes], Run]) -> Callable[[Source], Iterator[Run]]:
    """A `read` for documents that are a conversation each: one, one a line, or a list of them.

    One that cannot be read (LoadError) is reported as a problem of its file; strict refuses it.
    """

    def read(source: Source) -> Iterator[Run]:
        for position, value in source.records():
            if (run := attempt(source, position, read_one, value, source.notes(format, position))) is not None:
                yield run

    return read


def attempt(source: Source, position: str, read_one: Callable[..., Run], *given: Any) -> Run | None:
    """What `read_one` makes of it; where it raises LoadError, None and a note of the problem."""
    try:
        return read_one(*given)
    except MissingPackageError:
        raise
    except LoadError as error:
        if source.strict:
            raise
        source.problem(error.position or position, error.reason)
    except Exception as error:  # an importer may be anybody's, and one hostile line must not hide the others
        source.problem(position, f"it cannot be read: {type(error).__name__}: {error}")
    return None


@cache
def importers() -> Mapping[str, Importer]:
    """Every format there is, by name."""
    from importlib.metadata import entry_points

    from . import own

    found = {point.name: point.load().IMPORTER for point in entry_points(group="nbturns.importers")}
    return FrozenDict({OURS: own.IMPORTER, **found})


def recognised(sample: Sample) -> Importer | None:
    """The importer that is surest of this sample; None when none knows it."""
    best, most = None, 0
    for importer in dict.fromkeys(importers().values()):
        if (score := importer.score(sample)) > most:
            best, most = importer, score
    return best


def runs_of(source: Source, format: str | None = None) -> Iterator[Run | Note]:
    """What is in a source, by the format named or the one it looks like; a Note in the place of what cannot be read.

    Raises LoadError for what is no conversation; when strict, for all that would be a Note.
    """
    importer = _importer(source, format)
    if importer is None:
        return
    runs = importer.read(source)
    while True:
        try:
            with no_collections():
                run = next(runs, None)
        except (LoadError, MissingPackageError):
            yield from source.noted()
            raise
        except RecursionError:
            raise LoadError("nested too deeply", file=source.file) from None
        except Exception as error:  # an importer may be anybody's, and a file may hold anything
            reason = f"the importer for {importer.name} failed: {type(error).__name__}: {error}"
            raise LoadError(reason, file=source.file) from error
        yield from source.noted()
        if run is None:
            return
        yield run


def _importer(source: Source, format: str | None) -> Importer | None:
    """By name, or by looking; None for a source in which nothing stands."""
    known = importers()
    if format is not None:
        if format not in known:
            raise LoadError(f"no format is named {format!r}; there are: {', '.join(sorted(known))}", file=source.file)
        return known[format]
    sample = source.sample
    if not sample.values and not sample.head.strip(BLANK):
        return None
    found = recognised(sample)
    if found is None and len(sample.head) >= HEAD and sample.container == "json":
        sample = source.longer_sample()
        found = recognised(sample)
    if found is None and sample.container == "text":
        sample = source.yaml_sample()
        found = recognised(sample)
    if found is None:
        names = ", ".join(sorted({importer.name for importer in known.values()}))
        source.refuse_broken_json()
        raise LoadError(
            f"this is no conversation in a format known here: {sample.described()}; known are {names}", file=source.file
        )
    return found


@contextmanager
def no_collections() -> Iterator[None]:
    """Let the garbage collector rest: it would walk all that was made again and again, and find nothing."""
    working = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if working:
            gc.enable()

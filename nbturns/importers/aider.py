"""aider's chat histories (`.aider.chat.history.md`): a session after the other, as Markdown.

A session begins with `# aider chat started at …`. Lines of the user begin with `#### `, what aider itself
said with `> `, the rest is the model's. aider's own lines are nobody's message: `other` blocks with a text.
A line of a model's answer that begins the same way cannot be told from these. Source: aider's `io.py`,
which writes the file, and `utils.py`, which reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..turns import Kind, Run
from .importer import SURE, Importer
from .report import Notes
from .source import Sample, Source
from .transcript import Transcript

FORMAT = "aider"
STARTED = re.compile(r"# aider chat started at (.*)")
MODEL = re.compile(r"(?:Main model|Model|Models): (\S+)")


def is_history(text: str) -> bool:
    """Whether a text begins like a chat history of aider's."""
    return bool(re.search(r"(?m)\A(?:\s*)# aider chat started at \d{4}", text))


def sessions(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """The sessions of a history, each with the number of its first line."""
    first, held = 1, list[str]()
    for number, line in enumerate(lines, 1):
        if STARTED.match(line) and held:
            if any(one.strip() for one in held):
                yield first, held
            first, held = number, []
        held.append(line)
    if any(one.strip() for one in held):
        yield first, held


def read_session(lines: list[str], notes: Notes, first: int = 1) -> Run:
    """One session as a Run: a Turn per prompt of the user's."""
    reader = _Reader(Transcript(notes), first)
    started = STARTED.match(lines[0])
    for number, line in enumerate(lines[1:] if started else lines, first + bool(started)):
        reader.line(number, line)
    reader.flush()
    transcript = started.group(1).strip() if started else ""
    return reader.transcript.to_run(name=transcript, time=transcript)


class _Reader:
    """Gathers lines of one speaker, and writes a block when another one speaks."""

    def __init__(self, transcript: Transcript, first: int) -> None:
        self.transcript = transcript
        self.who = ""
        self.begun = first
        self.held: list[str] = []
        self.model = ""
        self.asked = False
        transcript.turn_starts = [0]  # what aider says at the head belongs to the first prompt

    def line(self, number: int, line: str) -> None:
        text = line.rstrip("\n").removesuffix("\r")
        if text.startswith("> ") or text == ">":
            who, text = "aider", text[2:]
        elif text.startswith("#### ") or text == "####":
            who, text = "user", text[5:]
        else:
            who = "model"
        if who != self.who:
            self.flush()
            self.who, self.begun = who, number
        self.held.append(text if who == "model" else text.removesuffix("  "))  # a break, as Markdown writes it

    def flush(self) -> None:
        """Write what the last speaker said."""
        who, lines, transcript = self.who, self.held, self.transcript
        self.held = []
        text = "\n".join(lines)
        transcript.position = f"line {self.begun}"
        if who == "model":
            text = text.strip("\n")
        if not text.strip() and who != "user":
            return
        transcript.notes.record_count += 1
        if who == "user":
            if self.asked:
                transcript.start_turn()
            self.asked = True
            transcript.add(Kind.USER, {"text": "" if text == "<blank>" else text}, "user")
        elif who == "model":
            transcript.add(
                Kind.LLM_TEXT, {"text": text}, "assistant", result=transcript.inference_result(model=self.model)
            )
        elif who:
            found = MODEL.search(text)
            self.model = found.group(1) if found else self.model
            transcript.add(Kind.OTHER, {"text": text}, "tool")


def score(sample: Sample) -> int:
    return SURE if sample.container == "text" and is_history(sample.text) else 0


def read(source: Source) -> Iterator[Run]:
    """Every session of a history, one after the other."""
    with source.open() as stream:
        lines = _decoded(stream, source)
        for first, session in sessions(lines):
            yield read_session(session, source.notes(FORMAT, f"line {first}"), first)


def _decoded(lines: Iterable[bytes], source: Source) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            source.add_problem(f"line {number}", "bytes that are not UTF-8 were replaced by �")
            yield line.decode("utf-8", "replace")


IMPORTER = Importer(FORMAT, score, read)

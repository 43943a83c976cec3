"""aider's chat histories (`.aider.chat.history.md`): sessions one after the other, as Markdown.

A session begins with `# aider chat started at …`. Lines of the user begin with `#### `, lines of aider itself
with `> `, the others are the model's. aider's own lines belong to no message: `other` blocks with a text.
A line of the model that begins with one of these marks cannot be distinguished from them. Source:
Aider-AI/aider at 5dc9490bb35f, aider/io.py (`append_chat_history`, which writes the file) and aider/utils.py
(`split_chat_history_markdown`, which reads it).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..values.turns import Kind, Run
from .kit.faults import INVALID_UTF_8
from .kit.import_report import Notes
from .kit.importer import SURE, Importer
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "aider"
SESSION_START = re.compile(r"# aider chat started at (.*)")
FIRST_HEADING = re.compile(r"(?m)\A(?:\s*)# aider chat started at \d{4}")
MODEL_LINE = re.compile(r"(?:Main model|Model|Models): (\S+)")


def is_history(text: str) -> bool:
    """Return True for a text that begins like a chat history of aider."""
    return bool(FIRST_HEADING.search(text))


def split_sessions(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the sessions of a history, each with the number of its first line."""
    first_line_number, session_lines = 1, list[str]()
    for line_number, line in enumerate(lines, 1):
        if SESSION_START.match(line) and session_lines:
            if any(map(str.strip, session_lines)):
                yield first_line_number, session_lines
            first_line_number, session_lines = line_number, []
        session_lines.append(line)
    if any(map(str.strip, session_lines)):
        yield first_line_number, session_lines


def read_session(lines: list[str], notes: Notes, first_line_number: int = 1) -> Run:
    """Return the Run of one session: a Turn for each prompt of the user."""
    transcript = Transcript(notes)
    reader = _LineReader(transcript, first_line_number)
    session_start = SESSION_START.match(lines[0])
    for line_number, line in enumerate(lines[1:] if session_start else lines, first_line_number + bool(session_start)):
        reader.read_line(line_number, line)
    reader.add_block()
    start_time = session_start.group(1).strip() if session_start else ""
    return transcript.to_run(name=start_time, time=start_time)


class _LineReader:
    """Collects the lines of one speaker, and adds a block when the speaker changes."""

    def __init__(self, transcript: Transcript, first_line_number: int) -> None:
        self.transcript = transcript
        self.speaker = ""
        self.first_number = first_line_number  # of the lines of the speaker
        self.lines: list[str] = []
        self.model = ""
        self.has_prompt = False
        transcript.turn_starts = [0]  # aider's lines at the beginning belong to the first prompt

    def read_line(self, line_number: int, line: str) -> None:
        line_text = line.rstrip("\n").removesuffix("\r")
        if line_text.startswith("> ") or line_text == ">":
            speaker, line_text = "aider", line_text[2:]
        elif line_text.startswith("#### ") or line_text == "####":
            speaker, line_text = "user", line_text[5:]
        else:
            speaker = "model"
        if speaker != self.speaker:
            self.add_block()
            self.speaker, self.first_number = speaker, line_number
        self.lines.append(line_text if speaker == "model" else line_text.removesuffix("  "))  # a line break of Markdown

    def add_block(self) -> None:
        """Add a block with the lines of the last speaker."""
        speaker, transcript, block_text = self.speaker, self.transcript, "\n".join(self.lines)
        self.lines = []
        transcript.begin_record(f"line {self.first_number}")
        if speaker == "model":
            block_text = block_text.strip("\n")
        if not block_text.strip() and speaker != "user":
            return
        transcript.notes.record_count += 1
        if speaker == "user":
            if self.has_prompt:
                transcript.start_turn()
            self.has_prompt = True
            transcript.add_block(Kind.USER, {"text": "" if block_text == "<blank>" else block_text}, "user")
        elif speaker == "model":
            inference_result = transcript.inference_result(model=self.model)
            transcript.add_block(Kind.LLM_TEXT, {"text": block_text}, "assistant", result=inference_result)
        elif speaker:
            model_match = MODEL_LINE.search(block_text)
            self.model = model_match.group(1) if model_match else self.model
            transcript.add_block(Kind.OTHER, {"text": block_text}, "tool")


def score_aider(sample: Sample) -> int:
    """Return SURE for a text that begins like a chat history."""
    return SURE if sample.container == "text" and is_history(sample.text) else 0


def read_aider(source: Source) -> Iterator[Run]:
    """Yield every session of a history."""
    with source.open() as stream:
        for first_line_number, lines in split_sessions(_decode_lines(stream, source)):
            yield read_session(lines, source.notes(FORMAT, f"line {first_line_number}"), first_line_number)


def _decode_lines(lines: Iterable[bytes], source: Source) -> Iterator[str]:
    for line_number, line in enumerate(lines, 1):
        try:
            yield line.decode("utf-8-sig" if line_number == 1 else "utf-8")
        except UnicodeDecodeError:
            source.add_problem(f"line {line_number}", INVALID_UTF_8)
            yield line.decode("utf-8", "replace")


IMPORTER = Importer(FORMAT, score_aider, read_aider)

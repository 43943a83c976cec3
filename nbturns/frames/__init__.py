"""Conversations as DataFrames: `blocks`, `turns`, `inferences`, `tool_calls`, `snapshots`.

Each takes a Turn, a Run, a Session, an Execution, a path, glob or folder, a store, or several
of these, and reads it once; `read` makes all five in one pass, with what could not be read in
`errors`. A Turn of a Run repeats what came before it, and several blocks share one model call;
here each stands once, so that what may be summed may be summed.

They join on `run_id` with `turn_index`, `block_index`, `inference_id` or `tool_call_id`.
Unknown is NA, never 0; durations are in milliseconds, times have their zone (UTC), money is in
USD. Of several things each is a Run by itself, but Turns in a row of one session, or with the
same first block, are one. `to_turns` leads from rows back to their Turns, `at` from one row.

Frames are built as Arrow; `backend` says what they are given as: "pandas", "arrow", "polars",
or "dask", which reads each file where its partition is. `to_parquet` writes all of them as
folders of Parquet files, in memory that does not grow; `from_parquet` reads these.

Columns are values: `BLOCK + (Column("length", lambda row: len(row.block.text)),)`. A row has
`run`, `run_id`, `turn`, `turn_index`, `session_id`, `file`; in `blocks` and `tool_calls`
`block`, `block_index`, `inference` and `inference_id`, and `answer` in `tool_calls`; in
`inferences` `inference`, `inference_id`, `index` and `blocks`; in `turns` `blocks`, `inferences`;
in `snapshots` `snapshot`, `snapshot_index` and `change`; in `reports` `report`.

`blocks`: a row for each block, where it first appears

    run_id                      string                the Run's id, else its session's, else its file and place
    turn_id                     string                the Turn's id, else its run and place
    turn_index                  Int64                 the Turn's place in its Run, from 0
    block_id                    string                the block's id, else its run, Turn and place
    block_index                 Int64                 the block's place in that Turn, from 0
    kind                        category              what it is: user, llm_text, …
    role                        category              the role it is said in, if any
    text                        string                its text; the arguments, result or error of a tool
    characters                  Int64     characters  the length of `text`
    images                      Int64     images      how many go with it
    tool_call_id                string                the call it makes or answers
    name                        string                the tool that is called, or answers
    error                       string                what went wrong in the tool
    inference_id                string                the model call that made it
    provider                    string                who answered
    model                       string                the model that answered
    stop_reason                 string                why the model call ended, in the provider's word
    finish_class                category              the same in one vocabulary for all providers
    at                          time                  when it was said, where its source tells that
    extra                       string                what its source had beside all that, as JSON
    file                        category              the file it came from

`turns`: a row for each Turn; counts, tokens and cost are of what is new in it

    run_id                      string                the Run's id, else its session's, else its file and place
    session_id                  string                the session it was made in
    turn_id                     string                the Turn's id, else its run and place
    turn_index                  Int64                 the Turn's place in its Run, from 0
    run_name                    string                the Run's name
    file                        category              the file it came from
    status                      category              how its execution ended
    blocks                      Int64     blocks      all it holds, those from before too
    new_blocks                  Int64     blocks      those that no Turn before it has
    texts                       Int64     blocks      new texts of the model
    thoughts                    Int64     blocks      new thoughts of the model
    tool_calls                  Int64     calls       new calls of tools
    tool_results                Int64     results     new results of tools, errors included
    tool_errors                 Int64     results     new results that are errors
    pending                     Int64     calls       calls nobody has answered
    inferences                  Int64     model calls its own model calls
    input_tokens                Int64     tokens      all input, cache reads and writes included
    output_tokens               Int64     tokens      all output, reasoning included
    cached_tokens               Int64     tokens      input read from the provider's cache
    cache_creation_input_tokens Int64     tokens      input written to the provider's cache
    reasoning_tokens            Int64     tokens      output that was thought and not said
    total_tokens                Int64     tokens      input and output
    duration_ms                 Int64     ms          the time of its own model calls
    cost                        Float64   USD         their price, where that of all is known
    profile                     string                the profile it ran with
    signature                   string                the same while a model would be asked the same way
    prompt                      string                the last new thing the user said
    text                        string                the last thing the model said, as `turn.text`

`inferences`: a row for each model call, failed attempts and empty replies too

    run_id                      string                the Run's id, else its session's, else its file and place
    session_id                  string                the session it was made in
    turn_id                     string                the Turn's id, else its run and place
    turn_index                  Int64                 the Turn's place in its Run, from 0
    inference_id                string                the call's id; without one, made of its place
    inference_index             Int64                 its place among those of its Turn, from 0
    provider                    string                who answered
    model                       string                the model that answered
    stop_reason                 string                why the model call ended, in the provider's word
    finish_class                category              the same in one vocabulary for all providers
    truncated                   boolean               whether the reply was cut
    attempts                    Int64     attempts    which try it was; 2 follows a failed one
    input_tokens                Int64     tokens      all input, cache reads and writes included
    output_tokens               Int64     tokens      all output, reasoning included
    cached_tokens               Int64     tokens      input read from the provider's cache
    cache_creation_input_tokens Int64     tokens      input written to the provider's cache
    reasoning_tokens            Int64     tokens      output that was thought and not said
    total_tokens                Int64     tokens      input and output
    max_tokens                  Int64     tokens      the most it might say
    duration_ms                 Int64     ms          from request to last token
    time_to_first_token_ms      Int64     ms          from request to first token
    cost                        Float64   USD         its price, where that is known
    request_id                  string                the provider's id of the request
    response_id                 string                the provider's id of the reply
    blocks                      Int64     blocks      how many it made, of any kind
    text_blocks                 Int64     blocks      how many of them are texts
    text_characters             Int64     characters  the length of its texts
    reasoning_blocks            Int64     blocks      how many of them are thoughts
    reasoning_characters        Int64     characters  the length of its thoughts
    tool_call_blocks            Int64     blocks      how many of them are calls
    tool_call_characters        Int64     characters  the length of its calls
    profile                     string                the profile it ran with
    signature                   string                the same while a model would be asked the same way
    file                        category              the file it came from

`tool_calls`: a row for each call of a tool, its result beside it

    run_id                      string                the Run's id, else its session's, else its file and place
    turn_id                     string                the Turn's id, else its run and place
    turn_index                  Int64                 the Turn's place in its Run, from 0
    block_id                    string                the id of the call's block, else its run, Turn and place
    block_index                 Int64                 the place of that block in its Turn, from 0
    tool_call_id                string                the provider's id of the call
    inference_id                string                the model call that asked for it
    name                        string                the tool that is called
    args                        json                  its arguments: a dict, or text where they are no object
    answered                    boolean               whether anything came of it
    result                      string                the result: a string as it is, anything else as JSON
    error                       string                what went wrong
    duration_ms                 Float64   ms          its run time, all attempts together
    attempts                    Int64     attempts    how often it was run
    result_block_id             string                the id of the result's block, else its run, Turn and place
    result_turn_index           Int64                 the Turn that block is first in
    result_block_index          Int64                 its place there, from 0
    file                        category              the file it came from

`snapshots`: a row for each boundary of the loop that was passed

    run_id                      string                the Run's id, else its session's, else its file and place
    session_id                  string                the session it was made in
    turn_id                     string                the Turn's id, else its run and place
    turn_index                  Int64                 the Turn's place in its Run, from 0
    snapshot_index              Int64                 its place in its Run, from 0
    execution_id                string                the execution it was taken of
    phase                       category              the boundary it was taken at
    iteration                   Int64                 how often the loop had gone round, from 0
    at                          time                  when it was taken
    elapsed_ms                  Float64   ms          since the one before in its Turn
    blocks                      Int64     blocks      all it holds
    pending                     Int64     calls       calls nobody had answered
    added                       Int64     blocks      new since the snapshot before
    removed                     Int64     blocks      gone since then
    edited                      Int64     blocks      changed since then
    changed_from                Int64                 the first place that differs, if one does
    added_kinds                 string                the kinds of what is new, in order
    text                        string                what the last new block says
    inference_id                string                the model call that made what is new
    file                        category              the file it came from

`reports`: a row for each conversation of another program, of `read` alone

    run_id                      string                the Run's id, else its session's, else its file and place
    format                      category              what it was read as
    read                        Int64     records     records of the source
    blocks                      Int64     blocks      what became of them
    guessed                     Int64     notes       what was not written and is assumed
    unknown                     Int64     notes       what is kept as it is
    dropped                     Int64     notes       what is left out
    notes                       string                all that in words, a line each
    file                        category              the file it came from

`errors`: a row for each thing that could not be read, of `read` alone

    file                        string                the file, if it is one
    position                    string                where in it
    reason                      string                what is wrong there
"""

from __future__ import annotations

from .block_frame import BLOCK as BLOCK
from .block_frame import BlockRow as BlockRow
from .columns import Column as Column
from .five import Frames as Frames
from .five import blocks as blocks
from .five import from_parquet as from_parquet
from .five import inferences as inferences
from .five import read as read
from .five import snapshots as snapshots
from .five import to_parquet as to_parquet
from .five import tool_calls as tool_calls
from .five import turns as turns
from .inference_frame import INFERENCE as INFERENCE
from .inference_frame import InferenceRow as InferenceRow
from .origin import at as at
from .origin import to_turns as to_turns
from .passes import ERROR as ERROR
from .report_frame import REPORT as REPORT
from .report_frame import ReportRow as ReportRow
from .snapshot_frame import SNAPSHOT as SNAPSHOT
from .snapshot_frame import Change as Change
from .snapshot_frame import SnapshotRow as SnapshotRow
from .spreading import spread as spread
from .tool_call_frame import TOOL_CALL as TOOL_CALL
from .tool_call_frame import ToolCallRow as ToolCallRow
from .turn_frame import TURN as TURN
from .turn_frame import TurnRow as TurnRow

__all__ = [
    "BLOCK",
    "ERROR",
    "INFERENCE",
    "REPORT",
    "SNAPSHOT",
    "TOOL_CALL",
    "TURN",
    "BlockRow",
    "Change",
    "Column",
    "Frames",
    "InferenceRow",
    "ReportRow",
    "SnapshotRow",
    "ToolCallRow",
    "TurnRow",
    "at",
    "blocks",
    "from_parquet",
    "inferences",
    "read",
    "snapshots",
    "spread",
    "to_parquet",
    "to_turns",
    "tool_calls",
    "turns",
]


def __dir__() -> list[str]:
    return sorted(__all__)

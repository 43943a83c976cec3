"""Files: what is written is read back as it was, what cannot be read is refused with its place."""

from __future__ import annotations

import base64
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.serialization import yaml_text
from tests.lowest_time import lowest_seconds
from tests.values.test_values import PNG, blocks, payloads, texts

TRICKY = [
    "", " ", "yes", "no", "on", "off", "y", "n", "true", "null", "~", "1", "1.0", "1e3", "0x10", "0o17", "017", "1_000", "1:30", "2026-01-02",
    "2026-01-02T03:04:05Z", ".inf", ".nan", "-", "- x", "#c", "a: b", "a #b", "*a", "&a", "!t", "!!binary x", "%d", "@a", "`b`", "{", "[", "|", ">", "<<", "=",
    "---", "...", " lead", "trail ", "\ttab", "line\n", "line\n\n", "\nline", "  a\n b", "\n  a", "a\r\nb", "a\rb", "\x00\x07\x1b", "\x85\u2028\u2029", "\ufeff",
    "😀", "é", "e\u0301", "\u202e", "'", '"', "''\n\"", "\\", "\\n", "a\n\tb\n", "#\n", "? a", ": a",
]  # fmt: skip
tricky = st.sampled_from(TRICKY) | st.text(max_size=8)
payload_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | tricky,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(tricky, inner, max_size=3),
    max_leaves=8,
)
tricky_payloads = st.dictionaries(tricky, payload_values, max_size=4)
beside = st.dictionaries(st.sampled_from(["weird", "1", "yes", "x.y"]), payload_values, max_size=2)
tricky_blocks = st.builds(
    nt.Block,
    st.sampled_from([*nt.Kind, "mystery", "yes", "3", "a: b"]),
    tricky_payloads,
    st.sampled_from(["", "user", "assistant", "yes", "12"]),
    st.sampled_from(["", "b1", "12", "1.0", "null"]),
    extra=beside,
)


def as_turn(blocks: list[nt.Block], metadata: dict[str, Any], extra: dict[str, Any], id: str) -> nt.Turn:
    return nt.Turn(tuple(blocks), id, extra=extra)._with(metadata=nt.Turn().metadata.with_raw(**metadata))


some_turns = st.builds(
    as_turn,
    st.lists(tricky_blocks | blocks, max_size=3),
    st.dictionaries(st.just("a.b@v1"), payload_values),
    beside,
    tricky,
)


def exact(value: Any) -> Any:
    """A value with its types, since 1 == 1.0 == True."""
    if isinstance(value, dict):
        return {k: exact(v) for k, v in value.items()}
    if isinstance(value, list):
        return [exact(v) for v in value]
    return type(value), value


# There and back.


@given(some_turns)
def test_yaml_comes_back_as_it_was_and_the_second_writing_is_the_same_text(turn: nt.Turn) -> None:
    text = turn.to_yaml()
    read = nt.Turn.from_yaml(text)

    assert read == turn
    assert [exact(b.payload) for b in read] == [exact(b.payload) for b in turn]
    assert read.to_yaml() == text
    assert nt.Turn.from_yaml(text.encode()) == turn


@given(some_turns)
def test_json_comes_back_as_it_was(turn: nt.Turn) -> None:
    read = nt.Turn.from_dict(json.loads(json.dumps(turn.to_dict())))

    assert read == turn
    assert [exact(b.payload) for b in read] == [exact(b.payload) for b in turn]


@pytest.mark.parametrize("text", TRICKY)
def test_a_text_that_looks_like_something_else_stays_a_text(text: str) -> None:
    turn = nt.turn(text)._with(id=text)

    assert nt.Turn.from_yaml(turn.to_yaml()) == turn


@pytest.mark.parametrize(
    "value",
    [
        {"!!binary": "UE5H"},
        {"!!binary": "no base64"},
        {"!!binary!": "UE5H"},
        {"!!binary": 1, "a": 2},
        [{"!!binary": ""}],
    ],
)
def test_a_mapping_that_looks_like_our_bytes_is_not_taken_for_them(value: Any) -> None:
    turn = nt.Turn((nt.Block("user", {"x": value}),))

    assert nt.Turn.from_yaml(turn.to_yaml()) == turn
    assert nt.Turn.from_dict(json.loads(json.dumps(turn.to_dict()))) == turn


@given(st.lists(some_turns, max_size=3), st.text(max_size=5), st.sampled_from([".yaml", ".yml", ".json", ".jsonl"]))
@settings(max_examples=60)
def test_a_run_comes_back_from_any_file(
    tmp_path_factory: pytest.TempPathFactory, turns: list[nt.Turn], name: str, suffix: str
) -> None:
    run = nt.Run(tuple(turns), id="r", name=name)
    path = tmp_path_factory.mktemp("run") / f"run{suffix}"

    nt.save(run, path)

    assert nt.load(path) == run
    assert nt.loads(path.read_bytes()) == run
    assert nt.Run.from_dict(run.to_dict()) == run == nt.Run.from_yaml(run.to_yaml())


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".jsonl"])
def test_a_turn_is_saved_with_the_version_and_loaded_as_a_run_of_one(tmp_path: Path, suffix: str) -> None:
    turn = nt.turn("q", system="s") + nt.assistant("a")
    path = nt.save(turn, tmp_path / f"turn{suffix}")

    assert nt.load(path).turns == (turn,)
    assert "version" in path.read_text()[:30]


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".jsonl"])
@pytest.mark.parametrize("text", ["cut \ud83d", "\ude00", "a\\\ud83d", "\\ud83d", "\\\\\ud83d\n'x' \"y\"", "\ud83d: #"])
def test_half_an_emoji_survives_in_every_file(tmp_path: Path, suffix: str, text: str) -> None:
    turn = nt.turn(text) + nt.tool_use("c", {text: [text, "x" * 70_000]})

    assert nt.load(nt.save(turn, tmp_path / f"a{suffix}")).latest == turn
    assert nt.loads((tmp_path / f"a{suffix}").read_bytes()).latest == turn


def test_yaml_shows_half_an_emoji_as_its_escape() -> None:
    assert "!escaped 'cut \\ud83d'" in nt.turn("cut \ud83d").to_yaml()


ODD_FLOATS = st.sampled_from([float("inf"), float("-inf")]) | st.sampled_from(["Infinity", "NaN", "-Infinity", 1.5])
odd_results = st.recursive(
    ODD_FLOATS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "!!binary", "0", "nonfinite_floats"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(odd_results, odd_results, st.sampled_from([".yaml", ".json", ".jsonl"]))
@settings(max_examples=100)
def test_infinity_comes_back_from_every_file_and_its_name_stays_a_text(
    tmp_path_factory: pytest.TempPathFactory, result: Any, other: Any, suffix: str
) -> None:
    anything: nt.Key[Any] = nt.Key("me.anything@v1", object)
    turn = (nt.turn("q") + nt.tool_use("c", result)).with_metadata(anything, other).with_data(anything, result)
    run = nt.Run((turn, turn + nt.tool_use("d", other)), id="r", metadata={anything: other})

    assert nt.load(nt.save(run, tmp_path_factory.mktemp("odd") / f"run{suffix}")) == run
    json.loads(json.dumps(run.to_dict()), parse_constant=pytest.fail)


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".jsonl"])
def test_nan_is_a_text_in_json_and_comes_back_from_every_file(tmp_path: Path, suffix: str) -> None:
    path = nt.save(nt.turn("q") + nt.tool_use("c", {"mean": float("nan"), "name": "NaN"}), tmp_path / f"a{suffix}")
    result = nt.load(path).latest[-1].result

    assert math.isnan(result["mean"]), result
    assert result["name"] == "NaN"
    if suffix != ".yaml":
        assert json.loads(path.read_text(), parse_constant=pytest.fail)
        assert '"mean": "NaN"' in path.read_text().replace('":"', '": "')


@pytest.mark.parametrize(
    "places", [1, [["payload"]], [["payload", "result", "x"]], [["payload", "text", 0]], "x", [["gone"]], [[]], [3]]
)
def test_a_field_of_another_program_with_the_name_of_ours_is_kept(places: Any) -> None:
    data = {"blocks": [{"kind": "user", "payload": {"text": "NaN"}, "nonfinite_floats": places}]}

    block = nt.Turn.from_dict(data)[0]

    assert (block.text, block.extra) == ("NaN", {"nonfinite_floats": places})


def test_data_is_left_out_when_asked_and_metadata_is_not() -> None:
    key: nt.Key[float] = nt.Key("me.score@v1", float)
    turn = nt.turn("q").with_metadata(key, 1.0).with_data(key, 1.0)

    read = nt.Turn.from_yaml(turn.to_yaml(omit_data=True))

    assert (len(read.data), len(read.metadata), len(turn.data)) == (0, 1, 1)


def test_writing_a_turn_leaves_it_as_it_was() -> None:
    turn = nt.Turn((nt.Block("llm_text", {"text": "x"}),))

    turn.to_yaml()

    assert (turn[0].role, nt.Turn.from_yaml(turn.to_yaml())[0].role) == ("", "")


# Runs do not repeat the blocks that Turns share.


def conversation(length: int) -> nt.Run:
    turns = [nt.turn("x" * 200)]
    for _ in range(length - 1):
        turns.append(turns[-1] + nt.assistant("y" * 200))
    return nt.Run(tuple(turns))


@pytest.mark.parametrize("write", [nt.Run.to_yaml, lambda run: json.dumps(run.to_dict())])
def test_a_file_grows_with_what_was_said_and_not_with_its_square(write: Any) -> None:
    short, long = len(write(conversation(20))), len(write(conversation(80)))

    assert 3.5 < long / short < 4.5


def test_turns_share_their_blocks_again_when_read() -> None:
    run = conversation(3)

    for read in (nt.Run.from_yaml(run.to_yaml()), nt.Run.from_dict(run.to_dict())):
        assert read == run
        assert read[2].blocks.shared_length(read[1].blocks) == len(read[1])


def test_an_edit_in_the_middle_is_written_from_there_on() -> None:
    first = nt.turn("a") + nt.assistant("b") + nt.user("c")
    run = nt.Run((first, first.edit(1, text="B"), first[:1]))

    assert [t.get("shared_blocks", 0) for t in run.to_dict()["turns"]] == [0, 1, 1]
    assert nt.Run.from_dict(run.to_dict()) == run


# Geppetto's files.


PAIRS = ["images", "multiline", "nullblocks", "plain", "responses", "result", "strings_like", "toolconfig"]


@pytest.mark.parametrize("name", PAIRS)
def test_what_geppetto_wrote_says_the_same_as_what_it_read(shared: Path, name: str) -> None:
    given = nt.load(shared / "geppetto-yaml" / f"{name}.in.yaml").latest
    written = nt.load(shared / "geppetto-yaml" / f"{name}.out.yaml").latest

    assert given == written
    assert nt.Turn.from_yaml(given.to_yaml()) == given


def test_kinds_are_trimmed_and_lowered_and_unknown_ones_kept(shared: Path) -> None:
    written = nt.load(shared / "geppetto-yaml" / "kinds.out.yaml").latest

    assert [b.kind for b in written] == ["llm_text", "other", "user", "user", "other", "reasoning"]
    read = nt.Turn.from_yaml(
        "blocks: [{kind: ' LLM_Text '}, {kind: mystery}, {kind: 3}, {kind: REASONING}, {kind: ''}]"
    )
    assert [(b.kind, b.role) for b in read] == [
        ("llm_text", "assistant"),
        ("mystery", ""),
        ("3", ""),
        ("reasoning", ""),
        ("other", ""),
    ]


def test_a_block_without_a_kind_is_refused_with_its_line(shared: Path) -> None:
    with pytest.raises(
        nt.LoadError, match=r"kinds\.in\.yaml: line 5, blocks\[2\]: a block needs a kind; this one has payload"
    ):
        nt.load(shared / "geppetto-yaml" / "kinds.in.yaml")


@pytest.mark.parametrize(
    ("name", "message"),
    [("badblocks", r"line 2, blocks: blocks must be a list"), ("dupkeys", r"line 2, column 1.*duplicate key 'id'")],
)
def test_what_geppetto_refuses_is_refused_with_the_line(shared: Path, name: str, message: str) -> None:
    with pytest.raises(nt.LoadError, match=message):
        nt.load(shared / "geppetto-yaml" / f"{name}.in.yaml")


def test_keys_that_geppetto_drops_are_kept(shared: Path) -> None:
    turn = nt.load(shared / "geppetto-yaml" / "unknownkeys.in.yaml").latest

    assert (turn.extra, turn[0].extra) == ({"extra_top": 1}, {"weird": [1, 2]})
    assert nt.Turn.from_yaml(turn.to_yaml()) == turn


def test_geppettos_tool_config_and_result_are_read_by_their_keys(shared: Path) -> None:
    config = nt.load(shared / "geppetto-yaml" / "toolconfig.out.yaml").latest.data[nt.keys.TOOL_CONFIG]
    turn = nt.load(shared / "geppetto-yaml" / "result.out.yaml").latest

    assert (
        config.tool_choice,
        config.execution_timeout,
        config.retry_config.backoff_base,
        config.tool_error_handling,
    ) == ("required", 2.0, 0.1, "retry")
    assert turn[0].inference is not None
    assert (turn[0].inference.provider, turn[0].inference.usage, turn[0].inference.cost) == (
        "anthropic",
        nt.Usage(13, 5, 2, 1),
        0.00125,
    )
    assert turn.metadata[nt.keys.INFERENCE_RESULT].truncated


def test_a_role_left_blank_is_the_kinds_own() -> None:
    read = nt.Turn.from_yaml(
        "blocks: [{kind: llm_text}, {kind: llm_text, role: '  '}, {kind: llm_text, role: tool}, {kind: user}]"
    )

    assert [b.role for b in read] == ["assistant", "assistant", "tool", ""]


# Plain YAML, as geppetto's reader understands it.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("No", "No"), ("on", "on"), ("y", "y"), ("true", True), ("False", False), ("TRUE", True), ("tRue", "tRue"),
        ("~", None), ("", None), ("null", None), ("NULL", None), ("nUll", "nUll"),
        ("1", 1), ("-1", -1), ("+1", 1), ("1_000", 1000), ("0x1F", 31), ("0o17", 15), ("017", 15), ("0b101", 5), ("0x", "0x"), ("0b_", "0b_"), ("0o_", "0o_"),
        ("1.0", 1.0), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("1.5e-3", 0.0015), ("089", 89.0), (".inf", float("inf")), ("-.Inf", float("-inf")), ("inf", "inf"),
        ("1:30", "1:30"), ("2026-01-02", "2026-01-02"), ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"), ("1.2.3", "1.2.3"), ("=", "="),
        ("18446744073709551615", 2**64 - 1), ("!!binary UE5H", b"PNG"), ("!!str 1", "1"), ("'1'", "1"), ("!!timestamp 2026-01-02", "2026-01-02"),
    ],
)  # fmt: skip
def test_a_plain_scalar_is_what_geppetto_takes_it_for(text: str, value: Any) -> None:
    read = yaml_text.load_yaml(f"x: {text}")["x"]

    assert (type(read), read) == (type(value), value)
    assert yaml_text.load_yaml(yaml_text.dump_yaml({"x": value}))["x"] == value


def test_keys_that_are_no_texts_become_what_json_would_write() -> None:
    read = nt.Turn.from_yaml("blocks: [{kind: user, payload: {1: a, true: b, null: c, 1.5: d, x: {2: e, false: f}}}]")

    assert read[0].payload == {"1": "a", "true": "b", "null": "c", "1.5": "d", "x": {"2": "e", "false": "f"}}


@pytest.mark.parametrize("at", ["{1: a, '1': b}", "{x: {1: a, '1': b}}"])
def test_two_keys_that_become_one_are_refused(at: str) -> None:
    with pytest.raises(nt.LoadError, match="line 1, column .*duplicate key '1'"):
        nt.Turn.from_yaml(f"blocks: [{{kind: user, payload: {at}}}]")
    with pytest.raises(nt.LoadError, match="keys of this mapping collide once converted to strings"):
        nt.Turn.from_dict({"blocks": [{"kind": "user", "payload": {1: "a", "1": "b"}}]})


def test_ids_that_are_no_texts_are_read_as_texts() -> None:
    read = nt.Turn.from_yaml("id: 12\nblocks: [{kind: user, id: true}, {kind: user, id: 2026-01-02}]")

    assert (read.id, read[0].id, read[1].id) == ("12", "true", "2026-01-02")


def test_anchors_and_merge_keys_are_understood() -> None:
    read = nt.Turn.from_yaml("blocks:\n- &b {kind: user, payload: {text: a}}\n- <<: *b\n  role: user\n- *b\n")

    assert [(b.kind, b.text, b.role) for b in read] == [("user", "a", ""), ("user", "a", "user"), ("user", "a", "")]


@pytest.mark.parametrize(
    "text", ["", "null", "{}", "# nothing\n", "blocks: null", "blocks: []\nmetadata: {}\ndata: null"]
)
def test_an_empty_file_is_an_empty_turn(text: str) -> None:
    assert nt.Turn.from_yaml(text) == nt.Turn()


# Bad input.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", r"line 1, column 5: this is not YAML"),
        ("blocks:\n  - kind: user\n payload: {}", r"line 3, column 2: this is not YAML"),
        ("a: 1\nb: 2\na: 3", r"line 3, column 1: .*duplicate key 'a'"),
        ("blocks: [{kind: user, id: a, id: b}]", r"line 1.*duplicate key 'id'"),
        ("a: *nothing", r"line 1, column 4: .*undefined alias"),
        ("blocks: {}", r"line 1, blocks: blocks must be a list, got a mapping"),
        ("id: a\nblocks:\n- kind: user\n- payload: {text: a}", r"line 4, blocks\[1\]: a block needs a kind; this one has payload"),
        ("blocks:\n- a", r"line 2, blocks\[0\]: a block must be a mapping, got a text: 'a'"),
        ("blocks:\n- kind: user\n  payload: []", r"line 3, blocks\[0\]\.payload: a payload must be a mapping, got a list"),
        ("blocks:\n- kind: user\n  payload: ''", r"line 3, blocks\[0\]\.payload: a payload must be a mapping"),
        ("blocks:\n- kind: [user]", r"line 2, blocks\[0\]\.kind: a kind must be a string"),
        ("blocks:\n- {kind: user, id: {}}", r"line 2, blocks\[0\]\.id: an id must be a string"),
        ("blocks:\n- {kind: user, id: !!binary UE5H}", r"an id must be a string, got bytes"),
        ("blocks: []\nmetadata: []", r"line 2, metadata: metadata must be a mapping, got a list"),
        ("blocks: []\ndata: 0", r"line 2, data: data must be a mapping"),
        ("version: 2\nblocks: []", r"line 1, version: unsupported version 2; this nbturns reads version 1"),
        ("blocks: []\nx: !!python/object:a.b {a}", r"could not determine a constructor"),
        ("- a", r"a turn must be a mapping, got a list"),
        ("!!bool maybe", r"does not fit its tag"),
        ("!!int ''", r"does not fit its tag"),
        ("x: !!python/object/apply:os.system [ls]", r"line 1, column 4: .*could not determine a constructor"),
        ("blocks: {}\n---\nblocks: []", r"the text contains 2 documents, separated by ---; use nt.load_all\(path\)"),
        ("x: " + "9" * 5000, r"this is not YAML: .*digits"),
    ],
)  # fmt: skip
def test_yaml_that_is_no_turn_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(nt.LoadError, match=message):
        nt.Turn.from_yaml(text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"turns": {}}, r"turns: turns must be a list, got a mapping"),
        ({"turns": 0}, r"turns: turns must be a list"),
        ({"turns": [{"blocks": [{"payload": {}}]}]}, r"turns\[0\]\.blocks\[0\]: a block needs a kind"),
        ({"turns": [{"blocks": []}, {"shared_blocks": 3}]}, r"turns\[1\]\.shared_blocks: the previous turn has 0 blocks; 3 cannot be shared"),
        ({"turns": [{"shared_blocks": True}]}, r"True cannot be shared"),
        ({"version": "one", "turns": []}, r"version: unsupported version 'one'"),
        ([], r"a run must be a mapping, got a list"),
    ],
)  # fmt: skip
def test_a_run_that_is_none_is_refused_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(nt.LoadError, match=message):
        nt.Run.from_dict(data)


KEYS = ", ".join(f"k{n}: 1" for n in range(5_000))
LAUGHS = "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(12))
MERGES = "".join(f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{', '.join(['*' + chr(97 + n)] * 10)}]}}\n" for n in range(12))


@pytest.mark.parametrize(
    "bomb",
    [
        f"a: &a [x]\n{LAUGHS}blocks: []",
        f"a: &a {{{KEYS}}}\n{MERGES}blocks: []",  # one key after the other, a billion times the same
        f"a: &a {{{KEYS}}}\nb: {{<<: [{', '.join(['*a'] * 20_000)}]}}\nblocks: []",
        f"a: &a {{{KEYS}}}\nb: [{', '.join(['{<<: *a}'] * 20_000)}]\nblocks: []",  # 100 million keys, none twice in one
        "a: &x [*x]",
        "&a {<<: *a, b: &c {d: *c}}",
    ],
    ids=["lists", "merges of merges", "one mapping", "many mappings", "itself", "merged itself"],
)
def test_an_alias_bomb_is_refused_quickly(bomb: str) -> None:
    def read() -> None:
        with pytest.raises(nt.LoadError, match=r"expand|contains itself|too many merged keys"):
            nt.Turn.from_yaml(bomb)

    assert lowest_seconds(read, limit=5) < 5


def test_merge_keys_mean_the_same_whichever_yaml_reader_is_installed() -> None:
    data = yaml_text.load_yaml(
        "a: &a {x: 1, y: 1}\nb: &b {<<: *a, x: 2, z: 2}\n"
        "first: {<<: [*a, *b]}\nown: {<<: [*b, *a], y: 3}\ntwice: {<<: *b, <<: *a}\nagain: *b\nself: &s {<<: *s, x: 1}\n"
    )

    assert data["b"] == data["again"] == {"x": 2, "y": 1, "z": 2}
    assert data["first"] == {"x": 1, "y": 1, "z": 2}  # the mapping named first has the say
    assert data["own"] == {"x": 2, "y": 3, "z": 2}  # and a mapping's own keys before all
    assert data["twice"] == {"x": 2, "y": 1, "z": 2}
    assert data["self"] == {"x": 1}


def test_a_harmless_file_may_merge_one_mapping_a_billion_times() -> None:
    data = yaml_text.load_yaml(f"a: &a {{k: 1}}\n{MERGES}")

    assert list(data.values()) == [{"k": 1}] * 13


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{a: " * 200_000,
        "- " * 200_000 + "x",
        '{"a":' * 200_000,
        "[" * 5_000 + "]" * 5_000,
        '{"blocks":' + "[" * 900 + "]" * 900 + "}",
    ],
)
def test_nesting_without_end_is_refused_quickly(text: str) -> None:
    def read() -> None:
        with pytest.raises(nt.LoadError):
            nt.loads(text)
        with pytest.raises(nt.LoadError):
            nt.Turn.from_yaml(text)

    assert lowest_seconds(read, limit=5) < 5


def outcome(text: Any, **how: Any) -> nt.Run | nt.NbturnsError:
    try:
        return nt.loads(text, **how)
    except nt.NbturnsError as error:
        return error


@given(
    st.binary(max_size=60) | st.text(max_size=60),
    st.sampled_from([None, "nbturns", "openai-chat", "nonsense"]),
    st.booleans(),
)
@settings(max_examples=300)
def test_whatever_the_bytes_there_is_a_run_or_an_error_of_ours(text: Any, format: str | None, strict: bool) -> None:
    assert isinstance(outcome(text, format=format, strict=strict), (nt.Run, nt.LoadError))


SEEDS = [
    (nt.turn("q", system="s") + nt.tool_call("c", "f", {"a": [1, None]}) + nt.tool_use("c", {"x": 1.5})).to_yaml(),
    json.dumps(conversation(3).to_dict()),
    json.dumps(conversation(2).to_dict(), indent=1),
    """{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,UE5H"}}]}
{"role": "assistant", "content": null, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}
{"role": "tool", "tool_call_id": "c", "content": "x"}
""",
    '{"messages": [{"role": "user", "content": "a"}]}\n{"messages": [{"role": "assistant", "refusal": "no", "function_call": {"name": "f"}}]}\n',
]
PIECES = ['"', "{", "}", "[", "]", ":", ",", "\n", "- ", "&a ", "*a", "!!int ", "!!binary ", "null", "0", "-1", "true", "[]", "{}", '""', "\x00", "\ud800", "<<: ", "? ", "|\n", "kind", "role", "9" * 5000]  # fmt: skip


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(PIECES)), min_size=1, max_size=4),
    st.booleans(),
)
@settings(max_examples=600)
def test_a_file_with_scratches_is_a_run_or_an_error_of_ours(
    seed: str, scratches: list[tuple[float, int, str]], strict: bool
) -> None:
    for place, dropped, put in scratches:
        at = int(place * len(seed))
        seed = seed[:at] + put + seed[at + dropped :]

    for text in (seed, seed.encode("utf-8", "surrogatepass")):
        read = [outcome(text, strict=strict), outcome(text, format="openai-chat")]
        assert all(isinstance(one, (nt.Run, nt.LoadError)) for one in read)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["user", "assistant", "tool", "text", "image_url", "data:x", ""]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from("messages role content blocks turns kind payload id metadata data version shared_blocks tool_calls function name arguments "
                        "image_url url type text tool_call_id function_call reasoning refusal !!binary".split()), inner, max_size=5),
    max_leaves=14,
)  # fmt: skip


@given(json_values, st.sampled_from([None, "nbturns", "openai-chat"]), st.booleans())
@settings(max_examples=600)
def test_whatever_the_data_there_is_a_run_or_an_error_of_ours(data: Any, format: str | None, strict: bool) -> None:
    given_ = data if isinstance(data, (dict, list)) else [data]

    read = outcome(given_, format=format, strict=strict)

    assert isinstance(read, (nt.Run, nt.LoadError))
    if isinstance(read, nt.Run):
        assert nt.Run.from_dict(json.loads(json.dumps(read.to_dict()))).to_dict() == read.to_dict() or "nan" in str(
            data
        )


# nt.load and nt.save.


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


MESSAGES = '{"role": "user", "content": "a"}\n\n{"role": "assistant", "content": "b"}\n'


def test_a_truncated_json_line_is_named_and_what_stood_before_it_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", MESSAGES + '\n{"role": "user", "conte')

    with pytest.raises(nt.LoadError, match=r"chat\.jsonl: line 5, column \d+: invalid JSON in this line: .*cut here"):
        nt.load(path, strict=True)

    run = nt.load(path)
    assert [b.text for b in run.latest] == ["a", "b"]
    (note,) = run.import_report.dropped
    assert (note.file, note.position.split(",")[0]) == (str(path), "line 5")


def test_a_message_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(nt.LoadError, match=r"messages\[2\]: expected an object, got a number"):
        nt.load(write(tmp_path / "chat.jsonl", MESSAGES + "5\n"), strict=True)
    with pytest.raises(nt.LoadError, match=r"messages\[1\]: no field 'role'"):
        nt.loads([{"role": "user", "content": "a"}, {"content": "b"}], format="openai-chat", strict=True)


def test_a_broken_file_names_itself_and_the_place(tmp_path: Path) -> None:
    for name, text, place in (
        ("a.yaml", "blocks:\n  - kind: user\n payload: {}", "line 3, column 2"),
        ("b.json", '{"blocks": [\n {"kind": "user"}\n', r"line 2, column 18.*cut here"),
        ("c.json", '{"blocks": [\n {"kind": "user",}]}', r"blocks"),
        ("d.json", '{"turns": [\n {"blocks": [{"payload": {}}]}]}', r"turns\[0\]\.blocks\[0\]: a block needs a kind"),
        (
            "e.jsonl",
            '{"blocks": [{}]}\n{"blocks": [{}]}\n',
            r"line 1, blocks\[0\]: a block needs a kind; this one has no fields",
        ),
        ("f.txt", "hello", "no format matches this file"),
        ("g.json", "", "contains no conversation"),
        ("h.json", '{"blocks": [], "x": "\x01"}', "invalid JSON.*control character"),
        ("i.json", '{"a": 1}', "an object with the fields a"),
    ):
        path = write(tmp_path / name, text)
        if name == "c.json":  # a comma too many is no error in YAML
            assert len(nt.load(path).latest) == 1
            continue
        with pytest.raises(nt.LoadError, match=place) as caught:
            list(nt.load_all(path, strict=name == "b.json")) or nt.load(path)
        assert caught.value.file == str(path)


def test_any_known_format_is_found_by_looking_and_not_by_the_suffix(tmp_path: Path) -> None:
    turn = nt.turn("q") + nt.assistant("a")
    for text in (
        turn.to_yaml(), json.dumps(turn.to_dict()), "\n\n" + json.dumps(turn.to_dict(), indent=2), "\ufeff" + json.dumps(turn.to_dict()),
        "\ufeff" + turn.to_yaml(), turn.to_yaml().replace("\n", "\r\n"), json.dumps(nt.Run((turn,)).to_dict()), "# said\n" + turn.to_yaml(),
        '{blocks: [{kind: "user", role: user, payload: {text: "q"}}, {kind: llm_text, payload: {text: "a"}}]}',
    ):  # fmt: skip
        assert nt.load(write(tmp_path / "file.txt", text)).turns == (turn,)
        assert nt.loads(text).turns == (turn,)
    assert nt.loads(turn.to_yaml().encode("utf-16")).turns == (turn,)
    assert nt.loads(turn.to_dict()).turns == (turn,) == nt.loads(bytearray(turn.to_yaml().encode())).turns


def test_a_file_of_several_conversations_is_opened_by_load_all(tmp_path: Path) -> None:
    runs = [conversation(n) for n in (1, 2, 3)]
    path = write(tmp_path / "runs.jsonl", "".join(json.dumps(run.to_dict()) + "\n\n" for run in runs))

    assert list(nt.load_all(path)) == runs
    assert list(nt.load_all([path, str(path)])) == runs * 2
    assert list(nt.load_all(str(tmp_path / "*.jsonl"))) == runs == list(nt.load_all(tmp_path / "*.jsonl"))
    with pytest.raises(nt.LoadError, match=r"nt\.load_all\(path\)"):
        nt.load(path)


def test_load_all_gives_the_conversations_around_the_broken_one(tmp_path: Path) -> None:
    written = [json.dumps(conversation(n).to_dict()) for n in (1, 2)]
    path = write(tmp_path / "runs.jsonl", written[0] + '\n{"blocks"\n' + written[1] + "\n")
    runs = nt.load_all(path, strict=True)

    assert next(runs) == conversation(1)
    with pytest.raises(nt.LoadError, match="line 2, column 10"):
        next(runs)
    first, second = nt.load_all(path)
    assert (first, second) == (conversation(1), conversation(2))
    assert [note.position for note in first.import_report.dropped] == ["line 2, column 10"]
    assert second.import_report is None


def test_what_is_no_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(nt.LoadError, match="file not found"):
        nt.load(tmp_path / "nothing.yaml")
    with pytest.raises(nt.LoadError, match="this is a folder"):
        nt.load(tmp_path)
    with pytest.raises(nt.LoadError, match="unknown format 'wordperfect'; the formats are .*nbturns"):
        nt.loads("{}", format="wordperfect")


def test_strict_refuses_what_is_guessed_otherwise() -> None:
    unknown = "blocks: [{kind: mystery}]"

    assert nt.loads(unknown).latest[0].kind == "mystery"
    with pytest.raises(nt.LoadError, match=r"blocks\[0\]\.kind: unknown kind 'mystery'; use one of llm_text"):
        nt.loads(unknown, strict=True)


def test_saving_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nt.save(nt.turn("before"), tmp_path / "turn.yaml")
    os.chmod(path, 0o600)

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        nt.save(nt.turn("after"), path)
    monkeypatch.undo()

    assert nt.load(path).latest == nt.turn("before")
    assert [p.name for p in tmp_path.iterdir()] == ["turn.yaml"]
    nt.save(nt.turn("after"), path)
    assert (nt.load(path).latest.blocks[0].text, path.stat().st_mode & 0o777) == ("after", 0o600)


def test_a_suffix_without_a_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no format for \.docx; use one of \.yaml"):
        nt.save(nt.turn("q"), tmp_path / "turn.docx")

    assert list(tmp_path.iterdir()) == []


def test_bytes_come_back_as_base64_text_from_every_file(tmp_path: Path) -> None:
    turn = nt.Turn((nt.Block("user", {"raw": PNG, "deep": [{"raw": b""}]}),))

    for suffix in (".yaml", ".json", ".jsonl"):
        assert nt.load(nt.save(turn, tmp_path / f"t{suffix}")).latest == turn
    assert turn[0].payload == {"raw": base64.b64encode(PNG).decode(), "deep": [{"raw": ""}]}


def test_bytes_of_an_older_file_are_read_as_base64_text_and_reported() -> None:
    for text in (
        '{"blocks": [{"kind": "user", "payload": {"x": {"!!binary": "UE5H"}}}]}',
        "blocks: [{kind: user, payload: {x: !!binary UE5H}}]",
    ):
        run = nt.loads(text)

        assert run.latest[0].payload == {"x": "UE5H"}
        assert run.import_report is not None
        assert "bytes to base64 text" in str(run.import_report.guessed)


@given(payloads, texts)
def test_what_a_file_had_beside_the_format_is_kept(extra: dict[str, Any], text: str) -> None:
    data = {**extra, "blocks": [{**extra, "kind": "user", "payload": {"text": text}}]}
    if extra.keys() & {"id", "metadata", "data", "version", "role", "shared_blocks"}:
        return

    turn = nt.Turn.from_dict(data)

    assert (turn.extra, turn[0].extra) == (
        {k: v for k, v in extra.items() if k != "blocks"},
        {k: v for k, v in extra.items() if k not in ("kind", "payload")},
    )
    assert nt.Turn.from_dict(turn.to_dict()) == turn


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda: nt.load(["a.yaml", "b.yaml"]), r"2 paths are several conversations; use nt.load_all\(paths\)"),
        (lambda: nt.load(""), "expects the path of one file, got ''"),
        (lambda: nt.load(5), "expected a conversation: .*; got int: 5"),
        (lambda: list(nt.load_all(5)), "expected a conversation: .*; got int: 5"),
        (lambda: nt.loads(5), "expected a conversation: .*; got int: 5"),
    ],
)
def test_what_is_no_path_and_no_text_is_told_so(do: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        do()


def test_a_pattern_that_matches_nothing_is_not_silent(tmp_path: Path) -> None:
    with pytest.raises(nt.LoadError, match="no file matches this pattern"):
        list(nt.load_all(f"{tmp_path}/*.yaml"))


# Several documents, a text beside its payload, and blocks that were one object.


def test_every_document_of_a_stream_is_read_and_none_is_lost_silently(tmp_path: Path) -> None:
    first, second = nt.turn("one"), nt.Run((nt.turn("two"), nt.turn("three")))
    text = f"---\n{first.to_yaml()}---\n---\n{second.to_yaml()}...\n"
    path = write(tmp_path / "both.yaml", text)

    assert list(nt.load_all(path)) == [nt.Run((first,)), second]
    with pytest.raises(nt.LoadError, match=r"several conversations; use nt.load_all"):
        nt.load(path)
    with pytest.raises(nt.LoadError, match="contains 2 documents"):
        nt.Run.from_yaml(text)
    assert nt.Turn.from_yaml(f"---\n{first.to_yaml()}---\n") == first


def test_a_broken_document_of_a_stream_is_named_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "both.yaml", "blocks: []\n---\nblocks:\n  - kind: user\n  - payload: {}\n")

    with pytest.raises(nt.LoadError, match=r"line 5, blocks\[1\]: a block needs a kind"):
        list(nt.load_all(path, strict=True))
    (run,) = nt.load_all(path)
    assert ["line 5" in note for note in run.import_report.dropped] == [True]


BESIDE = """\
blocks:
  - kind: user
    text: What is it?
  - kind: tool_call
    name: look
    args: {at: it}
  - kind: user
    payload: {text: stays}
    text: kept beside
"""


def test_a_text_beside_its_payload_is_taken_for_it_and_reported(tmp_path: Path) -> None:
    run = nt.load(write(tmp_path / "by_hand.yaml", BESIDE))

    assert [block.text for block in run.latest] == ["What is it?", "", "stays"]
    assert (run.latest[1].name, run.latest[1].args, run.latest[2].extra) == (
        "look",
        {"at": "it"},
        {"text": "kept beside"},
    )
    assert [(note.position, note.what) for note in run.import_report.guessed] == [
        ("blocks[0]", "text belongs in the payload: payload: {text: …}"),
        ("blocks[1]", "name and args belong in the payload: payload: {name: …}"),
    ]
    assert nt.Turn.from_yaml(BESIDE) == run.latest
    with pytest.raises(nt.LoadError, match=r"blocks\[0\]: text belongs in the payload"):
        nt.load(tmp_path / "by_hand.yaml", strict=True)


@given(payloads, payloads)
def test_a_block_with_things_beside_it_comes_back_as_it_was(payload: dict[str, Any], extra: dict[str, Any]) -> None:
    block = nt.Block("user", payload, extra={**extra, "text": "x"} if not extra.keys() & OWN else {"text": "x"})

    assert nt.Turn.from_dict(nt.Turn((block,)).to_dict()) == nt.Turn((block,))


OWN = {"kind", "payload", "role", "id", "metadata"}


def test_blocks_that_were_one_object_are_one_again_wherever_they_stand() -> None:
    said = [block.replace(id=f"b{n}") for n, block in enumerate(nt.turn("a") + nt.assistant("b") + nt.user("c"))]
    first = nt.Turn(said)
    run = nt.Run((first, nt.system("s") + first, first.edit(0, text="A"), first, nt.Turn(said[::-1])))

    for read in (nt.Run.from_yaml(run.to_yaml()), nt.Run.from_dict(run.to_dict())):
        assert read == run
        assert len({id(block) for turn in read for block in turn}) == len({id(block) for turn in run for block in turn})


def test_a_file_repeats_no_block_whose_turn_was_changed_before_it() -> None:
    long = nt.turn("a") + [nt.assistant("y" * 500) for _ in range(50)]
    run = nt.Run((long, nt.system("s") + long, long.drop(3), long.edit(9, text="z")))

    assert len(json.dumps(run.to_dict())) < 1.2 * len(json.dumps(long.to_dict()))
    assert [block for block in run.to_dict()["turns"][1]["blocks"] if "shared_blocks" in block] == [
        {"shared_blocks": [0, 51]}
    ]


@pytest.mark.parametrize("places", [[0, 2], [1, 1], [-1, 1], [0], "01", [0, True], None])
def test_blocks_of_the_turn_before_that_are_not_there_are_refused(places: Any) -> None:
    data = {"turns": [{"blocks": [{"kind": "user"}]}, {"blocks": [{"shared_blocks": places}]}]}

    with pytest.raises(nt.LoadError, match=r"turns\[1\].blocks\[0\].shared_blocks: the previous turn has 1 blocks"):
        nt.Run.from_dict(data)


@given(st.lists(st.lists(st.integers(0, 8), max_size=9), max_size=5), st.booleans())
def test_a_run_of_any_turns_over_the_same_blocks_comes_back_with_what_it_shared(
    order: list[list[int]], named: bool
) -> None:
    pool = [nt.Block("user", {"text": str(n)}, id=f"b{n}" if named else "") for n in range(9)]
    run = nt.Run([nt.Turn([pool[n] for n in places]) for places in order])

    read = nt.Run.from_dict(json.loads(json.dumps(run.to_dict())))

    assert read == run
    for before, after, was, then in zip(read, read[1:], run, run[1:], strict=False):
        same = {id(block) for block in was} & {id(block) for block in then}
        assert len({id(block) for block in before} & {id(block) for block in after}) >= len(same)

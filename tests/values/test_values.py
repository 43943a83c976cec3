"""Values never change: whatever is done to a Block, a Turn or a Run, everything made earlier stays as it was."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.values.frozen_json import MAX_DEPTH, FrozenDict, FrozenList, freeze, thaw
from nbturns.values.images import image_bytes, normal_image
from nbturns.values.pending_calls import PendingCalls
from nbturns.values.persistent_list import CHUNK_SIZE, PersistentList

SCORE: nt.Key[float] = nt.Key("me.score@v1", float)
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8

texts = st.text(max_size=12)
atoms = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
payloads = st.dictionaries(
    texts,
    st.recursive(
        atoms, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
    ),
    max_size=3,
)
call_ids = st.sampled_from(["", "a", "b", "c"])
blocks = st.one_of(
    st.builds(nt.user, texts),
    st.builds(nt.assistant, texts),
    st.builds(nt.tool_call, call_ids, texts, payloads),
    st.builds(nt.tool_use, call_ids, payloads),
    st.builds(nt.Block, texts, payloads, texts, texts),
)
turns = st.lists(blocks, max_size=6).map(nt.Turn)


# Frozen.


@given(payloads)
def test_a_frozen_value_equals_the_one_it_was_made_of(value: Any) -> None:
    frozen = freeze(value)

    assert frozen == value
    assert thaw(frozen) == value
    assert type(thaw(frozen)) is dict


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("a", 1),
        lambda d: d.__delitem__("a"),
        lambda d: d.update(a=2),
        lambda d: d.pop("a"),
        lambda d: d.popitem(),
        lambda d: d.clear(),
        lambda d: d.setdefault("b", 1),
        lambda d: d.__ior__({"b": 1}),
    ],
)
def test_a_frozen_dict_refuses_every_change_and_says_what_to_do(change: Callable[[Any], object]) -> None:
    frozen = freeze({"a": 1})

    with pytest.raises(TypeError, match=r"make a new one with \.edit\(\)"):
        change(frozen)

    assert frozen == {"a": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.__setitem__(0, 9),
        lambda x: x.__setitem__(slice(0, 1), []),
        lambda x: x.__delitem__(0),
        lambda x: x.append(1),
        lambda x: x.extend([1]),
        lambda x: x.insert(0, 1),
        lambda x: x.remove(1),
        lambda x: x.pop(),
        lambda x: x.clear(),
        lambda x: x.sort(),
        lambda x: x.reverse(),
        lambda x: x.__iadd__([1]),
        lambda x: x.__imul__(2),
    ],
)
def test_a_frozen_list_refuses_every_change(change: Callable[[Any], object]) -> None:
    frozen = freeze([1, 2])

    with pytest.raises(TypeError, match="value is frozen"):
        change(frozen)

    assert frozen == [1, 2]


def test_no_mutator_of_dict_or_list_is_forgotten() -> None:
    harmless = {"copy", "fromkeys", "get", "items", "keys", "values", "count", "index"}
    for plain, frozen in ((dict, FrozenDict), (list, FrozenList)):
        public = {name for name in vars(plain) if not name.startswith("_")} - harmless
        assert all(getattr(frozen, name) is not getattr(plain, name) for name in public)


@given(payloads)
def test_frozen_values_pickle_copy_and_hash(value: Any) -> None:
    frozen = freeze(value)

    assert pickle.loads(pickle.dumps(frozen)) == frozen
    assert copy.copy(frozen) is frozen
    assert copy.deepcopy(frozen) is frozen
    assert hash(frozen) == hash(freeze(copy.deepcopy(value)))


def test_frozen_values_are_json_as_they_are_and_a_copy_of_one_may_change() -> None:
    frozen = freeze({"a": [1, {"b": None}]})
    plain = frozen.copy()
    plain["a"] = 2

    assert json.dumps(frozen) == '{"a": [1, {"b": null}]}'
    assert (type(plain), frozen["a"][0]) == (dict, 1)


def test_what_json_has_no_shape_for_is_refused_by_name() -> None:
    for wrong in (object(), {"a": 1j}, lambda: None, {(1, 2): 3}):
        with pytest.raises(TypeError, match=r"expected a JSON value|a key must be a string"):
            freeze(wrong)


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(TypeError, match="contains itself"):
        freeze(endless)


def test_whatever_may_be_kept_can_be_hashed_pickled_and_written() -> None:
    deepest: Any = {}
    for level in range(MAX_DEPTH - 1):
        deepest = {"a": deepest} if level % 2 == 0 else [deepest]
    turn = nt.Turn((nt.Block("user", deepest),))

    with pytest.raises(TypeError, match="levels deep"):
        nt.Block("user", {"a": deepest})
    assert nt.Turn.from_yaml(turn.to_yaml()) == turn
    assert nt.Turn.from_dict(json.loads(json.dumps(turn.to_dict()))) == turn
    assert pickle.loads(pickle.dumps(turn)) == turn
    assert hash(turn) == hash(copy.deepcopy(turn))


# PersistentList, against a tuple.


@given(st.lists(st.integers(), max_size=3 * CHUNK_SIZE), st.lists(st.integers(), max_size=2 * CHUNK_SIZE), st.data())
def test_chunks_do_what_a_tuple_does(head: list[int], tail: list[int], data: st.DataObject) -> None:
    chunks, model = PersistentList(head) + tail, (*head, *tail)
    at = data.draw(st.integers(-len(model) - 3, len(model) + 3))
    cut = data.draw(st.slices(len(model)))
    as_list = [*model[:at], 7, 8, *model[at:]]

    assert (tuple(chunks), len(chunks), chunks[cut]) == (model, len(model), model[cut])
    assert tuple(reversed(chunks)) == tuple(reversed(model))
    assert chunks == model and hash(chunks) == hash(model) and repr(chunks) == repr(model)
    assert chunks.insert(at, (7, 8)) == as_list
    assert chunks.append(9) == (*model, 9)
    start = data.draw(st.integers(0, len(model)))
    assert chunks.head(start) == model[:start]
    assert tuple(chunks.since(start)) == model[start:]
    assert pickle.loads(pickle.dumps(chunks)) == chunks


@given(st.integers(1, 3 * CHUNK_SIZE), st.data())
def test_one_item_of_chunks_is_replaced_and_dropped_as_in_a_list(length: int, data: st.DataObject) -> None:
    chunks, model = PersistentList(range(length)), list(range(length))
    at = data.draw(st.integers(-length, length - 1))

    replaced, dropped = chunks.replace(at, -1), chunks.drop(at)
    expected = model.copy()
    expected[at] = -1

    assert replaced == expected
    assert dropped == [*model[: at % length], *model[at % length + 1 :]]
    assert chunks == model


@pytest.mark.parametrize("index", [3, -4, 100])
def test_an_index_that_is_not_there_is_an_index_error(index: int) -> None:
    chunks = PersistentList((1, 2, 3))

    for touch in (lambda: chunks[index], lambda: chunks.drop(index), lambda: chunks.replace(index, 0)):
        with pytest.raises(IndexError, match=rf"index {index} is out of range .length 3."):
            touch()


@given(st.integers(0, 3 * CHUNK_SIZE), st.integers(0, 3 * CHUNK_SIZE), st.booleans())
def test_shared_counts_the_items_at_the_head_that_are_the_same_objects(length: int, at: int, same: bool) -> None:
    items = [object() for _ in range(length)]
    first = PersistentList(items)
    second = first if same or at >= length else first.replace(at, object())

    assert first.shared_length(second + (object(),)) == (length if same or at >= length else at)


@given(st.integers(0, 200), st.integers(0, 200))
def test_lists_of_the_same_objects_share_them_however_they_were_made(length: int, changed: int) -> None:
    items = [object() for _ in range(length)]
    first = PersistentList(items)
    other_items = [object() if index == changed else item for index, item in enumerate(items)]
    assert first.shared_length(PersistentList(other_items)) == min(changed, length)
    assert PersistentList(items[: changed + 1]).shared_length(first) == min(changed + 1, length)


def test_a_longer_sequence_shares_the_chunks_of_the_shorter() -> None:
    short = PersistentList(range(10 * CHUNK_SIZE))

    long = short.append(1)

    assert all(a is b for a, b in zip(short._full_chunks, long._full_chunks, strict=True))


# PendingCalls: the rule of geppetto, and each id once.


def naive_pending(blocks: list[nt.Block]) -> list[nt.Block]:
    """Each call that no later result answers; a result answers the first open call with its id."""
    open_calls: list[nt.Block] = []
    for block in blocks:
        if block.kind == "tool_call":
            open_calls.append(block)
        elif block.kind == "tool_use":
            answered = [call for call in open_calls if call.payload.get("id") == block.payload.get("id")][:1]
            open_calls = [call for call in open_calls if not any(call is other for other in answered)]
    return open_calls


call_blocks = st.one_of(
    st.builds(nt.tool_call, st.sampled_from(["", *"abcdefgh"]), st.just("f")),
    st.builds(nt.tool_use, st.sampled_from(["", *"abcdefgh"])),
    st.just(nt.Block("tool_call", {"id": 5})),
    st.just(nt.user("x")),
)


@given(st.lists(call_blocks, max_size=40), st.lists(st.integers(1, 9), max_size=20))
def test_pending_is_each_call_that_nothing_answers_however_the_turn_grew(
    given_: list[nt.Block], steps: list[int]
) -> None:
    turn, rest = nt.Turn(), list(given_)
    for step in [*steps, len(rest)]:
        turn, rest = turn + rest[:step], rest[step:]
        assert [id(b) for b in turn.pending] == [id(b) for b in naive_pending(list(turn))]

    assert [id(b) for b in nt.Turn(given_).pending] == [id(b) for b in naive_pending(given_)]


@given(st.integers(0, 300), st.integers(0, 300))
def test_an_id_is_known_for_as_long_as_the_turn_is(answered: int, asked: int) -> None:
    calls = PendingCalls().after_blocks([nt.tool_use(str(n)) for n in range(answered)])

    assert calls.contains_id(str(asked)) == (asked < answered)
    assert PendingCalls().after_blocks([nt.tool_call("x", "f")]).contains_id("x")


# Blocks and Turns.


def doings() -> st.SearchStrategy[Callable[[nt.Turn], object]]:
    """Any public operation, with any arguments; some are refused."""
    index = st.integers(-8, 8)
    return st.one_of(
        blocks.map(lambda b: lambda t: t + b),
        st.lists(blocks, max_size=3).map(lambda more: lambda t: t + more),
        blocks.map(lambda b: lambda t: b + t),
        turns.map(lambda other: lambda t: t + other),
        st.tuples(index, texts).map(lambda a: lambda t: t.edit(a[0], text=a[1])),
        st.tuples(index, payloads).map(lambda a: lambda t: t.edit(a[0], args=a[1])),
        st.tuples(index, blocks).map(lambda a: lambda t: t.replace(*a)),
        st.tuples(index, blocks).map(lambda a: lambda t: t.insert(*a)),
        index.map(lambda i: lambda t: t.drop(i)),
        st.tuples(index, index).map(lambda a: lambda t: t[a[0] : a[1]]),
        st.floats(allow_nan=False).map(lambda score: lambda t: t.with_metadata(SCORE, score)),
        st.floats(allow_nan=False).map(lambda score: lambda t: t.with_data(SCORE, score)),
        st.tuples(index, texts).map(
            lambda a: lambda t: t.replace(a[0], t[a[0]].replace(kind=a[1] or "user", role=a[1], id=a[1]))
        ),
        st.just(
            lambda t: (
                (t.pending, t.text, t.usage, t.cost, t.inferences, hash(t), str(t), repr(t), t.to_dict(), t.to_yaml())[
                    :0
                ]
                or t
            )
        ),
        st.just(copy.deepcopy),
        st.just(lambda t: t.blocks[0].payload.update(a=1)),
        st.just(lambda t: setattr(t, "id", "x")),
    )


@given(turns, st.lists(doings(), max_size=8))
def test_nothing_done_to_a_turn_changes_an_earlier_one(turn: nt.Turn, done: list[Callable[[nt.Turn], Any]]) -> None:
    seen = [(turn, turn.to_yaml(), turn.pending)]
    for do in done:
        try:
            turn = do(turn)
        except (IndexError, TypeError, AttributeError):
            continue
        seen.append((turn, turn.to_yaml(), turn.pending))

    for earlier, saved, pending in seen:
        assert nt.Turn.from_yaml(saved) == earlier
        assert earlier.to_yaml() == saved
        assert earlier.pending == pending == nt.Turn(tuple(earlier)).pending


def test_a_list_handed_over_may_change_afterwards_and_the_block_does_not() -> None:
    args = {"cities": ["Paris"]}
    call = nt.tool_call("c", "weather", args)

    args["cities"].append("Rome")

    assert call.args == {"cities": ["Paris"]}


def test_an_edit_makes_another_block_and_keeps_the_rest() -> None:
    block = nt.Block("user", {"text": "a", "images": []}, "user", "b1", {SCORE: 0.5}, extra={"weird": 1})

    edited = block.edit(text="b")

    assert (edited.text, edited.role, edited.id, edited.metadata[SCORE], edited.extra) == (
        "b",
        "user",
        "b1",
        0.5,
        {"weird": 1},
    )
    assert block.text == "a"


a_block: Any = nt.Block  # what a user without a type checker may hand it
a_turn: Any = nt.Turn
a_run: Any = nt.Run


@pytest.mark.parametrize(
    "make",
    [
        lambda: a_block(5),
        lambda: a_block("user", ["text"]),
        lambda: a_block("user", "text"),
        lambda: a_block("user", role=["x"]),
        lambda: a_block("user", id=None),
        lambda: a_block("user", {"at": object()}),
        lambda: a_turn(id=3),
        lambda: a_run([nt.user("x")]),
        lambda: a_turn() + "text",
        lambda: a_turn() + [nt.user("x"), "text"],
        lambda: a_turn(({"kind": "user"},)),
    ],
)
def test_what_would_break_later_is_refused_where_it_is_made(make: Callable[[], object]) -> None:
    with pytest.raises(nt.MisuseError, match=r" must | expected |^expected "):
        make()


def test_extra_may_not_stand_under_a_name_of_the_format() -> None:
    with pytest.raises(ValueError, match="names of the format: metadata"):
        nt.Run(extra={"metadata": {"a": 1}})


def test_a_kind_of_the_enum_is_its_word_and_an_unknown_one_is_kept() -> None:
    assert (nt.Block(nt.Kind.USER).kind, type(nt.Block(nt.Kind.USER).kind)) == ("user", str)
    assert nt.Block("mystery").kind == "mystery"
    assert nt.Block("").kind == "other"


def test_the_builders_give_geppettos_kinds_roles_and_payloads() -> None:
    built = (
        nt.system("s"),
        nt.user("u"),
        nt.assistant("a"),
        nt.reasoning("r", signature="x"),
        nt.tool_call("c", "f", {"x": 1}),
        nt.tool_use("c", 2),
    )

    assert [(b.kind, b.role, dict(b.payload), b.id) for b in built] == [
        ("system", "system", {"text": "s"}, ""),
        ("user", "user", {"text": "u"}, ""),
        ("llm_text", "assistant", {"text": "a"}, ""),
        ("reasoning", "", {"text": "r", "signature": "x"}, ""),
        ("tool_call", "", {"id": "c", "name": "f", "args": {"x": 1}}, ""),
        ("tool_use", "", {"id": "c", "result": 2, "error": ""}, ""),
    ]


def test_args_are_an_object_or_nothing() -> None:
    deep = "[" * 100_000

    assert nt.tool_call("c", "f", '{"a": 1}').args == {"a": 1}
    assert [nt.tool_call("c", "f", args).args for args in ("[1]", "{", deep, '{"a":' * 300 + "1" + "}" * 300)] == [
        {},
        {},
        {},
        {},
    ]


def test_the_short_way_puts_the_system_prompt_first() -> None:
    turn = nt.turn("What's 2+2?", system="Be brief.")

    assert [(b.kind, b.text) for b in turn] == [("system", "Be brief."), ("user", "What's 2+2?")]
    assert nt.turn([nt.user("a"), nt.user("b")]) == nt.Turn((nt.user("a"), nt.user("b")))


def test_a_turn_grows_from_both_sides_and_is_cut_like_a_tuple() -> None:
    a, b, c = map(nt.user, "abc")

    assert list(a + nt.Turn((b,)) + c) == [a, b, c]
    assert list((a, b) + nt.Turn((c,))) == [a, b, c]
    assert list(a + b) == [a, b]
    assert nt.Turn((a, b, c), id="t")[1:] == nt.Turn((b, c), id="t")
    assert nt.Turn((a, b, c))[-1] is c


def test_same_content_is_blind_to_ids_and_equality_is_not() -> None:
    one = nt.Turn((nt.tool_call("a", "f"), nt.tool_use("a", 1)), id="1")
    two = nt.Turn((nt.tool_call("b", "f"), nt.tool_use("b", 1)), id="2")
    crossed = nt.Turn((nt.tool_call("a", "f"), nt.tool_use("b", 1)))

    assert one.same_content(two) and one != two
    assert not one.same_content(crossed)
    assert not one.same_content(one + nt.user("x"))


def test_text_is_the_last_thing_the_model_said() -> None:
    assert nt.Turn((nt.assistant("a"), nt.assistant("b"), nt.user("c"))).text == "b"
    assert nt.Turn().text == ""


def test_values_pickle_copy_and_hash() -> None:
    run = nt.Run((nt.turn("q") + nt.tool_call("c", "f", {"a": [1]}),), id="r", metadata={SCORE: 1.0})

    assert pickle.loads(pickle.dumps(run)) == run
    assert copy.deepcopy(run) == run
    assert hash(run) == hash(copy.deepcopy(run))


def test_one_line_says_what_a_turn_is() -> None:
    assert repr(nt.turn("q") + nt.tool_call("c", "f")) == "<Turn 2 blocks, 1 pending>"
    assert repr(nt.Turn((nt.user("q"),))) == "<Turn 1 block>"


def test_a_transcript_cannot_steer_the_terminal() -> None:
    shown = str(nt.turn("\x1b[2Jgone\u202e"))

    assert "\x1b" not in shown and "\u202e" not in shown
    assert "gone" in shown


def test_an_empty_turn_is_not_false() -> None:
    assert nt.Turn() and nt.Run()


# Images.


def test_an_image_is_a_url_bytes_with_a_type_or_a_file_id(tmp_path: Any) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    content = base64.b64encode(PNG).decode()

    assert nt.image("https://x.org/a.png", detail=" HIGH ") == {"url": "https://x.org/a.png", "detail": "high"}
    assert (
        nt.image(PNG)
        == nt.image(tmp_path / "a.png")
        == nt.image(str(tmp_path / "a.png"))
        == {"media_type": "image/png", "content": content}
    )
    assert nt.image("data:image/png;base64,UE5H") == {"media_type": "image/png", "content": "UE5H"}
    assert nt.image("file_id:file_1", detail="odd") == {"file_id": "file_1", "detail": "auto"}


def test_bytes_of_an_unknown_type_and_a_data_url_that_is_not_base64_are_refused() -> None:
    with pytest.raises(ValueError, match="requires a media_type"):
        nt.image(b"who knows")
    with pytest.raises(ValueError, match="must be base64"):
        nt.image("data:text/plain,hello")
    with pytest.raises(nt.LoadError, match="the image cannot be read"):
        nt.image("no/such/file.png")


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ({"url": "http://a", "detail": "high"}, {"url": "http://a", "detail": "high"}),
        ({"image_url": "http://a"}, {"url": "http://a"}),
        ({"image_url": {"url": "http://a", "detail": "LOW"}}, {"url": "http://a", "detail": "low"}),
        ({"url": "data:image/png;base64,UE5H"}, {"media_type": "image/png", "content": "UE5H"}),
        ({"content": b"PNG", "media_type": "image/png"}, {"media_type": "image/png", "content": "UE5H"}),
        ({"content": [80, 78, 71], "media_type": "image/png"}, {"media_type": "image/png", "content": "UE5H"}),
        ({"content": "data:image/gif;base64,UE5H"}, {"media_type": "image/gif", "content": "UE5H"}),
        (
            {"content": "no base64!", "media_type": "image/png"},
            {"media_type": "image/png", "content": base64.b64encode(b"no base64!").decode()},
        ),
        ({"file_id": "f", "content": "x"}, {"file_id": "f", "content": "x"}),
        ({"file_uri": "gs://a", "media_type": "image/png"}, {"file_uri": "gs://a", "media_type": "image/png"}),
    ],
)
def test_an_image_map_has_one_shape_as_in_geppetto(raw: dict[str, Any], normal: dict[str, Any]) -> None:
    assert normal_image(raw) == normal
    assert nt.user("look", images=[raw]).images == [normal]


def test_content_without_a_media_type_is_refused() -> None:
    with pytest.raises(ValueError, match="requires a media_type"):
        nt.user("look", images=[{"content": "UE5H"}])


def test_images_of_a_file_are_alive_whatever_shape_it_had() -> None:
    turn = nt.Turn.from_yaml(
        "blocks: [{kind: user, payload: {images: [{media_type: image/png, content: !!binary UE5H}, {image_url: 'http://a'}, odd]}}]"
    )
    again = nt.Turn.from_yaml(turn.to_yaml())

    assert image_bytes(again[0].images[0]) == b"PNG"
    assert again[0].images[1:] == [{"url": "http://a"}, "odd"]
    assert again == turn


def test_a_call_id_used_again_means_another_call() -> None:
    def talk(*ids: str) -> nt.Turn:
        return nt.Turn(tuple(block for id in ids for block in (nt.tool_call(id, "f"), nt.tool_use(id, 1))))

    assert talk("a", "a").same_content(talk("x", "y"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("arg", "did you mean args"),
        ("arguments", "did you mean args"),
        ("kind", r"\.replace\(\)"),
        ("colour", "has no 'colour'"),
    ],
)
def test_a_misspelt_edit_is_refused_and_changes_nothing(name: str, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        nt.tool_call("c", "weather", {"city": "Paris"}).edit(**{name: {"city": "Lyon"}})


def test_an_edit_may_change_whatever_is_there() -> None:
    assert nt.Block("other", {"mine": 1}).edit(mine=2).payload == {"mine": 2}


# Misuse.

loose: Any = nt  # as seen by who reads no types


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda turn: turn["x"], "an index must be an integer or a slice, like .* got 'x'"),
        (lambda turn: turn.edit("x", text="y"), "got 'x'"),
        (lambda turn: turn.insert("x", nt.user("y")), "got 'x'"),
        (lambda turn: turn.drop(None), "got None"),
        (lambda turn: turn.edit(0, text=5), "text must be a str, got int: 5"),
        (lambda turn: loose.Run((turn,))["x"], r"like run\[0\] or run\[-1\], got 'x'"),
        (loose.Run, r"nt.Run\(\[turn\]\)"),
        (lambda turn: loose.Run(5), "a Run needs a list of Turns|expected Turns"),
        (lambda turn: loose.user(5), "text must be a str, got int: 5"),
        (lambda turn: loose.assistant(None), "text must be a str, got NoneType"),
        (lambda turn: loose.turn("x", system=5), "text must be a str"),
        (lambda turn: loose.turn(5), "expected Blocks"),
        (lambda turn: loose.tool_call(5, "f"), "the id of a call must be a str"),
        (lambda turn: loose.user("x", images=[5]), "an image must be a path, a URL, bytes or an image map, got int: 5"),
        (lambda turn: loose.image(None), "an image must be a path"),
        (lambda turn: loose.Turn(metadata={"me.score@v1": 1}), r"nt.Key\("),
        (lambda turn: loose.Turn(data=[1]), "mappings of nt.Key to value, got list"),
        (lambda turn: loose.Block("user", metadata={"a": 1}), r"nt.Key\("),
        (lambda turn: loose.Turn.from_yaml(5), r"expected YAML text, got int: 5; use nt.load\(path\)"),
    ],
)
def test_a_mistake_is_an_error_of_ours_that_says_what_to_write(do: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(nt.MisuseError, match=said):
        do(nt.turn("x"))


@pytest.mark.parametrize(
    "do",
    [
        lambda turn: loose.Session("anthropic:claude"),
        lambda turn: loose.Session(nt.scripted("a"), step={"nope"}),
        lambda turn: loose.Session(nt.scripted("a"), tools=3),
        lambda turn: loose.Session(nt.scripted("a")).ask("x", limit=0),
        lambda turn: loose.Session(nt.scripted("a")).ask(nt.Turn()),
        lambda turn: loose.Session(nt.scripted("a")).fork("x"),
        lambda turn: loose.ToolConfig(on_pause_timeout="later"),
        lambda turn: loose.Tool(3),
        lambda turn: loose.Tool(len, effect="some"),
        lambda turn: loose.Key("", str),
        lambda turn: turn.metadata["me.score@v1"],
        lambda turn: turn[0].payload.update(text="y"),
        lambda turn: loose.image(b"neither"),
        lambda turn: loose.save(turn, "turn.docx"),
        lambda turn: loose.save([turn], "turn.yaml"),
        lambda turn: loose.load(3),
        lambda turn: loose.compare(turn, "x"),
    ],
)
def test_a_mistake_can_be_caught_as_ours_and_as_pythons_own(do: Callable[[Any], Any]) -> None:
    with pytest.raises(nt.NbturnsError) as caught:
        do(nt.turn("x"))

    assert isinstance(caught.value, (TypeError, ValueError))
    assert len(str(caught.value)) > 20


def test_numbers_and_arrays_of_numpy_are_kept_as_json_has_them() -> None:
    np = pytest.importorskip("numpy")
    given = {"a": np.int64(3), "b": np.float32(0.5), "c": np.bool_(True), "d": np.array([[1, 2], [3, 4]])}

    args = nt.tool_call("1", "f", given).args

    assert args == {"a": 3, "b": 0.5, "c": True, "d": [[1, 2], [3, 4]]}
    assert [type(value) for value in args.values()][:3] == [int, float, bool]
    assert nt.turn("a").edit(np.int64(0), text="b").text == "" and nt.turn("a")[np.int64(0)].text == "a"
    with pytest.raises(TypeError, match="expected a JSON value"):
        nt.tool_use("1", np.datetime64("2026-01-01"))


def test_one_image_need_not_stand_in_a_list() -> None:
    assert nt.user("x", images="https://x.org/a.png").images == [{"url": "https://x.org/a.png"}]
    assert nt.user("x", images={"url": "https://x.org/a.png"}) == nt.user("x", images=["https://x.org/a.png"])


FORMS: dict[str, Any] = {
    "bytes": PNG,
    "bytearray": bytearray(PNG),
    "memoryview": memoryview(PNG),
    "url": "https://x.org/a.png",
    "data url": "data:image/png;base64,UE5H",
    "file id": "file_id:f1",
    "detail": nt.image(PNG, detail="LOW"),
    "map of bytes": {"content": PNG, "media_type": "image/png"},
    "map of integers": {"content": list(PNG), "media_type": "image/png"},
    "map of openai": {"image_url": {"url": "https://x.org/a.png", "detail": "high"}},
    "map of a file": {"file_uri": "gs://x/a.png", "media_type": "image/png"},
}


@pytest.mark.parametrize("form", FORMS)
def test_an_image_of_any_form_is_alive_after_a_round_trip(form: str, tmp_path: Any) -> None:
    turn = nt.Turn((nt.user("look", images=[FORMS[form]]),))
    (image,) = turn[0].images

    for suffix in (".yaml", ".json", ".jsonl"):
        assert nt.load(nt.save(turn, tmp_path / f"t{suffix}")).latest[0].images == [image]
    assert any(isinstance(image.get(name), str) for name in ("url", "content", "file_id", "file_uri"))


@pytest.mark.parametrize("raw", [{}, {"url": 5}, {"url": ""}, {"detail": "low"}, {"file_id": None}])
def test_an_image_map_without_an_image_is_refused_from_code_and_kept_from_a_file(raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an image map needs a url, content, a file_id or a file_uri"):
        nt.user("look", images=[raw])
    data = {"blocks": [{"kind": "user", "payload": {"images": [raw]}}]}
    assert nt.Turn.from_dict(data)[0].images == [raw]


def test_a_str_in_a_turn_or_a_run_is_refused_and_the_search_is_named() -> None:
    turn = nt.turn("two tomatoes") + nt.assistant("noted")
    run = nt.Run([turn])

    with pytest.raises(
        nt.MisuseError, match=r"a Turn contains Blocks, not str; .*\[b for b in turn if 'tomato' in b.text\]"
    ):
        _ = "tomato" in turn
    with pytest.raises(nt.MisuseError, match=r"a Run contains Turns, not str; .*'tomato' in b.text"):
        _ = "tomato" in run
    assert [b for b in turn if "tomato" in b.text] == [turn[0]]
    assert nt.user("two tomatoes") in turn
    assert nt.user("tomato") not in turn
    assert turn in run
    assert 3 not in turn
    assert turn[0] not in run


def test_a_run_knows_the_runs_that_its_tool_calls_started() -> None:
    call = nt.tool_call("c1", "task", {}).with_metadata(nt.keys.CHILD_RUN, "child-1")
    parent = nt.Run(
        (nt.Turn((nt.user("Go"), call)),), id="parent", metadata={nt.keys.CHILD_RUNS: ["child-0", "child-1"]}
    )
    child = nt.Run(id="child-1", metadata={nt.keys.PARENT_RUN: "parent", nt.keys.PARENT_TOOL_CALL: "c1"})
    assert (parent.parent_id, parent.child_ids, call.child_run_id) == ("", ("child-0", "child-1"), "child-1")
    assert (child.parent_id, child.child_ids, nt.user("Go").child_run_id) == ("parent", (), "")
    assert nt.Run.from_yaml(parent.to_yaml()).child_ids == parent.child_ids


def test_the_children_of_a_run_are_found_in_the_turns_before_a_compaction_too() -> None:
    call = nt.tool_call("c1", "task", {}).with_metadata(nt.keys.CHILD_RUN, "child-1")
    assert nt.Run((nt.Turn((nt.user("Go"), call)), nt.Turn((nt.user("Summary"),)))).child_ids == ("child-1",)

"""Damaged files: all that can be read is read, the damage is reported, and only our errors are raised."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import zipfile
from pathlib import Path

import pytest

import nbturns as nt

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"
from nbturns.importers.kit.zip_archive import zstd_module


def chat(text: str) -> str:
    return json.dumps({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"re {text}"}]})


def prompts(path: Path) -> list[str]:
    return [run.latest[0].text for run in nt.load_all(path)]


def session_line(uuid: str, parent: str | None, text: str) -> bytes:
    message = {"role": "user", "content": text}
    record = {"type": "user", "uuid": uuid, "parentUuid": parent, "sessionId": "s", "message": message}
    return json.dumps(record).encode()


@pytest.mark.parametrize("nul_count", [1, 3, 4, 300, 70_000])
def test_nul_bytes_around_records_cost_no_record_and_are_reported(tmp_path: Path, nul_count: int) -> None:
    nuls = bytes(nul_count)
    lines = [session_line("a", None, "one"), session_line("b", "a", "two"), session_line("c", "b", "three")]
    for position, content in {
        "before the first": nuls + b"\n".join(lines) + b"\n",
        "before a record": lines[0] + b"\n" + nuls + lines[1] + b"\n" + lines[2] + b"\n",
        "behind a record": lines[0] + nuls + b"\n" + lines[1] + b"\n" + lines[2] + b"\n",
        "between two on one line": lines[0] + nuls + lines[1] + b"\n" + lines[2] + b"\n",
        "at the end": b"\n".join(lines) + b"\n" + nuls,
        "a line of their own": lines[0] + b"\n" + nuls + b"\n" + lines[1] + b"\n" + lines[2],
    }.items():
        path = tmp_path / "session.jsonl"
        path.write_bytes(content)
        run = nt.load(path)
        assert [block.text for block in run.latest] == ["one", "two", "three"], position
        assert len(nt.frames.read(path).blocks) == 3, position


def test_a_comma_or_junk_behind_a_line_costs_no_other_line(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    for end in (",", ";", " // note", "\x00,", "}"):
        path.write_text("".join(chat(text) + end + "\n" for text in "abc"))
        assert prompts(path) == ["a", "b", "c"], end
        assert list(nt.frames.read(path).blocks.text) == ["a", "re a", "b", "re b", "c", "re c"], end


def test_a_record_written_over_a_cut_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(f"{chat('a')}\n{chat('lost')[:40]}{chat('b')}\n{chat('c')}\n")

    runs = list(nt.load_all(path))

    assert [run.latest[0].text for run in runs] == ["a", "b", "c"]
    assert any("line 2" in note for run in runs for note in run.import_report.dropped)
    with pytest.raises(nt.LoadError, match="line 2"):
        list(nt.load_all(path, strict=True))


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("as_list", [False, True])
def test_a_cut_inside_a_text_keeps_the_beginning_of_the_text(tmp_path: Path, indent: int | None, as_list: bool) -> None:
    conversation = json.loads(chat("question"))
    conversation["messages"][1]["content"] = "ä long answer. " * 9_000
    text = json.dumps([conversation] if as_list else conversation, indent=indent)
    path = tmp_path / "chat.json"
    for cut in (len(text) // 2, len(text) // 2 + 1, len(text) // 2 + 3):
        path.write_text(text[:cut])
        run = nt.load(path)
        assert run.latest[-1].text.startswith("ä long answer. " * 4_000)
        assert run.import_report.dropped
        with pytest.raises(nt.LoadError):
            nt.load(path, strict=True)


def test_a_cut_inside_the_last_line_keeps_the_beginning_of_its_text(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(chat("a") + "\n" + chat("a longer prompt")[:60])

    assert prompts(path) == ["a", "a longer prompt"[: len(prompts(path)[1])]] and len(prompts(path)[1]) > 5
    assert list(nt.frames.read(path).blocks.text)[2] == prompts(path)[1]


@pytest.mark.parametrize("indent", [1, None])
def test_documents_that_follow_each_other_are_all_read(tmp_path: Path, indent: int | None) -> None:
    documents = [json.dumps(json.loads(chat(name)), indent=indent) for name in ("a", "b", "c")]
    path = tmp_path / "chats.json"
    path.write_text(" ".join(documents) if indent is None else "\n\n".join(documents))
    assert prompts(path) == ["a", "b", "c"] and len(nt.frames.read(path).errors) == 1
    with pytest.raises(nt.LoadError, match=path.name):
        list(nt.load_all(path, strict=True))

    path.write_text("".join(f"\x1e{document}\n" for document in map(chat, "abc")))  # a JSON text sequence
    assert prompts(path) == ["a", "b", "c"] and len(list(nt.load_all(path, strict=True))) == 3


COMPRESSIONS = {
    "gz": gzip.compress,
    "bz2": lambda content: bz2.compress(content, 1),
    "xz": lzma.compress,
    "zst": zstd_module().compress,
}


@pytest.mark.parametrize("suffix", COMPRESSIONS)
def test_compressed_files_are_read_and_a_cut_one_as_far_as_it_goes(tmp_path: Path, suffix: str) -> None:
    generator = random.Random(7)
    names = [f"{number} {generator.random()}" for number in range(3_000)]
    content = "".join(chat(name) + "\n" for name in names).encode()
    packed = COMPRESSIONS[suffix](content)
    path = tmp_path / f"chats.jsonl.{suffix}"
    path.write_bytes(packed)
    assert prompts(path) == names

    path.write_bytes(packed[: len(packed) * 3 // 4])
    runs = list(nt.load_all(path))
    read_prompts = [run.latest[0].text for run in runs]
    assert 100 < len(read_prompts) < len(names) and read_prompts[:-1] == names[: len(read_prompts) - 1]
    assert any("damaged or cut" in note and path.name in note for run in runs for note in run.import_report.dropped)
    with pytest.raises(nt.LoadError, match=path.name):
        list(nt.load_all(path, strict=True))
    assert any("damaged or cut" in reason for reason in nt.frames.read(path).errors.reason)

    path.write_bytes(packed[:12])
    with pytest.raises(nt.LoadError, match=path.name):
        list(nt.load_all(path))


def test_a_zip_of_transcripts_is_read_member_by_member(tmp_path: Path) -> None:
    path = tmp_path / "chats.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/a.jsonl", chat("a") + "\n" + chat("b") + "\n")
        archive.writestr("picture.png", b"\x89PNG" + bytes(40))
        archive.writestr("c.json.gz", gzip.compress(chat("c").encode()))

    runs = list(nt.load_all(path))

    assert [run.latest[0].text for run in runs] == ["a", "b", "c"]
    assert any("picture.png" in note for run in runs for note in run.import_report.dropped)


def test_the_members_of_an_export_are_found_by_their_content(tmp_path: Path) -> None:
    def conversation(name: str) -> dict[str, object]:
        message = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [name]}}
        nodes: dict[str, object] = {"n": {"id": "n", "parent": None, "children": [], "message": message}}
        return {"conversation_id": name, "current_node": "n", "mapping": nodes}

    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("shared_conversations.json", json.dumps([{"id": "x", "conversation_id": "c1"}]))
        archive.writestr("my_conversations.json", json.dumps([{"title": "not a tree"}]))
        archive.writestr("part one.json", json.dumps([conversation("c1"), conversation("c2")]))
        archive.writestr("part two.json", json.dumps([conversation("c3")]))

    assert [run.id for run in nt.load_all(path)] == ["c1", "c2", "c3"]


@pytest.mark.parametrize("name", ["run[1]", "what?", "all*", "[a-z]", "{x}", "a[!b]c"])
def test_names_with_glob_signs_are_names_of_folders_and_files(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / f"{name}.jsonl").write_text(chat("a"))

    for path in (folder, folder / f"{name}.jsonl"):
        assert prompts(path) == ["a"]
        assert len(nt.frames.blocks(path)) == 2
    with pytest.raises(nt.LoadError, match="no file matches"):
        list(nt.load_all(tmp_path / "nothing*"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_utf_16_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_bytes("".join(chat(text) + "\n" for text in ("größe", "日本")).encode(encoding))

    assert prompts(path) == ["größe", "日本"]
    path.write_bytes(json.dumps([json.loads(chat("größe"))], ensure_ascii=False, indent=1).encode(encoding))
    assert prompts(path) == ["größe"]


STARTS = (b"", b"{", b"[", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\xff\xfe{", b"SQLite format 3\x00", b"[" * 9_000, b'{"a":' * 9_000, b"blocks: ", b"# aider chat started at ", b"data: {")  # fmt: skip


@pytest.mark.parametrize("start", STARTS)
def test_no_bytes_raise_an_error_of_another_package(tmp_path: Path, start: bytes) -> None:
    generator = random.Random(len(start))
    path = tmp_path / "any"
    for size in (0, 30, 70_000):
        path.write_bytes(start + generator.randbytes(size))
        for read in (
            lambda: list(nt.load_all(path)),
            lambda: nt.frames.read(path),
            lambda: nt.loads(path.read_bytes()),
        ):
            try:
                read()
            except nt.NbturnsError as error:
                assert str(error)


@pytest.mark.parametrize("name", ["a\x00b", "x" * 5_000, "x/" * 3_000, "[", "\udcff", "~nobody-here/x"])
def test_a_name_that_no_file_can_have_is_a_load_error(name: str) -> None:
    with pytest.raises(nt.LoadError):
        nt.load(name)
    with pytest.raises(nt.LoadError):
        list(nt.load_all(name))


@pytest.mark.parametrize("arguments", ["\ud83d", '{"a": "\ud83d"}'])
def test_half_a_surrogate_pair_in_arguments_is_kept(tmp_path: Path, arguments: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}) + "\n")

    assert nt.load(path).latest[0].kind == "tool_call"
    assert nt.frames.blocks(path).kind.tolist() == ["tool_call"]
    assert len(nt.frames.read(path).blocks) == 1


@pytest.mark.parametrize(
    "name", ["claude-code.jsonl", "chatgpt.json", "inspect.json", "openai-chat.jsonl", "goose.jsonl"]
)
@pytest.mark.parametrize("place", [0, 0.001, 0.3, 0.5, 1])
def test_nul_bytes_anywhere_in_a_file_lose_no_block(tmp_path: Path, name: str, place: float) -> None:
    content = (FIXTURES / name).read_bytes()
    offset = int(len(content) * place)
    while content[offset : offset + 1] and (content[offset] & 0xC0) == 0x80:  # not inside a character
        offset += 1
    path = tmp_path / name
    path.write_bytes(content[:offset] + b"\0" * 7 + content[offset:])

    expected = [len(run.latest) for run in nt.load_all(FIXTURES / name)]
    runs = list(nt.load_all(path))

    assert [len(run.latest) for run in runs] == expected
    if place in (0.3, 0.5):
        assert any("NUL bytes" in note or "not JSON" in note for run in runs for note in run.import_report.dropped)


def test_nul_bytes_in_yaml_are_left_out_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(nt.example().to_yaml().encode().replace(b"\n", b"\n\0", 3))

    run = nt.load(path)

    assert len(run.latest) == len(nt.example().latest)
    assert "NUL bytes" in run.import_report.dropped[0]


@pytest.mark.parametrize("folder", ["run[1]", "what?", "a*b", "[x]/y?"])
def test_a_pattern_in_a_folder_whose_name_has_signs_of_patterns_is_found(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "chat.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(f"{chat('a')}\n")

    for pattern in (
        path.parent / "*.jsonl",
        tmp_path / folder / "ch?t.*",
        tmp_path / folder.split("/", maxsplit=1)[0] / "**" / "*",
    ):
        assert len(list(nt.load_all(str(pattern)))) == 1


ODD_LINES = (
    "5", "null", '"x"', "[]", "{}", '{"type": 5}', '{"type": "nothing-known"}', '{"event": 7, "type": "delta"}', "not json", "\0",
    '{"event": {"type": "tool-result", "result": 5}, "type": "tool-result"}',
    '{"type": "final", "event": {"type": "final", "text": {"a": 1}, "correlation": 9}}',
    '{"event": {"type": ["x"]}, "type": {"y": 1}, "meta": [1]}',
)  # fmt: skip


def test_an_odd_line_of_an_event_log_costs_that_line_alone(tmp_path: Path) -> None:
    lines = (FIXTURES / "geppetto-events.ndjson").read_text(encoding="utf-8").splitlines()
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    texts = [block.text for run in nt.load_all(path) for block in run.latest]
    for odd_line in ODD_LINES:
        for place in (0, 3):
            path.write_text("\n".join([*lines[:place], odd_line, *lines[place:]]) + "\n", encoding="utf-8")
            found = [block.text for run in nt.load_all(path) for block in run.latest]
            assert [text for text in texts if text not in found] == [], (odd_line, place)
            assert len(found) <= len(texts) + 1


def test_a_number_of_many_digits_costs_no_document(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text(chat("one")[:-1] + f', "checksum": {"9" * 5000}}}')
    run = nt.load(path)
    assert run.latest[0].text == "one"
    assert "9" * 5000 in json.dumps(run.to_dict())


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
def test_utf_32_without_a_mark_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_bytes(
        "".join(json.dumps(json.loads(chat(text)), ensure_ascii=False) + "\n" for text in "äß").encode(encoding)
    )
    assert prompts(path) == ["ä", "ß"]
    assert not nt.load_all(path).__next__().import_report.unknown


def test_a_file_that_was_compressed_twice_is_read(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl.xz.gz"
    path.write_bytes(gzip.compress(lzma.compress((chat("one") + "\n" + chat("two")).encode())))
    assert prompts(path) == ["one", "two"]


def test_cells_behind_the_last_column_and_columns_of_one_name_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("prompt,completion,note,note\nq,a,one,two,three,four\n")
    assert dict(nt.load(path).fields) == {"note": "one", "note.1": "two", "other_cells": ["three", "four"]}

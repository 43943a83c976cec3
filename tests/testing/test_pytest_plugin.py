"""The plugin of pytest: each test runs pytest in a folder of its own."""

from __future__ import annotations

import socket
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from _pytest.pytester import SysModulesSnapshot

import nbturns as nt
from nbturns.testing import FixtureDocument, NetworkGuard, TurnSnapshot, fixture_document
from nbturns.testing.fixture_documents import check_exhausted

pytest_plugins = ["pytester"]

HEAD = """
import nbturns as nt
from nbturns.testing import assert_turn

def weather(city: str) -> str:
    "Current weather in a city."
    return "rain"
"""


def weather(city: str) -> str:
    "Current weather in a city."
    return "rain"


@pytest.fixture(autouse=True)
def _our_plugin_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load no other plugins of this environment, and keep the packages that a run imports for the next one.

    pytester would forget them: the next run would take the time again, and other tests would see two copies.
    """

    def modules_of_the_run(pytester: pytest.Pytester) -> SysModulesSnapshot:
        return SysModulesSnapshot(preserve=lambda name: name not in ("test_app", "conftest"))

    monkeypatch.setattr(pytest.Pytester, "_Pytester__take_sys_modules_snapshot", modules_of_the_run)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "nbturns.testing.pytest_plugin")


def test_pytest_finds_the_plugin() -> None:
    (found,) = entry_points(group="pytest11", name="nbturns")

    assert found.value == "nbturns.testing.pytest_plugin"


def write(pytester: pytest.Pytester, body: str) -> Path:
    return pytester.makepyfile(test_app=HEAD + body)


def test_a_scripted_engine_that_is_not_exhausted_fails_the_test(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
def test_all(scripted_engine):
    assert nt.Session(scripted_engine("a")).ask("q").result(60).text == "a"

def test_left(scripted_engine):
    nt.Session(scripted_engine("a", "b")).ask("q").result(60)

def test_failed_before(scripted_engine):
    engine = scripted_engine("a")
    assert False, "the only report"
""",
    )

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines("*1 of 2 scripted answers left; the conversation made 1 model calls*")


def test_a_failure_prints_the_block_tables(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
def test_variable():
    session = nt.Session(nt.scripted(nt.tool_call("c", "weather", {"city": "Paris"}), "Umbrella."), tools=[weather])
    session.ask("Paris?").result(60)
    assert session.latest.text == "Sun."

def test_error():
    nt.Session(nt.scripted()).ask("Who?").result(60)

def test_equal():
    assert nt.turn("a") + nt.assistant("b") == nt.turn("a") + nt.assistant("c")
""",
    )

    result = pytester.runpytest_inprocess()

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*Turn of session: <Turn 4 blocks>*",
            "*[[]1[]] tool_call weather(city='Paris')",
            "*[[]3[]] llm_text Umbrella.",
            "*Turn of the ScriptExhausted: <Turn 1 block>*",
            "*[[]0[]] user Who?",
        ]
    )
    result.stdout.fnmatch_lines(["*block 1 edited (text)", "*- llm_text c", "*+ llm_text b"])


SNAPSHOT_TEST = """
def test_answer(turn_snapshot):
    call = nt.tool_call("call_%s", "weather", {"city": "Paris"})
    session = nt.Session(nt.scripted(call, "%s"), tools=[weather])
    session.ask("Paris?").result(60)
    turn_snapshot(session)
    turn_snapshot(session.latest, "latest")
"""


def test_a_snapshot_is_written_on_request_and_compared_by_content(pytester: pytest.Pytester) -> None:
    write(pytester, SNAPSHOT_TEST % ("x1", "Umbrella."))
    missing = pytester.runpytest_inprocess()
    missing.assert_outcomes(failed=1)
    missing.stdout.fnmatch_lines("*there is no snapshot*run pytest --update-turn-snapshots to write it*")
    pytester.runpytest_inprocess("--update-turn-snapshots").assert_outcomes(passed=1)
    files = sorted((pytester.path / "snapshots" / "test_app").iterdir())
    assert [file.name for file in files] == ["test_answer.latest.yaml", "test_answer.yaml"]
    assert nt.load(files[0]).latest[1].payload["id"] == "call_1"
    assert "inference" not in files[1].read_text()

    write(pytester, SNAPSHOT_TEST % ("x2", "Umbrella."))  # the id of a call is no difference
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    write(pytester, SNAPSHOT_TEST % ("x2", "Sun."))
    changed = pytester.runpytest_inprocess()
    changed.assert_outcomes(failed=1)
    changed.stdout.fnmatch_lines(
        [
            "*block 3 edited (text)",
            "*- llm_text Umbrella.",
            "*+ llm_text Sun.",
            "*the blocks now:",
            "*[[]0[]] user Paris?",
        ]
    )


def test_the_network_is_refused_even_when_the_error_is_caught(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nnbturns_block_network = true")
    write(
        pytester,
        """
import contextlib, socket, pytest
from nbturns.testing import serve

def test_hidden():
    with contextlib.suppress(nt.MisuseError):
        socket.create_connection(("models.example", 443))

def test_numbers():
    with pytest.raises(nt.MisuseError, match="tried to reach 203.0.113.9:80"):
        socket.socket().connect(("203.0.113.9", 80))

def test_local():
    with serve() as server:
        engine = nt.engine("openai-chat:gpt-4.1", base_url=f"{server.url}/v1", api_key="k")
        assert nt.Session(engine).ask("Say hello.").result(60).text

@pytest.mark.allow_network
def test_marked():
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", 1))
    assert "guarded" not in socket.socket.connect.__qualname__
""",
    )

    result = pytester.runpytest_inprocess("-W", "ignore::ResourceWarning")

    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines("*the test tried to reach models.example:443*")
    assert "guarded" not in socket.socket.connect.__qualname__


def test_guards_can_be_nested() -> None:
    with NetworkGuard() as outer, NetworkGuard():
        pass
    with outer, pytest.raises(nt.MisuseError), socket.socket() as connection:
        connection.connect(("203.0.113.9", 80))
    assert outer.attempts == ["203.0.113.9:80"]
    assert "connect" not in vars(socket.socket)


CASSETTE_TEST = """
answers = %s

def test_recorded(turn_cassette, scripted_engine):
    session = nt.Session(scripted_engine(*answers), middleware=[turn_cassette])
    assert session.ask("q").result(60).text == "a"
"""


def test_a_cassette_is_recorded_on_request_and_answers_afterwards(pytester: pytest.Pytester) -> None:
    write(pytester, CASSETTE_TEST % ["a"])
    pytester.runpytest_inprocess("--record-cassettes").assert_outcomes(passed=1)
    assert (pytester.path / "cassettes" / "test_app" / "test_recorded.yaml").is_file()

    write(pytester, CASSETTE_TEST % [])
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    (pytester.path / "cassettes" / "test_app" / "test_recorded.yaml").unlink()
    pytester.runpytest_inprocess().assert_outcomes(failed=1)


DOCUMENT = """
version: 1
turn:
  id: turn_weather
  blocks:
    - {kind: system, role: system, payload: {text: Be brief.}}
    - {kind: user, role: user, payload: {text: How is the weather in Paris?}}
followups:
  - {kind: user, role: user, payload: {text: And in Lyon?}}
"""
ANSWERS = """
answers:
  - {kind: tool_call, payload: {id: call_1, name: weather, args: {city: Paris}}}
  - Rain in Paris.
  - [{kind: llm_text, role: assistant, payload: {text: Rain in Lyon.}}]
"""


def test_documents_of_geppetto_run_as_tests(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("conversations")
    (folder / "scripted.yaml").write_text(DOCUMENT + ANSWERS)
    (folder / "left.yaml").write_text(DOCUMENT + ANSWERS + "  - One too many.\n")
    (folder / "replayed.yaml").write_text(DOCUMENT)
    (folder / "silent.yaml").write_text(DOCUMENT)
    pytester.makeini("[pytest]\nnbturns_fixtures = conversations/*.yaml")
    pytester.makeconftest(HEAD + "import pytest\n\n@pytest.fixture\ndef nbturns_tools():\n    return [weather]\n")
    document = fixture_document(folder / "scripted.yaml")
    nt.save(document.run(tools=[weather]), folder / "replayed.recording.yaml")

    result = pytester.runpytest_inprocess("-v")

    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*left.yaml::test_document FAILED*",
            "*replayed.yaml::test_document PASSED*",
            "*scripted.yaml::test_document PASSED*",
            "*1 of 4 scripted answers left*",
            "*silent.yaml: the document has no answers; add `answers`, or save a Run as silent.recording.yaml*",
        ]
    )


def test_a_document_of_geppetto_is_run_with_any_engine(tmp_path: Path) -> None:
    path = tmp_path / "weather.yaml"
    path.write_text(DOCUMENT)
    document = fixture_document(path)
    engine = nt.scripted("Rain.", "Rain, too.")

    run = document.run(engine, tools=[weather])

    assert isinstance(document, FixtureDocument)
    assert [turn.text for turn in run] == ["Rain.", "Rain, too."]
    assert [block.text for block in document.followups] == ["And in Lyon?"]
    check_exhausted(engine)
    with pytest.raises(AssertionError, match="1 of 3 scripted answers left"):
        document.run(nt.scripted("a", "b", "c"))
    path.write_text(DOCUMENT + "answers: {a: 1}\n")
    with pytest.raises(nt.LoadError, match="answers must be a list"):
        fixture_document(path)
    path.write_text(DOCUMENT + "answers: [{payload: {}}]\n")
    with pytest.raises(nt.LoadError, match=r"answers\[0\]: not an answer"):
        fixture_document(path)


def test_a_snapshot_refuses_values_without_turns(tmp_path: Path) -> None:
    with pytest.raises(nt.MisuseError, match="got int"):
        TurnSnapshot(tmp_path, "x")(1)

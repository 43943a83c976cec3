"""The mouse side of an execution without a page: states out, decisions in, and messages that are refused."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

import nbturns as nt
from nbturns.widgets import Stepper
from nbturns.widgets.stepping.call_fields import call_fields, edited_args
from tests.engines.stream_pieces import send_from_page

RAN: list[tuple[str, Any]] = []


def write(path: str, text: str, count: int = 1, force: bool = False) -> str:
    """Write a file.

    Args:
        path: Where it is.
    """
    RAN.append((path, text))
    return f"wrote {path}"


def look_up(path: str) -> str:
    "Read a file."
    return f"text of {path}"


TOOLS = [nt.Tool(write), nt.Tool(look_up, effect="pure")]


class Page:
    """A page of a stepper: the newest state, and the answers to its requests."""

    def __init__(self, execution: nt.Execution, monkeypatch: pytest.MonkeyPatch) -> None:
        self.view = Stepper(execution)
        self.answers: dict[str, Any] = {}
        self.count = 0
        monkeypatch.setattr(self.view, "send", self._on_message)

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.view.debug)

    def _on_message(self, message: Any, buffers: Any = None) -> None:
        message = json.loads(json.dumps(message))
        if "debug_id" in message:
            self.answers[message["debug_id"]] = message

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        self.count += 1
        id = str(self.count)
        send_from_page(self.view, {"do": action, "debug_id": id, **fields})
        self.wait(lambda: id in self.answers)
        answer: dict[str, Any] = self.answers[id]
        return answer

    def wait(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"the condition was never met: {self.state}"
            time.sleep(0.003)

    def wait_for_pause(self, number: int) -> None:
        self.wait(lambda: self.state.get("pause") == number)

    def wait_for_status(self, status: str) -> None:
        self.wait(lambda: self.state.get("status") == status)

    def cards(self, count: int = 1) -> list[Any]:
        self.wait(lambda: self.state.get("cards") and len(self.state["cards"]["items"]) == count)
        items: list[Any] = self.state["cards"]["items"]
        return items

    def decide(self, calls: dict[str, Any], then: str = "step") -> dict[str, Any]:
        return self.ask("decide", pause=self.state["pause"], calls=calls, then=then)


def two_calls() -> nt.Session:
    calls = [
        nt.tool_call("a", "write", {"path": "a.txt", "text": "one\ntwo", "count": 9007199254740993}),
        nt.tool_call("b", "look_up", {"path": "b.txt"}),
    ]
    return nt.Session(nt.scripted(calls, "done", "again"), tools=TOOLS, step=True)


def paused(session: nt.Session) -> nt.Execution:
    RAN.clear()
    execution = session.ask("go")
    execution.next().result(20)
    return execution


def test_a_card_has_a_form_of_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(paused(two_calls()), monkeypatch)
    first, second = page.cards(2)

    fields = {field["name"]: field for field in first["fields"]}
    assert [fields[name]["kind"] for name in fields] == ["string", "text", "number", "boolean"]
    assert fields["count"]["text"] == "9007199254740993" and not fields["force"]["given"]
    assert fields["path"]["note"] == "Where it is." and fields["path"]["required"]
    assert (first["effect"], second["effect"]) == ("effectful", "pure")
    assert first["faults"] == [] and json.loads(first["json"])["count"] == 9007199254740993


def test_a_field_keeps_every_digit_of_what_is_not_changed() -> None:
    args = {"big": 9007199254740993, "exact": 10.0, "names": ["a", "b"], "deep": {"x": [1.0]}}

    assert {field["name"]: field["kind"] for field in call_fields(args, None)} == {
        "big": "number",
        "exact": "number",
        "names": "lines",
        "deep": "json",
    }
    changed = edited_args(args, None, {"fields": {"names": "a\nc", "exact": "11.0"}})
    assert repr(changed) == repr({"big": 9007199254740993, "exact": 11.0, "names": ["a", "c"], "deep": {"x": [1.0]}})
    with pytest.raises(nt.MisuseError, match="big: this is not JSON"):
        edited_args(args, None, {"fields": {"big": "NaN"}})


def test_one_call_runs_edited_and_the_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = paused(two_calls())
    page = Page(execution, monkeypatch)
    page.cards(2)

    assert "error" not in page.decide({"a": {"do": "run", "fields": {"text": "three", "force": "true"}}}, "one")
    page.cards(1)

    assert RAN == [("a.txt", "three")]
    assert [(record.action, record.by) for record in execution.decisions] == [("edited", "view")]
    assert page.state["decisions"][0]["label"] == "✎ edited"
    assert page.state["cards"]["items"][0]["id"] == "b"


def test_an_edit_that_does_not_fit_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = paused(two_calls())
    page = Page(execution, monkeypatch)
    page.cards(2)

    for edit, name in (
        ({"fields": {"path": None}}, "path"),
        ({"json": '{"path": "a", "text": "b", "flags": 1}'}, "flags"),
        ({"fields": {"count": "many"}}, ""),
        ({"json": "[1]"}, ""),
    ):
        answer = page.decide({"a": {"do": "run", **edit}}, "one")
        assert answer["error"]
        assert not name or [fault["name"] for fault in answer["faults"]] == [name]
        assert not name or page.ask("check", call="a", **edit)["faults"][0]["name"] == name
    assert RAN == [] and execution.paused_at is not None and execution.paused_at.number == 1

    turn = execution.paused_at.turn
    index = next(i for i, block in enumerate(turn) if block.tool_call_id == "a")
    for args in ({"path": "a"}, {"path": "a", "text": "b", "flags": 1}):
        with pytest.raises(nt.MisuseError, match="text is missing|flags is unknown"):
            execution.step(turn.edit(index, args=args))
    with pytest.raises(nt.MisuseError):
        execution.resume(turn.edit(index, args={}))


def test_deny_skip_and_results_by_hand_run_no_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = paused(two_calls())
    page = Page(execution, monkeypatch)
    page.cards(2)

    page.decide({"a": {"do": "deny", "text": "keep it"}}, "one")
    page.cards(1)
    page.decide({"b": {"do": "result", "text": '{"n": 1.0}', "json": True}}, "one")
    page.wait(lambda: page.state["pause"] == 3)

    results = {block.tool_call_id: block for block in execution.turn.of_kind("tool_use")}
    assert RAN == [] and results["a"].error == "denied: keep it" and results["b"].result == {"n": 1.0}
    assert [record.action for record in execution.decisions] == ["denied", "mock"]
    page.wait(lambda: "⊘" in page.state["rail"]["entries"][-1][2] or len(page.view._rail.entries) == 4)
    assert [entry[2] for entry in page.view._rail.entries] == ["", "⊘", "◇", ""]


def test_a_result_as_an_error_and_all_calls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = paused(two_calls())
    page = Page(execution, monkeypatch)
    page.cards(2)
    page.decide({"a": {"do": "result", "text": "disk full", "error": True}, "b": {"do": "skip"}}, "resume")

    turn = execution.result(20, wait=True)
    results = {block.tool_call_id: block for block in turn.of_kind("tool_use")}
    assert results["a"].error == "disk full" and results["b"].error.startswith("skipped") and RAN == []


@pytest.mark.parametrize(
    "fields",
    [
        {"calls": {"x": {"do": "run"}}},
        {"calls": {"a": "run"}},
        {"calls": {"a": {"do": "explode"}}},
        {"calls": [1]},
        {"calls": {"a": {"do": "deny", "text": ["x"]}}},
        {"calls": {"a": {"do": "run", "fields": {"path": ["x"]}}}},
        {"calls": {"a": {"do": "run", "json": "[" * 100_000}}},
        {"calls": {"a": {"do": "result", "json": True, "text": "{"}}},
    ],
)
def test_a_hostile_decision_is_refused(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    execution = paused(two_calls())
    page = Page(execution, monkeypatch)
    page.cards(2)

    assert page.decide(fields["calls"], "one")["error"]
    assert execution.paused_at is not None and execution.paused_at.number == 1 and RAN == []


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("look", {"snapshot": 99}),
        ("look", {"snapshot": True}),
        ("fork", {"snapshot": 0, "calls": {"a": "burn"}}),
        ("fork", {"snapshot": 0, "calls": 3}),
        ("fork", {"snapshot": 0, "text": 3}),
        ("breakpoint_add", {}),
        ("breakpoint_add", {"text": "("}),
        ("breakpoint_add", {"tokens": "many"}),
        ("breakpoint_change", {"key": 1}),
        ("rule_add", {"rule": {"tool": "x", "decision": "maybe"}}),
        ("rule_add", {"rule": {"tool": 3}}),
        ("rule_remove", {"index": 7}),
        ("open_branch", {"branch": 7}),
        ("compare_branches", {"branches": [0]}),
        ("retry", {"engine": "http://192.0.2.1:80/x"}),
        ("retry", {"params": {"base_url": "http://192.0.2.1"}}),
        ("retry", {"params": {"api_key": "x"}}),
        ("step_to", {"pause": 1, "target": "moon"}),
        ("format", {"snapshot": 0, "row": -1, "format": "json"}),
        ("dance", {}),
    ],
)
def test_a_hostile_request_is_answered_with_an_error(
    action: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(paused(two_calls()), monkeypatch)
    page.cards(2)

    assert page.ask(action, **fields)["error"]
    assert page.view.execution.paused_at is not None


def test_a_decision_for_an_earlier_pause_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = paused(two_calls())
    page = Page(execution, monkeypatch)
    page.cards(2)
    for _ in range(2):
        page.ask("decide", pause=1, calls={}, then="step")
    page.wait(lambda: page.state["pause"] == 2)
    time.sleep(0.05)

    assert execution.paused_at is not None and execution.paused_at.number == 2


def test_the_step_menu_stops_where_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    script = nt.scripted(
        *(
            nt.tool_call(f"c{n}", "look_up" if n < 3 else "write", {"path": "p", **({"text": ""} if n == 3 else {})})
            for n in range(4)
        ),
        "done",
    )
    execution = paused(nt.Session(script, tools=TOOLS, step=True))
    page = Page(execution, monkeypatch)
    places = []
    for target, tool in (("iteration", ""), ("model", ""), ("call", ""), ("tool", "wr*")):
        page.wait(lambda: page.state.get("pause"))
        number = page.state["pause"]
        assert "error" not in page.ask("step_to", target=target, tool=tool, pause=number, calls={})
        page.wait_for_pause(number + 1)
        pause = execution.paused_at
        assert pause is not None
        places.append((str(pause.phase), pause.iteration))

    assert places == [("post_tools", 0), ("post_inference", 1), ("post_tools", 1), ("post_inference", 3)]
    assert execution.breakpoints == () and page.state["breakpoints"] == []


def test_breakpoints_are_listed_counted_disabled_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = two_calls()
    execution = paused(session)
    page = Page(execution, monkeypatch)
    page.cards(2)
    page.ask("breakpoint_add", tool="wr*", argument="path", value="a*", cost="", tokens="")
    page.wait(lambda: page.state["breakpoints"])
    (row,) = page.state["breakpoints"]
    assert row["name"].startswith("tool wr*") and row["enabled"] and row["hits"] == 0

    page.ask("breakpoint_change", key=row["key"], enabled=False)
    page.wait(lambda: not page.state["breakpoints"][0]["enabled"])
    execution.resume()
    execution.result(20, wait=True)
    assert len(session.break_when) == 1  # for the next execution, too
    page.ask("breakpoint_change", key=row["key"], remove=True)
    page.wait(lambda: page.state["breakpoints"] == [])
    assert not session.break_when


def test_a_rule_of_the_card_is_visible_saved_and_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [nt.tool_call(f"c{n}", "write", {"path": f"{n}.txt", "text": ""}) for n in range(3)]
    session = nt.Session(nt.scripted(*calls, "done"), tools=TOOLS, policy=[{"tool": "write", "decision": "ask"}])
    execution = paused(session)
    page = Page(execution, monkeypatch)
    page.cards(1)

    page.ask("rule_add", rule={"tool": "write", "args": {"path": "*.txt"}, "decision": "allow"})
    page.wait(lambda: len(page.state["rules"]["items"]) == 2)
    assert nt.Policy.from_yaml(page.state["rules"]["yaml"]) == session.policy
    execution.resume()
    assert execution.result(20, wait=True).text == "done"  # no further pause
    page.ask("rule_remove", index=0)
    assert [rule.decision for rule in session.policy.rules] == ["ask"]


def test_looking_back_sends_what_the_page_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = paused(two_calls())
    page = Page(execution, monkeypatch)
    page.cards(2)
    page.decide({"a": {"do": "run", "fields": {"text": "three"}}, "b": {"do": "skip"}})
    page.wait(lambda: page.state["pause"] == 2)

    answer = page.ask("look", snapshot=1)
    assert answer["from"] == 1 and [row["kind"] for row in answer["rows"]] == ["tool_call", "tool_call"]
    assert answer["totals"]["model_calls"] == 1
    assert "three" not in json.dumps(answer["rows"])
    pairs = page.ask("compare", snapshot=2)
    assert [pair["what"] for pair in pairs["pairs"]] == ["same", "edited", "same", "added", "added"]
    assert page.ask("format", snapshot=1, row=1, format="body")["text"]


def test_a_fork_reuses_skips_or_asks_for_calls_that_already_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    same_call = nt.tool_call("a", "write", {"path": "a.txt", "text": "x"})
    for choice, ran, mark in (("reuse", 1, "recorded"), ("skip", 1, "skipped"), ("run", 2, "tool")):
        session = nt.Session(nt.scripted(same_call, "done", same_call.edit(id="n"), "forked"), tools=TOOLS)
        RAN.clear()
        execution = session.ask("go")
        execution.result(20)
        page = Page(execution, monkeypatch)
        page.wait_for_status("done")
        (earlier,) = page.ask("earlier_calls", snapshot=0)["calls"]
        assert earlier["effect"] == "effectful" and earlier["result"] == "wrote a.txt"
        page.ask("fork", snapshot=0, calls={"a": choice}, name="again", text="")
        page.wait_for_pause(1)
        assert page.state["branch"]["name"] == "again"
        fork = page.view.execution
        fork.resume()
        answer = fork.result(20, wait=True).of_kind("tool_use")[0]
        assert (len(RAN), answer.metadata[nt.keys.ANSWERED_BY]) == (ran, mark)
        assert fork.session is not session and fork.session.tree.session is session

    confirmed = session.fork(execution.snapshots[0], confirm=["write"])
    confirmed.engine = nt.scripted(same_call.edit(id="m"), "end")
    execution = confirmed.ask(confirmed.latest)
    pause = execution.next().result(20)
    assert pause is not None and "already ran" in pause.reason
    with pytest.raises(nt.MisuseError, match="no call 'dig' ran"):
        session.fork(0, reuse=["dig"])


def test_a_failed_call_is_retried_with_other_settings_and_as_a_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [nt.EngineError("bad gateway sk-" + "a" * 40, status=502, request_id="req_7"), "up", "branch"]

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return turn + nt.assistant(answer)

    session = nt.Session(engine)
    execution = session.ask("go")
    with pytest.raises(nt.EngineError):
        execution.result(20)
    page = Page(execution, monkeypatch)
    page.wait(lambda: page.state.get("failure"))
    failure = page.state["failure"]
    assert (failure["status"], failure["request_id"], failure["call"], failure["can_retry"]) == (502, "req_7", 1, True)
    assert "a" * 40 not in json.dumps(page.state)

    assert "takes no parameters" in page.ask("retry", params={"temperature": "0.2"})["error"]
    page.ask("retry", branch=True)
    page.wait(lambda: page.state["status"] == "done" and page.state["branch"]["count"] == 2)
    assert page.view.execution.session is not session and page.view.execution.turn.text == "up"
    page.ask("open_branch", branch=0)
    page.wait(lambda: page.state["status"] == "failed")
    page.ask("retry")
    page.wait(lambda: page.state["status"] == "done")
    assert session.latest.text == "branch" and len(session.turns) == 2
    rows = page.ask("branches")["branches"]
    assert [(row["name"], row["depth"], row["here"]) for row in rows] == [("main", 0, True), ("fork-1", 1, False)]
    assert page.ask("compare_branches", branches=[0, 1])["pairs"][-1]["what"] == "edited"


def test_a_page_that_attaches_gets_the_whole_rail(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(paused(two_calls()), monkeypatch)
    page.cards(2)
    page.decide({})
    page.wait(lambda: page.state["pause"] == 2)
    assert page.state["rail"]["from"] > 0

    send_from_page(page.view, {"do": "state"})
    page.wait(lambda: page.state["rail"]["from"] == 0)
    assert [entry[:2] for entry in page.state["rail"]["entries"]] == [[0, 0], [1, 0], [2, 0]]


def test_who_changed_what_was_sent() -> None:
    async def add_note(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        answer: nt.Turn = await engine(turn + nt.system("Be brief."), scope)
        return answer

    async def drop_system(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        kept = nt.Turn(tuple(block for block in turn if block.kind != "system" or block.text != "Rules."))
        answer: nt.Turn = await engine(kept, scope)
        return answer + nt.assistant("added")

    session = nt.Session(nt.scripted("Hello."), middleware=[add_note, drop_system])
    execution = session.ask([nt.system("Rules."), nt.user("Hi")])
    execution.result(20)
    first, second = execution.layers()

    assert (first.name, second.name) == ("add_note", "drop_system")
    assert [block.text for block in first.added] == ["Be brief."] and first.removed == ()
    assert [block.text for block in second.removed] == ["Rules."]
    assert [block.text for block in second.added_to_answer] == ["added"]
    assert execution.layers(5) == ()


def test_the_snapshots_are_shown_as_a_table() -> None:
    execution = paused(two_calls())
    text = repr(execution.snapshots)

    assert text.splitlines()[0].split() == ["snapshot", "time", "iteration", "phase", "blocks", "added", "pending"]
    assert "before the tools" in text and "write, look_up" in text
    assert "<table" in execution.snapshots._repr_html_() and "before the model" in execution.snapshots._repr_html_()
    assert isinstance(execution.snapshots, list)


def test_a_session_view_asks_steps_and_shows_its_fork() -> None:
    session = two_calls()
    view = nt.view(session)
    assert isinstance(view, nt.widgets.SessionView) and isinstance(view, nt.widgets.RunView)
    RAN.clear()

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, view.debug
            time.sleep(0.005)

    send_from_page(view, {"do": "prompt", "text": "  "})
    send_from_page(view, {"do": "prompt", "text": "go", "step": True})
    wait(lambda: view.debug.get("cards"))
    assert session.execution is not None and view.debug["bar"]["pending_count"] == 2
    send_from_page(view, {"do": "prompt", "text": "again"})  # busy: refused
    send_from_page(view, {"do": "fork", "snapshot": 0, "name": "other"})
    wait(lambda: view.debug["branch"]["name"] == "other" and view.debug["pause"] == 1)
    assert view.session is not session and view.session.tree.session is session and len(session.executions) == 1
    send_from_page(view, {"press": "step", "pause": 1})
    wait(lambda: view.debug["pause"] == 2 or view.debug["bar"]["status"] == "done")  # the fork is followed
    send_from_page(view, {"do": "open_branch", "branch": 0})
    wait(lambda: view.debug["branch"]["name"] == "main" and view.debug.get("cards"))
    send_from_page(view, {"press": "run"})
    wait(lambda: view.debug["bar"]["status"] == "done")
    assert session.latest.text == "again" and RAN  # the fork took the answer before
    view._handle_msg(
        {"content": {"data": {"method": "update", "state": {"draft": "next", "debug": {}}}}, "buffers": []}
    )
    assert view.draft == "next" and view.debug["bar"]


def test_the_tree_of_branches_displays_as_a_table() -> None:
    session = two_calls()
    execution = paused(session)
    execution.step(deny={"a": "no"}).result(20)
    execution.resume()
    execution.result(20, wait=True)
    fork = session.fork(execution.snapshots[0], name="brief")
    fork.ask(nt.user("be <b>brief</b>")).result(20)

    html = session.tree._repr_html_()
    assert "main" in html and "brief" in html and "at 1" in html and "&lt;b&gt;" in html
    assert [node.name for node in session.tree] == ["main", "brief"]


def test_a_fan_out_is_a_grid_that_fills_and_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def echo(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        return turn + nt.assistant(f"You said: {turn[-1].text}")

    def shorter(turn: nt.Turn) -> nt.Turn:
        return turn.edit(0, text="Hi")

    branches = nt.fan_out(nt.turn("Hello"), engines=[echo], edits=[None, shorter])
    view = nt.widgets.FanOutView(branches)
    branches.result(20)
    answers: list[Any] = []
    monkeypatch.setattr(view, "send", lambda message, buffers=None: answers.append(json.loads(json.dumps(message))))
    end = time.monotonic() + 20
    while view.debug["ended"] < 2 and time.monotonic() < end:
        time.sleep(0.005)

    first, second = view.debug["rows"]
    assert (first["text"], second["text"], second["divergence"], second["edit"]) == (
        "You said: Hello",
        "You said: Hi",
        0,
        "shorter",
    )
    for branch in (1, 7):
        send_from_page(view, {"do": "compare", "branch": branch, "debug_id": str(branch)})
    while len(answers) < 2 and time.monotonic() < end:
        time.sleep(0.005)
    assert [pair["what"] for pair in answers[0]["pairs"]] == ["edited", "edited"] and "has not ended" in answers[1][
        "error"
    ]
    assert [branches.state_of(index) for index in (0, 1)] == ["ended", "ended"] and len(branches.plans) == 2

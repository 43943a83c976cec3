"""The view of a capture in a real JupyterLab: it grows while a cell with an agent is running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.lab.jupyterlab import Lab
from tests.lab.test_debugger import check_pictures
from tests.model_server import ANSWER, ModelServer, serve_model

OPENAI = """
import openai
import nbturns as nt
client = openai.OpenAI(api_key="sk-test-a1b2c3d4e5f6g7h8", base_url="{url}/v1")
captured = nt.capture(client)
nt.view(captured)
"""
OPENAI_LOOP = """
tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
messages = [{"role": "user", "content": "How is the weather in Paris?"}]
call = client.chat.completions.create(model="gpt-4.1", messages=messages, tools=[tool]).choices[0].message.tool_calls[0]
messages.append({"role": "assistant", "content": None, "tool_calls": [call.model_dump(exclude_none=True)]})
messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
for chunk in client.chat.completions.create(model="gpt-4.1", messages=messages, tools=[tool], stream=True):
    pass
captured.stop()
"""
ANTHROPIC = """
import anthropic
import nbturns as nt
client = anthropic.Anthropic(api_key="sk-test-a1b2c3d4e5f6g7h8", base_url="{url}")
captured = nt.capture(client)
captured
"""
ANTHROPIC_LOOP = """
for question in ("How is Rome?", "How is Paris?"):
    with client.messages.stream(model="claude-sonnet-4-6", max_tokens=100, messages=[{"role": "user", "content": question}]) as stream:
        stream.get_final_message()
"""


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with serve_model() as server:
        yield server


def test_a_loop_over_the_openai_client_grows_in_the_view_while_its_cell_runs(lab: Lab, model: ModelServer) -> None:
    lab.new([OPENAI.replace("{url}", model.url), OPENAI_LOOP])
    lab.run(0)
    output = lab.output(0)
    expect(output).to_contain_text("Capturing · no model call yet")

    model.gate.clear()
    lab.run(1, wait=False)
    rows = output.get_by_role("grid").get_by_role("row")
    expect(rows).to_have_count(1 + 4)  # the question, the call, its result, and the open reply
    expect(output).to_contain_text("the model is answering")
    expect(rows.last).to_contain_text("It is sunny")
    expect(rows.last).not_to_contain_text("Paris")
    expect(output).to_contain_text("Capturing · 1 run · 1 running")
    assert lab.evaluate("cell(1).executionState") == "running"

    lab.screenshot("captured-view-open", 0)
    model.gate.set()
    lab.wait(1)
    expect(rows.last).to_contain_text(ANSWER)
    expect(output).to_contain_text("Captured · 1 run")
    expect(output).not_to_contain_text("the model is answering")
    expect(output).to_contain_text("22 → 8 tokens")
    expect(rows).to_have_count(1 + 4)
    assert lab.errors == []
    assert lab.foreign_requests == []


def test_two_conversations_over_the_anthropic_client_are_two_rows_that_open(lab: Lab, model: ModelServer) -> None:
    lab.new([ANTHROPIC.replace("{url}", model.url), ANTHROPIC_LOOP])
    lab.run(0)
    output = lab.output(0)

    lab.run(1)
    table = output.get_by_role("table", name="Runs", exact=True).locator("tbody tr")
    expect(table).to_have_count(2)
    expect(output.get_by_role("grid").first).to_contain_text("How is Rome?")
    table.filter(has_text="How is Paris?").get_by_role("button").click()
    expect(output.get_by_role("grid").first).to_contain_text("How is Paris?")
    expect(output).to_contain_text("Capturing · 2 runs")

    check_pictures(lab, "captured-view")
    assert lab.errors == []
    assert lab.foreign_requests == []

"""What a Turn may say of its next call, in geppetto's shapes."""

from __future__ import annotations

import pytest

import nbturns as nt
from nbturns.values.inference_settings import InferenceConfig, StructuredOutputConfig

FILE = """
blocks: []
data:
  geppetto.inference_config@v1: {temperature: 0, stop: [], thinking_budget: 1024, later: 1}
  geppetto.structured_output_config@v1: {mode: json_schema, name: person, schema: {type: object}}
  geppetto.openai_inference_config@v1: {store: false}
  geppetto.claude_inference_config@v1: {top_k: many}
"""


def test_geppettos_settings_are_read_as_typed_values() -> None:
    data = nt.Turn.from_yaml(FILE).data

    assert data[nt.keys.INFERENCE_CONFIG] == InferenceConfig(temperature=0.0, stop=[], thinking_budget=1024)
    assert data[nt.keys.STRUCTURED_OUTPUT_CONFIG].schema == {"type": "object"}
    assert data[nt.keys.OPENAI_INFERENCE_CONFIG].store is False


def test_absent_decodable_and_undecodable_are_three_answers() -> None:
    data = nt.Turn.from_yaml(FILE).data

    assert nt.Turn().data.get(nt.keys.INFERENCE_CONFIG) is None
    assert data.get(nt.keys.INFERENCE_CONFIG) is not None
    with pytest.raises(nt.DecodeError, match="claude_inference_config"):
        data.get(nt.keys.CLAUDE_INFERENCE_CONFIG)


def test_what_is_none_is_not_written() -> None:
    turn = nt.Turn().with_data(nt.keys.INFERENCE_CONFIG, InferenceConfig(temperature=0.5, stop=["END"]))

    assert dict(turn.data.items()) == {"geppetto.inference_config@v1": {"temperature": 0.5, "stop": ["END"]}}


def test_a_setting_cannot_be_changed_from_outside() -> None:
    stop = ["END"]
    config = InferenceConfig(stop=stop)
    shape = StructuredOutputConfig(schema={"type": "object"})

    stop.append("MORE")

    assert config.stop == ["END"]
    with pytest.raises(TypeError):
        shape.schema["type"] = "array"

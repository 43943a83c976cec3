"""Values of metadata that are computed when they are first asked for: once, and no reader sees a difference."""

from __future__ import annotations

import copy
import pickle

import nbturns as nt
from nbturns.values.deferred import deferred, is_deferred, stored_metadata
from nbturns.values.frozen_json import FrozenDict
from nbturns.values.metadata import metadata_from_dict

FIELDS = nt.keys.FIELDS


def test_a_deferred_value_is_computed_once_and_is_equal_to_a_stored_one() -> None:
    counted: list[int] = []

    def compute(number: int) -> FrozenDict:
        counted.append(number)
        return FrozenDict(number=number)

    metadata = stored_metadata({"me.score@v1": 1, FIELDS.name: deferred(compute, 7)})
    stored = metadata_from_dict({"me.score@v1": 1, FIELDS.name: {"number": 7}})

    assert is_deferred(metadata, FIELDS) and not is_deferred(stored, FIELDS)
    assert list(metadata) == list(stored) and counted == []
    assert metadata[FIELDS] == metadata.raw(FIELDS) == {"number": 7}
    assert metadata.raw(FIELDS) is metadata.raw(FIELDS)
    assert metadata == stored and hash(metadata) == hash(stored) and metadata.to_dict() == stored.to_dict()
    assert pickle.loads(pickle.dumps(metadata)) == copy.deepcopy(metadata) == stored  # noqa: S301
    assert counted == [7]


def test_a_changed_copy_of_metadata_keeps_the_deferred_value() -> None:
    metadata = stored_metadata({FIELDS.name: deferred(FrozenDict, {"a": 1})}).with_(nt.Key("me.score@v1", int), 2)

    assert is_deferred(metadata, FIELDS) and metadata[FIELDS] == {"a": 1}

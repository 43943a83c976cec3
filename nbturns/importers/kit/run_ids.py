"""The ids of Runs whose source has none: the name of the file below the folder that was given, and the index in it."""

from __future__ import annotations

from dataclasses import replace

from ...values.deferred import is_deferred
from ...values.frozen_json import EMPTY_DICT
from ...values.provenance import BRANCH_OF, FIELDS, PARENT_RUN, ROOT_RUN
from ...values.turns import Run
from .run_names import name_in_file, sample_name

LINKS = (BRANCH_OF, PARENT_RUN, ROOT_RUN)  # in the metadata of a Run: the ids of others


class RunNumbering:
    """Gives ids to the Runs of one source, like `chats.jsonl#3`; without a file `memory#0`."""

    def __init__(self, place: str, index: int = 0, *, names_runs: bool = True) -> None:
        self.place = place
        self.index: int = index  # of the next Run
        self.names_runs: bool = names_runs  # a Run without a name gets that of its sample or its file
        self._ids: dict[str, str] = {}  # the new ids, by the ids that were made of the position in the file

    def passed(self, run: Run) -> Run:
        """Count a Run that keeps the id it has, and return it."""
        self.index += 1
        return run

    def numbered(self, run: Run) -> Run:
        """Return the Run with an id and a name, and with the new ids of the Runs before it in its links."""
        new_id, name = f"{self.place}#{self.index}", run.name
        if not name and self.names_runs:
            fields = EMPTY_DICT if is_deferred(run.metadata, FIELDS) else run.fields  # deferred ones are records
            name = sample_name(fields) or name_in_file(self.place, self.index)
        self.index += 1
        metadata = run.metadata
        for key in LINKS if self._ids and len(metadata) else ():
            linked_id = metadata.raw(key)
            if isinstance(linked_id, str) and linked_id in self._ids:
                metadata = metadata.with_(key, self._ids[linked_id])
        if run.id and run.import_report.has_run_id:
            is_same = metadata is run.metadata and name is run.name
            return run if is_same else replace(run, metadata=metadata, name=name)
        if run.id:
            self._ids[run.id] = new_id
        return replace(run, id=new_id, name=name, metadata=metadata)

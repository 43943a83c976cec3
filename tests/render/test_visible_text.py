"""Text that steers, hides or cannot be sent, in the kernel and in the page alike."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.text import visible
from tests.lab.npm_package import node

ELEMENTS = Path(nt.__file__).parent / "static" / "elements.js"
SHOWN = {
    "\x1b[31mred": r"\x1b[31mred",
    "exe.\u202egnp": r"exe.\u202egnp",
    "zero\u200bwidth and a\u200dscii": r"zero\u200bwidth and a\u200dscii",
    "tags \U000e0041\U000e0042": r"tags \U000e0041\U000e0042",
    "half \ud83d of one": r"half \ud83d of one",
    "\u200dfirst": r"\u200dfirst",
    "a family 👩‍👩‍👧, a flag 🏳️‍🌈, می‌خواهم and क्‍ष": "a family 👩‍👩‍👧, a flag 🏳️‍🌈, می‌خواهم and क्‍ष",
    "lines\n\tand tabs": "lines\n\tand tabs",
}


@pytest.mark.parametrize("text", SHOWN)
def test_what_steers_or_hides_is_written_out_and_what_spells_stays(text: str) -> None:
    assert visible(text) == SHOWN[text]


def test_the_page_writes_out_the_same_as_the_kernel() -> None:
    told = json.dumps(list(SHOWN))
    code = (
        f"import {{ visible }} from {json.dumps(ELEMENTS.as_uri())}; console.log(JSON.stringify({told}.map(visible)))"
    )

    done = subprocess.run(
        [node(), "--input-type=module", "-e", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert json.loads(done.stdout) == list(SHOWN.values())


@given(st.text(st.characters(categories=["Cs", "Cf", "Cc", "Ll"]), min_size=1))
def test_whatever_a_text_holds_a_page_can_be_sent_it(text: str) -> None:
    turn = nt.Turn(
        [nt.Block(text, {text: text}, role=text, id=text), nt.tool_call(text, text, {text: [text]}), nt.assistant(text)]
    )

    for shown in (turn._repr_html_(), json.dumps(nt.view(turn).get_state(["_start"]), ensure_ascii=False)):
        shown.encode()  # raises where half a character is left in it

"""The harness keeps its own promises, so that a failing view is the view's fault."""

from __future__ import annotations

from tests.lab.jupyterlab import Lab
from tests.lab.kernels import KERNELS


def test_a_cell_runs_on_the_release_of_ipykernel_that_was_asked_for(lab: Lab, kernel: str) -> None:
    lab.new(["import ipykernel\nprint(ipykernel.__version__)"], kernel)

    lab.run_all()

    assert lab.text(0).strip() == KERNELS[kernel]
    assert lab.frames > 0
    assert lab.errors == []
    assert lab.strangers == []


def test_a_restarted_kernel_has_forgotten_and_the_file_has_not(lab: Lab) -> None:
    lab.new(["x = 1\nx", "x"])
    lab.run_all()
    lab.restart_kernel()

    lab.run(1)

    assert lab.text(0) == "1"
    assert lab.text(1) == "NameError: name 'x' is not defined"
    assert lab.save()["cells"][0]["outputs"][0]["data"] == {"text/plain": ["1"]}


def test_a_cell_can_be_looked_at_while_it_runs(lab: Lab) -> None:
    lab.new(["print('begun'); input()", "2"])
    lab.run(0, wait=False)

    lab.output(0).get_by_text("begun").wait_for()

    lab.output(0).locator(".jp-Stdin-input").press("Enter")
    lab.wait(0)
    lab.shut_down_kernel()
    lab.until("!panel.sessionContext.session?.kernel")


def test_the_theme_changes_what_a_picture_shows(lab: Lab) -> None:
    lab.new(["print('a picture')"])
    lab.run_all()

    lab.theme("Light")
    light = lab.screenshot("harness-light", 0).read_bytes()
    lab.theme("Dark")
    dark = lab.screenshot("harness-dark", 0).read_bytes()

    assert light != dark

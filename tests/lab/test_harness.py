"""Tests of the harness itself, so that other failures are failures of the views."""

from __future__ import annotations

from tests.lab.jupyterlab import Lab
from tests.lab.kernels import KERNELS


def test_a_cell_runs_with_the_requested_release_of_ipykernel(lab: Lab, kernel: str) -> None:
    lab.new(["import ipykernel\nprint(ipykernel.__version__)"], kernel)

    lab.run_all()

    assert lab.text(0).strip() == KERNELS[kernel]
    assert lab.frames > 0
    assert lab.errors == []
    assert lab.foreign_requests == []


def test_a_restarted_kernel_loses_its_variables_but_not_the_outputs(lab: Lab) -> None:
    lab.new(["x = 1\nx", "x"])
    lab.run_all()
    lab.restart_kernel()

    lab.run(1)

    assert lab.text(0) == "1"
    assert lab.text(1) == "NameError: name 'x' is not defined"
    assert lab.save()["cells"][0]["outputs"][0]["data"] == {"text/plain": ["1"]}


def test_the_output_of_a_running_cell_can_be_read(lab: Lab) -> None:
    lab.new(["print('begun'); input()", "2"])
    lab.run(0, wait=False)

    lab.output(0).get_by_text("begun").wait_for()

    lab.output(0).locator(".jp-Stdin-input").press("Enter")
    lab.wait(0)
    lab.shut_down_kernel()
    lab.wait_until("!panel.sessionContext.session?.kernel")


def test_the_theme_changes_the_screenshot(lab: Lab) -> None:
    lab.new(["print('a picture')"])
    lab.run_all()

    lab.theme("Light")
    light_image = lab.screenshot("harness-light", 0).read_bytes()
    lab.theme("Dark")
    dark_image = lab.screenshot("harness-dark", 0).read_bytes()

    assert light_image != dark_image

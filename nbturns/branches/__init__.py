"""Sessions from recorded Runs, and many branches of one conversation."""

from __future__ import annotations

from .branch_runs import Branch as Branch
from .branch_runs import Branches as Branches
from .branch_runs import fan_out as fan_out
from .rerun_session import rerun as rerun

__all__ = ["Branch", "Branches", "fan_out", "rerun"]

"""A small soak: `benchmarks/soak.py` with a thousand rows; the program itself asserts that all adds up."""

import logging
import os

import pytest

from benchmarks.soak import OWN, Plan, soak


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux how much memory there is")
def test_a_thousand_rows_of_which_many_fail_in_every_way_add_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "typefold.runtime.scheduling.scheduler")
    plan = Plan(1000, crash_every=300, poison_every=700)
    assert {plan.of(row) for row in range(plan.rows)} == {*OWN, "fine", "step", "add", "poison"}
    on_its_way, ends = soak(plan)
    assert sum(row["rows"] for row in ends) == 1000
    assert {row["ended as"] for row in ends} == {*OWN, "EngineFailed", "value"}
    first, *_, last = on_its_way
    assert last["restarts"] == plan.restarts() == 7
    assert last["open files"] <= first["open files"] + 2
    assert last["threads"] <= first["threads"] + 2

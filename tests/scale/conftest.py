"""One Ray for all tests of this folder: its start takes longer than any of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """Ray on this machine alone: no dashboard, nothing sent anywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_worker_niceness", "0")  # else all that runs beside goes before the actors
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        _start(attempts=4)
        yield
        ray.shutdown()


def _start(attempts: int) -> None:
    """On a busy machine some of Ray's processes miss its own limit for their start, which can't be set."""
    for left in reversed(range(attempts)):
        try:
            ray.init(
                num_cpus=4,
                num_gpus=0,
                include_dashboard=False,
                object_store_memory=100 << 20,
                logging_level="ERROR",
                log_to_driver=False,
            )
        except Exception:
            ray.shutdown()
            if not left:
                raise
        else:
            ray.data.DataContext.get_current().enable_progress_bars = False
            return

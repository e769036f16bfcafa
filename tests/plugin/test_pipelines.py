"""The example of pipelines under mypy with the plugin of returns, which checks each step of `flow` against the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .conftest import Project

PIPELINES = (Path(__file__).parent.parent.parent / "examples" / "pipelines.py").read_text(encoding="utf-8")
STEPS = "bind(in_time), lash(mended)"


def test_steps_that_fit_pass_and_others_do_not(project_with: Callable[..., Project]) -> None:
    project = project_with("typefold.mypy", "pydantic.mypy", "returns.contrib.mypy.returns_plugin")
    project.write("app.py", PIPELINES)
    assert project.check("app.py") == []
    assert STEPS in PIPELINES
    project.write("app.py", PIPELINES.replace(STEPS, "bind(place.safe), lash(mended)"))
    wrong = project.check("app.py")
    assert wrong and {error.code for error in wrong} <= {"arg-type", "return-value"}

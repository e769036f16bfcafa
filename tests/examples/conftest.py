"""The output of a program, in lines that are not broken."""

from collections.abc import Callable

import pytest


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """What was printed since this was last asked, as on a wide terminal; table rows with single spaces for their borders."""
    monkeypatch.setenv("COLUMNS", "300")

    def told() -> str:
        out = capsys.readouterr().out
        return "\n".join(" ".join(line.replace("│", " ").split()) for line in out.splitlines())

    return told

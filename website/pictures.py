"""The terminal picture of the README and the site, from a real run of the quickstart on the demo model (`make picture`).

The program's output is recorded as it is printed, and nothing is added but the command. Rich's own template names a
web font; the picture may load nothing, so it has a template without one. Left out: what vLLM logs to standard error.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

from rich import _export_format
from rich.console import Console

from typefold import demo_model

ROOT = Path(__file__).parent.parent
PROGRAM = ROOT / "examples" / "quickstart.py"
PICTURE = ROOT / "docs" / "pictures" / "quickstart.svg"
TEMPLATE = re.sub(r"\s*@font-face \{\{.*?\}\}", "", _export_format.CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
)


def main() -> None:
    """Run the program and write the picture."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    spec = importlib.util.spec_from_file_location("quickstart", PROGRAM)
    assert spec is not None and spec.loader is not None
    program: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    console = Console(record=True, width=88, force_terminal=True, color_system="truecolor")
    console.print(f"[bold]$[/bold] python {PROGRAM.relative_to(ROOT).as_posix()}")
    program.Console = lambda: console
    program.sys.argv = [str(PROGRAM), str(demo_model())]
    program.main()
    PICTURE.parent.mkdir(exist_ok=True)
    console.save_svg(str(PICTURE), title="typefold", code_format=TEMPLATE, unique_id="quickstart")
    written = PICTURE.read_text(encoding="utf-8")
    PICTURE.write_text("\n".join(line.rstrip() for line in written.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    main()

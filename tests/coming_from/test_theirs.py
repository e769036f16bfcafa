"""The programs that the pages of `docs/coming-from/` show for other libraries, run with these libraries: `make prove`.

vLLM, Outlines and Ray Data LLM drive the demo model; all others ask `server.py`. A program stays as its page has it but for
the names of the model and of the server.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.libraries import beside, environment
from tests.pages.blocks import PAGES, ROOT, blocks, shared
from typefold import demo_model

from .server import serving

BUILD = ROOT / "build"
THEIRS = {page: block.needs for page in PAGES for block in blocks(page) if block.use == "theirs" and block.needs}
WITH_VLLM = ("vllm", "outlines", "ray")
BESIDE = {"outlines": ("genson", "diskcache"), "sglang": ("pybase64", "ipython")}
"""Libraries that need torch or vLLM, and so are put beside those of this environment, with what they need further."""

CHARACTERS = """
if __name__ == "__main__":
    import json
    from pathlib import Path
    values = [type(each).model_validate(each.model_dump()).model_dump() for each in characters]
    Path("characters.json").write_text(json.dumps(values))
"""


def name_of(needs: str) -> str:
    return re.split(r"[\[=<>]", needs)[0]


@pytest.mark.parametrize(("page", "needs"), THEIRS.items())
def test_a_page_names_the_version_of_its_program(page: str, needs: str) -> None:
    version = needs.partition("==")[2]
    assert version in (ROOT / page).read_text(encoding="utf-8").partition("```")[0].split("<!--")[0]
    assert version or name_of(needs) in ("vllm", "ray")  # those of this environment


@pytest.mark.prove
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(
    ("page", "needs"),
    [
        pytest.param(page, needs, id=name_of(needs), marks=[pytest.mark.engine] if name_of(needs) in WITH_VLLM else [])
        for page, needs in THEIRS.items()
    ],
)
def test_their_program_runs(page: str, needs: str, tmp_path: Path) -> None:
    try:
        python, variables = place(needs)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{needs} can't be installed here: {error.stderr.strip().splitlines()[-1]}")
    program = "".join(block.text for block in blocks(page) if block.use == "theirs") + CHARACTERS
    with serving() as server:
        if name_of(needs) in WITH_VLLM:
            program = program.replace("Qwen/Qwen3-4B", str(demo_model()))
        program = re.sub(r"http://localhost:\d+", server.address, program)
        characters = json.loads(run(page, program, tmp_path, python, variables))
        assert [sorted(each) for each in characters] == [["age", "name", "role"]] * 3
        assert (len(server.asked) < 3) == (name_of(needs) in WITH_VLLM)


@pytest.mark.prove
def test_a_frame_of_daft_goes_in_and_answers_come_back(tmp_path: Path) -> None:
    page = "docs/coming-from/daft.md"
    [program] = [block.text for block in blocks(page) if block.use == "types"]
    program = program.replace('Runtime("Qwen/Qwen3-4B")', "Runtime(ScriptedEngine(seed=3))")
    program = f"from typefold.runtime.engines.scripted import ScriptedEngine\n{program}{CHARACTERS}"
    program += "assert answers.to_pydict()['age'] == [each.age for each in characters]\n"
    folder = beside(BUILD / "beside" / "daft", THEIRS[page].replace("[openai]", ""))
    assert len(json.loads(run(page, program, tmp_path, Path(sys.executable), {"PYTHONPATH": str(folder)}))) == 3


@pytest.mark.prove
@pytest.mark.engine
def test_an_llm_of_the_programs_own_takes_dictionaries(tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    page = "docs/coming-from/vllm.md"
    [program] = [block.text for block in blocks(page) if block.use == "types"]
    program = program.replace("Qwen/Qwen3-4B", str(demo_model())) + f"    assert len(same) == 3\n{CHARACTERS}"
    python, variables = place("vllm")
    assert len(json.loads(run(page, program, tmp_path, python, variables))) == 3


def run(page: str, program: str, folder: Path, python: Path, variables: Mapping[str, str]) -> str:
    """Run a program beside the files that its page takes for granted, and return the characters that it wrote."""
    for block in shared(page):
        (folder / str(block.title)).write_text(block.text, encoding="utf-8")
    (folder / "program.py").write_text(program, encoding="utf-8")
    environment = {**os.environ, **variables}
    done = subprocess.run(
        [python, "program.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return (folder / "characters.json").read_text(encoding="utf-8")


def place(needs: str) -> tuple[Path, Mapping[str, str]]:
    """Return the interpreter for a library, which is installed where it is missing, and the environment's variables."""
    name = name_of(needs)
    variables = {"HOME": str(BUILD / "home"), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "VLLM_CPU_KVCACHE_SPACE": "1"}
    if name == "ray":  # it waits for a GPU, and vLLM here is for a CPU
        pytest.importorskip("ray.serve", reason="vLLM's metrics want ray[llm]", exc_type=ImportError)
        variables["RAY_OVERRIDE_RESOURCES"] = '{"GPU": 1}'
    if name in BESIDE:
        folder = beside(BUILD / "beside" / name, needs, *BESIDE[name])
        return Path(sys.executable), {**variables, "PYTHONPATH": str(folder)}
    if "==" not in needs:
        return Path(sys.executable), variables
    python = environment(BUILD / "peers" / name, needs)
    # curator counts tokens with an encoding that tiktoken downloads; LiteLLM, which it needs, brings a copy.
    for tokenizers in encodings(python):
        variables["TIKTOKEN_CACHE_DIR"] = str(tokenizers)
    return python, variables


def encodings(python: Path) -> Iterator[Path]:
    return python.parent.parent.glob("lib/python*/site-packages/litellm/litellm_core_utils/tokenizers")

"""`make dist` and `make releases`: what they read, count and complain of. They themselves build environments, and run apart."""

from __future__ import annotations

import re
import sys
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest

from . import distribution, releases
from .sections import section_of

REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="test_good"/>
<testcase classname="tests.a" name="test_bad"><failure>no</failure></testcase>
<testcase classname="tests.a" name="test_left_out"><skipped/></testcase>
<testcase classname="tests.a" name="test_end"/><testcase classname="tests.a" name="test_end"><error>no</error></testcase>
<testcase classname="tests.b" name="test_good"><error>no</error></testcase>
<testcase classname="tests.b" name="test_good"/>
</testsuite></testsuites>"""


def test_a_test_that_fails_at_any_time_has_failed() -> None:
    assert releases.outcomes_of(REPORT) == {
        "tests.a::test_good": "passed",
        "tests.a::test_bad": "failed",
        "tests.a::test_left_out": "skipped",
        "tests.a::test_end": "failed",
        "tests.b::test_good": "failed",
    }


def test_a_round_has_one_line_of_the_table_in_its_place() -> None:
    lines = [
        "| on a real engine | 3.11.7 | 0.32.0 | 2.13.0+cpu | 5.1 | 0.2 | 7 | 0 | 1 |",
        "| without an engine | 3.12.1 | | | | | 5 | 1 | 0 |",
        "| on a real engine | 3.11.7 | 0.25.0 | 2.11.0 | 5.1 | 0.2 | 7 | 0 | 0 |",
        "| without an engine | 3.12.9 | | | | | 6 | 0 | 0 |",
        "| without an engine | 3.11.7 | | | | | 6 | 0 | 0 |",
        "| on a real engine | 3.12.9 | 0.32.0 | 2.13.0+cpu | 5.2 | 0.2 | 8 | 0 | 0 |",
    ]
    table = ""
    for line in lines:
        table = releases.with_row(table, line)
    assert table == "\n".join([releases.HEAD, lines[4], lines[3], lines[2], lines[5]])


def test_what_fits_no_cpu_torch_is_left_out(tmp_path: Path) -> None:
    needs = [
        "numpy",
        "torch==2.11.0+cpu",
        "torchvision",
        "torchaudio; x == 'y'",
        "torchcodec>=0.14",
        'ray; extra == "ray"',
    ]
    with ZipFile(tmp_path / "it.whl", "w") as wheel:
        wheel.writestr("it-1.dist-info/METADATA", "".join(f"Requires-Dist: {need}\n" for need in needs))
    assert releases.requirements(tmp_path / "it.whl") == needs[:2]


def test_a_python_is_found_by_version_and_by_path() -> None:
    minor = "{}.{}".format(*sys.version_info)
    for wanted in (minor, sys.executable):
        found = releases.interpreter(wanted)
        assert found is not None and releases.release_of(found).startswith(f"{minor}."), wanted
    assert releases.interpreter("2.99") is releases.interpreter("/nowhere/python") is None


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("", "", None),
        ("Summary", None, "no Summary"),
        ("Project-URL", None, "no Project-URL"),
        ("Classifier", "Topic :: Nothing", "unknown classifier Topic :: Nothing"),
        ("Provides-Extra", "more", "the extras are not those of pyproject.toml"),
        ("Description-Content-Type", None, "no README as description"),
    ],
)
def test_metadata_that_is_not_complete_is_told(field: str, value: str | None, told: str | None) -> None:
    said = Message()
    for name in ("Summary", "License-Expression", "Requires-Python", "Project-URL"):
        said[name] = "x"
    for extra in distribution.PROJECT["optional-dependencies"]:
        said["Provides-Extra"] = extra
    for classifier in distribution.PROJECT["classifiers"]:
        said["Classifier"] = classifier
    said["Description-Content-Type"] = "text/markdown"
    said.set_payload("# typefold")
    if value is not None and field:
        said[field] = value
    elif field:
        del said[field]
    assert distribution.complaints(said, {*distribution.PROJECT["classifiers"]}) == ([] if told is None else [told])


def test_the_table_of_the_page_is_of_supported_versions() -> None:
    table = section_of(releases.PAGE.read_text(encoding="utf-8"), releases.SECTION)
    assert table is not None and table.startswith(releases.HEAD)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    needed, *_ = distribution.PROJECT["optional-dependencies"]["cpu"]
    first, last = (int(part) for part in re.findall(r"0\.(\d+)", needed))
    tried = [version for _, _, version, *_ in rows if version]
    assert tried and all(first <= int(version.split(".")[1]) < last for version in tried)
    assert all(
        f"Programming Language :: Python :: {python.rpartition('.')[0]}" in distribution.PROJECT["classifiers"]
        for _, python, *_ in rows
    )

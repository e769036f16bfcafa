"""The site builds with warnings as errors, holds every page, and loads nothing from elsewhere."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

import typefold
import typefold.testing
from typefold import compiler, runtime

from .blocks import PAGES, ROOT

CONFIG: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]

needs_the_builder = pytest.mark.skipif(importlib.util.find_spec("zensical") is None, reason="without the extra docs")


def entries(nav: Any) -> Iterator[str]:
    """The pages of a navigation: a page, a list, or a table of a title and what stands under it."""
    match nav:
        case str():
            yield nav
        case dict():
            yield from entries(list(cast("dict[str, Any]", nav).values()))
        case _:
            for entry in nav:
                yield from entries(entry)


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")]
    assert sorted(entries(CONFIG["nav"])) == sorted(pages)


def test_links_of_pages_outside_the_site_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            assert target.startswith("https://") or (ROOT / target).exists(), f"{page}: {target}"


def _made_in(module: ModuleType) -> list[str]:
    """The public names that a module's page shows: of its own list, or of the classes and functions that it defines."""
    tree = ast.parse(inspect.getsource(module))
    own = [node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    return [*getattr(module, "__all__", (name for name in own if not name.startswith("_")))]


def test_whatever_is_public_is_in_the_reference() -> None:
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES if page.startswith("docs/reference/"))
    shown: list[Any] = []
    for name in re.findall(r"^::: ([\w.]+)$", text, flags=re.MULTILINE):
        found = pkgutil.resolve_name(name)
        shown += [vars(found)[each] for each in _made_in(found)] if inspect.ismodule(found) else [found]
    public = [(module, name) for module in (typefold, typefold.testing, compiler, runtime) for name in module.__all__]
    missing = [
        f"{module.__name__}.{name}"
        for module, name in public
        if not any(getattr(module, name) is each or type(getattr(module, name)) is each for each in shown)
    ]
    assert not missing, f"give these a `::: name` on a page of docs/reference/: {', '.join(missing)}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built elsewhere, so that nothing is left behind."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copytree(ROOT / "website", folder / "website", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "zensical.toml", folder)
    (folder / "build").mkdir()
    (folder / "build" / "types").symlink_to(ROOT / "build" / "types")
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / str(CONFIG["site_dir"])


class Loaded(HTMLParser):
    """What a page loads, be it seen or not: links that are clicked are none of it."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        self.classes.update((of.get("class") or "").split())
        if tag == "link" and (of.get("rel") or "") in ("canonical", "alternate", "next", "prev"):
            return
        self.targets += [of[name] or "" for name in ("src", "data", "poster") if name in of]
        self.targets += [of["href"] or ""] if tag == "link" and "href" in of else []


@needs_the_builder
def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    foreign = re.compile(r"^(?:\w+:)?//")
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES) - 2
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert loaded.targets, page
        assert not [target for target in loaded.targets if foreign.match(target)], page
        # For these the theme's own script would load another from elsewhere.
        assert not loaded.classes & {"mermaid", "glightbox", "pyodide", "md-source"}, page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style
    for picture in site.rglob("*.svg"):
        assert not re.search(
            r"(?:href|src)=[\"'](?:https?:)?//|url\([\"']?https?:", picture.read_text(encoding="utf-8")
        )


@needs_the_builder
def test_examples_of_docstrings_are_code(site: Path) -> None:
    page = (site / "reference" / "prompts.html").read_text(encoding="utf-8")
    assert "Examples:" in page and '<span class="gp">&gt;&gt;&gt; </span>' in page


@needs_the_builder
def test_the_search_works_where_pages_are_opened_as_files(site: Path) -> None:
    for page in (site / "index.html", site / "guides" / "rows.html"):
        assert "javascripts/iframe-worker.js" in page.read_text(encoding="utf-8")
    assert "class {" in (site / "javascripts" / "iframe-worker.js").read_text(encoding="utf-8")
    assert (site / "search.js").read_text(encoding="utf-8").startswith("var __index")


@needs_the_builder
def test_pipes_in_tables_have_no_backslash(site: Path) -> None:
    page = (site / "types.html").read_text(encoding="utf-8")
    assert "<code>str | None</code>" in page and "\\|" not in page

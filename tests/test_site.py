# SPDX-License-Identifier: Apache-2.0
"""The site: built without a warning, every page in it, figures and commands those of today's tables and code."""

import csv
import html
import re
import runpy
import shlex
import subprocess
import sys
from inspect import isclass, isfunction
from pathlib import Path

import pytest
from PIL import Image

import monai_kd
from monai_kd.export.web.npm_packages import fetch_packages
from tests.export.web.conftest import serve
from tests.helpers import made_once

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
COMMANDS = DOCS / "reference" / "commands.md"
FIGURES = runpy.run_path(str(DOCS / "figures.py"))


def made(command, target, elsewhere):
    """What a line of the Makefile makes, in another place."""
    (line,) = re.findall(rf"-m ({command})$", (ROOT / "Makefile").read_text(), re.M)
    words = [str(elsewhere) if word == target else word for word in shlex.split(line)]
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return elsewhere


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """`make docs`, elsewhere."""
    return made_once(tmp_path_factory, "site", lambda folder: made(r"sphinx .*", "docs/_build/html", folder))


def test_every_page_is_in_it(site):
    pages = [page.relative_to(DOCS) for suffix in ("md", "ipynb") for page in DOCS.rglob(f"*.{suffix}")]
    start = (site / "index.html").read_text()
    for page in pages:
        if "_build" not in page.parts:
            assert (site / page).with_suffix(".html").is_file(), page
            assert (
                f'href="{page.with_suffix(".html")}"' in start
                or page.parent.name == "reference"
                or page.stem == "index"
            )


MEASURE = """() => ({
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    cut: [...document.querySelectorAll("article :is(.highlight-bash, .highlight-python, .doctest) pre")]
        .filter(block => block.scrollWidth > block.clientWidth + 1).map(block => block.innerText),
    silent: [...document.images].filter(image => image.alt.split(" ").length < 3).map(image => image.src),
})"""


def test_pages_fit_a_screen(site, chromium):
    """Nothing to scroll sideways but tables and what commands print; pictures are described."""
    tab = chromium.new_page()
    written = [page for page in site.glob("*.html") if page.name != "py-modindex.html"]  # Sphinx's own
    written += site.glob("notebooks/*.html")
    names = site.glob("reference/**/*.html")  # text alone: what of it fits a phone fits a desktop
    for width, pages in ((400, [*written, *names]), (1300, written)):
        tab.set_viewport_size({"width": width, "height": 900})
        for page in pages:
            tab.goto(page.as_uri())
            measured = tab.evaluate(MEASURE)
            if page.parent.name == "notebooks":
                measured["silent"] = []  # outputs of cells have no place for a description
            assert measured == {"overflow": 0, "cut": [], "silent": []}, (page.name, width)
    tab.close()


def test_every_link_leads_to_a_page_and_a_heading(site):
    anchors = {page: set(re.findall(r' id="([^"]+)"', page.read_text())) for page in site.rglob("*.html")}
    for page, text in ((page, page.read_text()) for page in anchors):
        for target, anchor in re.findall(r'<a [^>]*href="([^":#?]*)(?:#([^"]*))?"', text):
            file = (page.parent / target).resolve() if target else page
            assert file.exists(), f"{page.name}: {target}"
            assert not anchor or file not in anchors or anchor in anchors[file], f"{page.name}: {target}#{anchor}"


def test_every_public_name_is_in_the_reference(site):
    text = "".join(page.read_text() for page in (site / "reference").rglob("*.html"))
    described = set(re.findall(r'<dt class="sig[^>]*id="monai_kd\.([\w.]+)"', text))
    names = {name.rsplit(".", 1)[-1] for name in described}
    for room in ("losses", "networks", "transforms", "handlers", "engines", "teachers", "data"):
        for name, value in vars(getattr(monai_kd, room)).items():
            if name in getattr(monai_kd, room).__all__ and (isclass(value) or isfunction(value)):
                assert name in names, f"monai_kd.{room}.{name}"


def test_the_site_holds_the_page_that_segments(site, chromium):
    try:
        fetch_packages()
    except ValueError as error:
        pytest.skip(f"the page's npm packages are not here: {error}")
    tab, requests = chromium.new_page(), []
    tab.set_default_timeout(60_000)
    tab.on("request", lambda request: requests.append(request.url))
    with serve(site) as address:
        tab.goto(f"{address}/web.html")
        assert not any("/try/" in url for url in requests), "nothing is loaded before it is asked for"
        tab.get_by_text("Open the page").click()
        frame = tab.frame_locator("iframe.page")
        frame.locator("#status", has_text="Ready.").wait_for()
        frame.locator("#example").click()
        frame.locator("#savemask:enabled").wait_for()
        assert "%" in frame.locator("#result").inner_text()
        assert all(url.startswith((address, "blob:", "data:")) for url in requests)
        tab.close()


def test_a_site_without_the_packages_says_so(tmp_path, monkeypatch, capsys):
    page = runpy.run_path(str(DOCS / "page_to_try.py"))
    (tmp_path / "try").mkdir()

    def refuse(*_):
        raise ValueError("onnxruntime-web cannot be downloaded.")

    monkeypatch.setitem(page["write"].__globals__, "export_student", refuse)
    assert not page["write"](tmp_path) and not (tmp_path / "try").exists()
    assert "The site has no page to try. onnxruntime-web cannot be downloaded. For" in capsys.readouterr().err
    text = page["filled"]((DOCS / "web.md").read_text(), False)
    assert "was built without the page" in text and "iframe" not in text and page["MARK"] not in text


@pytest.mark.parametrize("file", sorted((DOCS / "tables").glob("*.csv")), ids=lambda file: file.name)
def test_every_row_of_a_table_is_shown(site, file):
    with file.open(encoding="utf-8", newline="") as opened:
        names, *rows = csv.reader(opened)
    assert len(set(names)) == len(names)
    assert rows and all(len(row) == len(names) and all(row) for row in rows)
    text = html.unescape(re.sub("<[^>]+>", "\n", (site / "tables.html").read_text()))
    shown = {line.strip() for line in text.splitlines()}
    for cell in (cell for row in (names, *rows) for cell in row):
        assert cell.replace("'", "’") in shown, cell


@pytest.mark.parametrize("name", FIGURES["FIGURES"])
def test_figures_are_of_todays_tables(name):
    _, numbers = FIGURES["FIGURES"][name]()
    drawn = Image.open(DOCS / "images" / name).text["Description"]
    assert drawn == FIGURES["digest"](numbers), "python docs/figures.py draws it anew"


def test_commands_are_todays(tmp_path):
    made(r"typer .*", "docs/reference/commands.md", tmp_path / "commands.md")
    assert COMMANDS.read_text() == (tmp_path / "commands.md").read_text(), "make docs writes it anew"

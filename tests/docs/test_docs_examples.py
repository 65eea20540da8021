"""What the pages in docs/ show is what the code does: examples are recomputed, programs run, names looked up."""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import io
import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from ockam.secure_channel.noise import SUITES
from tests.docs.examples import EXAMPLES

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = ROOT / "src" / "ockam"
# Made by a program from the command's help: other rules.
PAGES: Final = sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "cli.md")
FENCE: Final = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
NAME: Final = re.compile(r"name=(\w+)")
# Of a program that uses libraries of others: it runs where they are installed (make test-services).
NEEDS: Final = re.compile(r"needs=([\w,]+)")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """One fenced block of a page."""

    page: Path
    line: int
    info: str
    body: str

    @property
    def name(self) -> str | None:
        found = NAME.search(self.info)
        return None if found is None else found[1]

    @property
    def needs(self) -> list[str]:
        found = NEEDS.search(self.info)
        return [] if found is None else found[1].split(",")


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match["info"].strip(), match["body"])
        for match in FENCE.finditer(text)
    ]


ALL: Final = [block for page in PAGES for block in blocks(page)]
NAMED: Final = [block for block in ALL if block.name is not None]
PROGRAMS: Final = [
    pytest.param(
        block,
        following.body if following is not None and following.info == "output" else "",
        marks=[pytest.mark.services] if block.needs else [],
    )
    for block, following in zip(ALL, [*ALL[1:], None], strict=True)
    if block.info.split(" ")[0] == "python"
]


# ---- examples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", NAMED, ids=lambda block: f"{block.page.stem}-{block.name}")
def test_an_example_is_what_the_code_makes(block: Block) -> None:
    made = EXAMPLES[block.name or ""]()
    if isinstance(made, str):
        assert block.info.startswith("text ")
        assert "".join(block.body.split()) == made
    else:
        assert block.info.startswith("hex ")
        # A semicolon begins a remark.
        shown = "".join(line.partition(";")[0] for line in block.body.splitlines())
        assert "".join(shown.split()) == made.hex()


def test_every_example_is_shown_once() -> None:
    assert sorted(block.name or "" for block in NAMED) == sorted(EXAMPLES)


def test_hexadecimal_blocks_have_names() -> None:
    assert [block for block in ALL if block.info.startswith("hex") and block.name is None] == []


@pytest.mark.parametrize(("block", "output"), PROGRAMS, ids=lambda value: f"line-{getattr(value, 'line', '')}")
def test_a_program_prints_what_the_page_says(block: Block, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in block.needs:
        pytest.importorskip(module)
    monkeypatch.setattr("logging.basicConfig", lambda **_: None)
    printed = io.StringIO()
    code = compile(block.body, f"{block.page.name}:{block.line}", "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, {"__name__": "__main__"})  # noqa: S102 - our own page
    assert printed.getvalue() == output


# ---- names and links -------------------------------------------------------------------------------------------------


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def code_words(page: Path) -> list[str]:
    """What stands between backticks in the text."""
    return re.findall(r"`([^`\n]+)`", prose(page))


@cache
def defined_names() -> frozenset[str]:
    """Every name that a module of the package defines, and every attribute of its classes."""
    names: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return frozenset(names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_classes_and_constants_named_on_a_page_exist(page: Path) -> None:
    pattern = re.compile(r"(?:[A-Z][a-z0-9]+){2,}|[A-Z][A-Z0-9]*_[A-Z0-9_]+")
    # Names that are not Python's: of the reference, of the environment, of a cipher suite.
    foreign = {"BTreeMap", "OpenSSL", "PostgreSQL", "OCKAM_PEER", *SUITES, "SC_PK", "C_PK"}
    words = {word.partition("(")[0] for word in code_words(page)}
    missing = {word for word in words if pattern.fullmatch(word)} - foreign - defined_names() - set(dir(builtins))
    # A state of the protocol is shown in drawings, a suite by its name.
    assert {word for word in missing if not word.startswith("X3DH_")} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_functions_named_on_a_page_exist(page: Path) -> None:
    words = {
        word.partition("(")[0].rpartition(".")[2] for word in code_words(page) if re.fullmatch(r"[\w.]+\(.*\)", word)
    }
    ours = {word for word in words if word.islower()}
    assert ours - defined_names() == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_modules_and_files_named_on_a_page_exist(page: Path) -> None:
    for word in code_words(page):
        if re.fullmatch(r"ockam(\.[A-Za-z_]\w*)+", word):
            module, _, attribute = word.rpartition(".")
            try:
                importlib.import_module(word)
            except ModuleNotFoundError:
                assert hasattr(importlib.import_module(module), attribute), word
        elif re.fullmatch(r"[a-z_0-9]+/[\w/.-]*", word) and page.name != "differences.md":
            # `bench/results.json` is written by `make bench`.
            known = word == "bench/results.json" or (ROOT / word).exists() or (SOURCES / word).exists()
            assert known, word


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_sections_that_links_lead_to_exist(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        path, _, section = target.partition("#")
        if section and not path.startswith("http"):
            other = page.parent / path if path else page
            headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert section in slugs, target


def test_the_index_has_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if page.name != "README.md" and f"({page.name})" not in index] == []


def test_the_checks_of_a_peer_are_numbered_where_the_code_says() -> None:
    text = (ROOT / "docs" / "secure-channels.md").read_text(encoding="utf-8")
    section = text.partition("\n## Verification\n")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)] == list(range(1, 13))


def test_the_cells_of_the_results_are_measured() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    table = text.partition("\n## Results\n")[2].partition("\n## ")[0]
    measured = (ROOT / "bench" / "run.py").read_text(encoding="utf-8")
    assert [cell for cell in re.findall(r"^\| `(\w+)`", table, re.MULTILINE) if f'"{cell}"' not in measured] == []

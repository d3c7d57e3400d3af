"""Every Python example of README.md and of the manual runs, page by page, and says what the page says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import dndarray as dnd

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
"""What is not to run bears another name, such as text."""

SAID = re.compile(r"# -> (.*)$")
"""What the expression on this line is said to give."""

TARGET = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[str]:
    """The examples, each with as many empty lines before it as make its line numbers those of the page."""
    text = page.read_text()
    found = []
    for match in BLOCK.finditer(text):
        lines = match[2].splitlines()
        code = "\n".join(line.removeprefix(match[1]) for line in lines)
        found.append("\n" * text.count("\n", 0, match.start(2)) + code)
    return found


def run(code: str, page: Path, namespace: dict) -> None:
    """Run a block statement by statement, comparing what is said with what is given."""
    lines = code.splitlines()
    for statement in ast.parse(code).body:
        said = SAID.search(lines[statement.end_lineno - 1])
        if said is None or not isinstance(statement, ast.Expr):
            assert said is None, f"{page.name}:{statement.lineno}: only an expression gives something"
            exec(compile(ast.Module([statement], []), page, "exec"), namespace)
        else:
            value = eval(compile(ast.Expression(statement.value), page, "eval"), namespace)
            assert str(value) == said[1], f"{page.name}:{statement.lineno} says {said[1]}, and it is {value}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_examples(page, shared_path, monkeypatch):
    monkeypatch.chdir(shared_path)
    state = dnd.random.get_state()
    namespace = {"__name__": "__main__"}
    try:
        for code in blocks(page):
            run(code, page, namespace)
    finally:
        dnd.random.set_state(state)


@pytest.mark.ranks(1)
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    missing = [target for target in TARGET.findall(page.read_text()) if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.ranks(1)
def test_what_is_said_to_be_missing_is_missing():
    _, _, section = (ROOT / "docs" / "from-heat.md").read_text().partition("## Not there yet")
    there = {name for part in (dnd, dnd.nn, dnd.optim) for name in dir(part)}
    assert not there & set(re.findall(r"`(\w+)`", section))


@pytest.mark.ranks(1)
def test_what_an_example_says_is_checked():
    run("x = 1\nx + 1  # -> 2", ROOT / "README.md", {})
    with pytest.raises(AssertionError, match="says 3, and it is 2"):
        run("1 + 1  # -> 3", ROOT / "README.md", {})

"""The documents are true where a test can see it: commands parse, files exist, the first order is the example's, exit codes are the commands' own."""

import re
import shlex
from pathlib import Path

import pytest

from gateway import cli

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str) -> list[str]:
    return re.findall(r"^```\n(.*?)^```", text, re.M | re.S)


def commands() -> list[str]:
    """Every line of a code block that is a `gateway` command, without what is explained beside it."""
    lines = [line for path in DOCUMENTS for block in blocks(path.read_text()) for line in block.splitlines()]
    found = [re.sub(r"^\.venv/bin/", "", line.strip()) for line in lines]
    return [re.split(r"\s{2,}", line)[0] for line in found if line.startswith("gateway ")]


@pytest.mark.parametrize("command", commands())
def test_commands_parse(command: str) -> None:
    arguments = shlex.split(command)[1:]
    if arguments[0] not in cli.OWN_COMMAND_LINE:
        cli.parser().parse_args(arguments)


def test_there_are_commands_to_parse() -> None:
    assert len(commands()) > 10


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {name for path in DOCUMENTS for name in re.findall(r"`?make ([a-z-]+)`?(?=[\s`])", path.read_text()) if path.name != "decisions.md"}
    assert {name for path in DOCUMENTS for block in blocks(path.read_text()) for name in re.findall(r"^make ([a-z-]+)", block, re.M)} <= targets
    assert {"demo", "test", "build"} <= named


def test_links_and_files_exist() -> None:
    missing = []
    for path in DOCUMENTS:
        text = path.read_text()
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not (path.parent / target).exists():
                missing.append(f"{path.name}: {target}")
        for target in re.findall(r"`((?:csrc|gateway|risk|simulators|tests|examples|docs|tools)/[\w./-]+\.(?:py|c|h|toml|md|csv))`", text):
            if not (ROOT / target).exists():
                missing.append(f"{path.name}: {target}")
    assert not missing, missing


def test_the_first_order_of_the_document_is_the_examples() -> None:
    (shown,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "first_order.md").read_text(), re.M | re.S)
    example = (ROOT / "examples" / "first_order.py").read_text()
    assert example.partition('"""\n\n')[2] == shown
    assert len([line for line in shown.splitlines() if line]) <= 10


def test_exit_codes_of_the_document_are_the_commands() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    codes = {row.split("|")[1].strip(): row.split("|")[2].strip() for row in re.findall(r"^\| \d \|.*$", text, re.M)}
    told = dict(re.findall(r"^  (\d)  (.+)$", cli.EXIT_CODES, re.M))
    assert {code for code, what in codes.items() if what} == set(told)
    for code, what in told.items():
        assert re.split(r"\W", what)[0] == re.split(r"\W", codes[code])[0], (what, codes[code])

"""docs/guarantees.md names tests: they must be there."""

from __future__ import annotations

import ast
import re

import pytest

from cli import paths

PAGE = paths.ROOT / "docs" / "guarantees.md"
_NAMED = re.compile(r"`(?P<file>[\w/]+\.py)?(?:::(?P<test>test_\w+))?(?:\[(?P<case>[\w-]+)\])?`")


def named() -> list[tuple[str, str]]:
    """Return file and test (empty: the file alone) of all that the page names, in order."""
    found, file = [], ""
    for line in PAGE.read_text().splitlines():
        for match in _NAMED.finditer(line):
            if match["file"] or match["test"]:
                file = match["file"] or file
                found.append((file, match["test"] or ""))
    return found


def places(file: str) -> list:
    """Return the files that a name of the page can mean."""
    folders = [paths.ROOT, paths.ROOT / "tests", paths.ROOT / "crm_sync_base" / "tests"]
    return [folder / file for folder in folders if (folder / file).is_file()]


@pytest.mark.parametrize(("file", "test"), sorted(set(named())))
def test_the_page_names_tests_that_exist(file, test):
    assert places(file), f"{file} is not there"
    if test:
        functions = {node.name for place in places(file) for node in ast.walk(ast.parse(place.read_text()))
                     if isinstance(node, ast.FunctionDef)}
        assert test in functions

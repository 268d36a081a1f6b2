# SPDX-License-Identifier: BSD-2-Clause
"""What asks ZFS and is called by no test of the lab, so that nothing new is forgotten there."""

import ast
from collections.abc import Iterator

import pytest

from tests.tools import CHECKOUT

MODULES = {name: CHECKOUT / f"chyves/backend/{name}.py" for name in ("zfs", "snapshots")}
TESTS = CHECKOUT / "tests/lab/inside/test_backend.py"

CHOOSERS = {"core", "do"}
"""The functions of zfsacts that use libzfs_core where it is."""


def functions(module: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the public functions of a module, as they are called from others."""
    for node in ast.parse(MODULES[module].read_text()).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield f"{module}.{node.name}", node


PUBLIC = {name: node for module in MODULES for name, node in functions(module)}


def called(node: ast.AST) -> set[str]:
    return {ast.unparse(one.func) for one in ast.walk(node) if isinstance(one, ast.Call)}


def called_in_tests(*, both_ways: bool) -> set[str]:
    """Return what the tests call, or those that are run with libzfs_core and without."""
    found: set[str] = set()
    for node in ast.parse(TESTS.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            found |= called(node) if "both_ways" in marks or not both_ways else set()
    return found


@pytest.mark.parametrize("name", PUBLIC)
def test_each_function_is_called_on_a_real_zfs_in_each_of_its_ways(name: str) -> None:
    assert name in called_in_tests(both_ways=bool(CHOOSERS & called(PUBLIC[name])))


def test_functions_with_two_ways_are_found() -> None:
    found = {name for name, node in PUBLIC.items() if CHOOSERS & called(node)}
    assert {"snapshots.take", "snapshots.rollback", "zfs.exists"} <= found
    assert "snapshots.copy" not in found

"""The Dockerfile: linted, and compared with what the project is made of."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from tests.k8s.image import DOCKERFILE, image
from tests.k8s.tools import ROOT, needed, run


def test_the_linter_finds_nothing() -> None:
    assert run(Path(sys.executable).with_name("hadolint"), "--no-color", DOCKERFILE) == ""


def test_the_linter_would_find_something() -> None:
    wrong = "FROM python\nRUN pip install streamlit\n"
    assert "DL3013" in run(Path(sys.executable).with_name("hadolint"), "--no-fail", "-", stdin=wrong)


def test_the_image_has_a_python_that_bytewax_has_wheels_for_and_another_user() -> None:
    version = re.fullmatch(r"python:3\.(\d+)-slim", image().base)
    assert version is not None
    assert 10 <= int(version[1]) <= 12
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image().user)


def test_the_ignore_file_lets_in_what_is_copied_and_nothing_else() -> None:
    ignore = [line for line in (DOCKERFILE.with_suffix(".dockerignore")).read_text().splitlines() if line]
    assert ignore[1] == "*"
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    assert let_in == {*image().copied, "requirements.lock"}
    assert all((ROOT / path).exists() for path in let_in)


def test_what_is_copied_imports_nothing_that_is_not() -> None:
    packages = {path for path in image().copied if (ROOT / path / "__init__.py").exists()}
    own = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    for package in packages:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [node.module] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                used = {name.partition(".")[0] for name in names if name} & own
                assert used <= packages, file


def test_the_charts_script_is_what_it_starts() -> None:
    script = ROOT / "k8s" / "entrypoint.sh"
    assert run(needed("sh"), "-n", script) == ""
    assert script.read_text().splitlines()[-1] == f"exec {' '.join(image().entrypoint + image().command)}"

"""What the texts say of settings, keys, metrics, paths, commands and the version is what the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.page.layout import ROWS, TABLES
from flows import __version__
from flows.model.rejected import REASONS
from flows.settings import VARIABLES
from tests.support.published import FRAMES

ROOT = Path(__file__).parents[2]
NAMES = ("README", "DATA", "OPERATING", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY")
TEXTS = tuple(f"{name}.md" for name in NAMES)
# Of the example in CONTRIBUTING.md.
MADE_UP = ("flows/metrics/countries.py", "dashboard/page/panels/countries.py")


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def table_after(text: str, heading: str) -> list[str]:
    """Return the first cells of the first table behind a heading."""
    lines = text.split(heading, 1)[1].splitlines()
    rows = [line for line in lines[: lines.index("", 3)] if line.startswith("|")]
    return [row.split("|")[1].strip() for row in rows[2:]]


def test_settings_are_those_of_the_table() -> None:
    named = re.findall(r"`([A-Z_*]+)`", "".join(table_after(text_of("README.md"), "## Configuration\n")))
    assert set(named) == {*VARIABLES, "KAFKA_*", "REDIS_URL"}


def test_reasons_are_those_of_the_table() -> None:
    rows = "".join(table_after(text_of("DATA.md"), "for one of these reasons"))
    assert set(re.findall(r"`(\w+)`", rows)) == set(REASONS)


def test_keys_in_redis_are_those_that_are_drawn_and_compared() -> None:
    section = text_of("DATA.md").split("## What Redis holds")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    assert named >= {
        *FRAMES,
        "board",
        "state_logs",
        "special_offers",
        "rejected",
        "boards",
        "entries_written",
    }
    assert {table.key for table in TABLES} == set(FRAMES)


@pytest.mark.parametrize("name", [*TEXTS, "k8s/README.md"])
def test_paths_are_there(name: str) -> None:
    text = text_of(name)
    paths = re.findall(r"`((?:flows|dashboard|tests|k8s)/[\w./-]*\w/?)`", text)
    missing = [path for path in paths if not (ROOT / path).exists() and path not in MADE_UP]
    assert missing == []
    modules = re.findall(r"(?:-m|\.\.\.) ((?:tests|flows|dashboard)[\w.]+)", text)
    files = [ROOT / module.replace(".", "/") for module in modules]
    assert [str(file) for file in files if not file.is_dir() and not file.with_suffix(".py").exists()] == []


@pytest.mark.parametrize("name", TEXTS)
def test_other_texts_are_there(name: str) -> None:
    named = re.findall(r"\b([A-Z]{4,}\.md)\b", text_of(name))
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_targets_are_in_the_makefile() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", text_of("Makefile")))
    for name in TEXTS:
        assert set(re.findall(r"`make ([a-z-]+)", text_of(name))) <= targets, name


def test_the_version_is_one() -> None:
    files = ["README.md", "OPERATING.md", "CHANGELOG.md", "k8s/README.md", "k8s/Dockerfile"]
    files += [str(path.relative_to(ROOT)) for path in (ROOT / "k8s").rglob("*.yaml")]
    for name in files:
        # Ours, not those of addresses, of what is installed, or of formats.
        ours = r"(?:clicks[: ]|newTag: |image-tag |^  tag: |^## )v?(\d+\.\d+\.\d+)\b"
        named = re.findall(ours, text_of(name), re.MULTILINE)
        assert set(named) <= {__version__}, name
    assert f"## {__version__}" in text_of("CHANGELOG.md")


def test_the_picture_has_the_operators_that_bytewax_draws() -> None:
    command = [sys.executable, "-m", "bytewax.visualize", "flows.clicks"]
    drawn = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kinds = r'"(\w+) \((?:windowed|admitted|board)\)"'
    picture = text_of("README.md").split("## How it works\n")[1].split("`flows/clicks.py`")[0]
    named = set(re.findall(r"[a-z_]+", re.sub(r"by \w+|source|decode|Redis", "", picture)))
    assert named == set(re.findall(kinds, drawn))


def test_panels_have_a_place_of_their_own() -> None:
    keys = [panel.key for row in ROWS for panel, _ in row]
    assert len(set(keys)) == len(keys) == len(list((ROOT / "dashboard/page/panels").glob("*.py"))) - 3
    assert all(sum(width for _, width in row) == 12 for row in ROWS)


def test_modules_are_below_300_lines_and_say_what_they_are_for() -> None:
    modules = [*(ROOT / "flows").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")]
    assert [str(path) for path in modules if len(path.read_text().splitlines()) > 300] == []
    assert [str(path) for path in modules if not path.read_text().startswith('"""')] == []


@pytest.mark.parametrize("package", ["model", "entries", "windows", "metrics", "journeys", "ingest"])
def test_a_pure_package_loads_no_engine(package: str) -> None:
    code = (
        "import importlib, pkgutil, sys\n"
        f"package = importlib.import_module('flows.{package}')\n"
        "for module in pkgutil.iter_modules(package.__path__):\n"
        "    importlib.import_module(f'{package.__name__}.{module.name}')\n"
        "engines = ('bytewax', 'rocksdict', 'redis', 'confluent_kafka', 'streamlit', 'prometheus_client')\n"
        "print([name for name in engines if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_importing_the_flow_starts_nothing() -> None:
    code = (
        "import signal, sys, threading\n"
        "before = signal.getsignal(signal.SIGTERM)\n"
        "import flows.clicks\n"
        "assert signal.getsignal(signal.SIGTERM) is before\n"
        "print(threading.active_count(), callable(flows.clicks.flow))"
    )
    wrong = {"CLICKS_SHARDS": "x", "PATH": ""}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=wrong, capture_output=True, text=True, check=True
    )
    assert found.stdout == "1 True\n"

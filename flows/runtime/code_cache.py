"""Where compiled code is kept, what it is known by, and how it is loaded.

    NUMBA_CACHE_DIR, else flows/__pycache__/compiled, else ~/.cache/clicks
      └─ 5f0c...          what tells flows/ as it is, the compiler and the processor from others
           └─ flows.model.bounds._bounds-...      the name of a symbol, a newline, and an object file

It is of all of flows/, for the code of a function has in it what that calls, wherever it stands. Only where
none is kept numba is loaded, to make it; that takes some seconds, once.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

# Returns the name of a symbol and an object file.
Make = Callable[[], tuple[str, bytes]]

_FLOWS = Path(__file__).parents[1]
_KEPT_VERSIONS = 4
# What was loaded stays where it is, each by itself: what other processes compiled may have the same names.
_engines: list[llvm.ExecutionEngine] = []

log = logging.getLogger("clicks")


def address_of(name: str, make: Make) -> int:
    """Return where the machine code of a function is, loaded, or made and kept if that can be."""
    symbol, code = _kept(name) or _made(name, make)
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    address: int = engine.get_function_address(symbol)
    return address


def _engine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def _places() -> Iterator[Path]:
    said = os.environ.get("NUMBA_CACHE_DIR")
    usual = f"{_FLOWS}/__pycache__/compiled", os.path.expanduser("~/.cache/clicks")
    for place in [said] if said else usual:
        # A user may have no home.
        if not place.startswith("~"):
            yield Path(place, _version())


def _kept(name: str) -> tuple[str, bytes] | None:
    for place in _places():
        try:
            symbol, _, code = (place / name).read_bytes().partition(b"\n")
        except OSError:
            continue
        return symbol.decode(), code
    return None


def _made(name: str, make: Make) -> tuple[str, bytes]:
    _say()
    symbol, code = make()
    for place in _places():
        try:
            place.mkdir(parents=True, exist_ok=True)
            part = place / f".{name}.{os.getpid()}"
            part.write_bytes(symbol.encode() + b"\n" + code)
            part.replace(place / name)
            _prune(place.parent)
        except OSError:
            continue
        break
    return symbol, code


def _prune(folder: Path) -> None:
    kept = sorted(filter(Path.is_dir, folder.iterdir()), key=lambda place: place.stat().st_mtime)
    for place in kept[:-_KEPT_VERSIONS]:
        shutil.rmtree(place, ignore_errors=True)


@functools.cache
def _say() -> None:
    log.info("compiling, once for this version; it takes some seconds")


@functools.cache
def _version() -> str:
    """Return what tells this version of flows/, of the compiler and of the processor from others."""
    here = llvm.get_host_cpu_name() + llvm.get_host_cpu_features().flatten()
    cpu = os.environ.get("NUMBA_CPU_NAME") or here
    digest = hashlib.sha256("\n".join([version("numba"), version("llvmlite"), cpu]).encode())
    for file in sorted(_FLOWS.rglob("*.py")):
        digest.update(str(file.relative_to(_FLOWS)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]

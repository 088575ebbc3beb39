"""Compiled functions: plain loops that numba makes machine code of, which is kept on disk.

    @compiled                              called by compiled functions alone
    def digits(d, p): ...

    @entry("int64[::1], uint64")           called from Python; holds no interpreter lock while it runs
    def mixed(numbers, seed): ...

    numbers ─┐ checked   ┌ frame ──────────┐
    seed ────┴──────────►│ address │ value │──► machine code, which reads arrays where they are
                         └─────────────────┘

What an entry takes is declared, each argument a number, an array in C order, or `bytes`, which compiled code
sees as `Bytes`. It returns an integer or nothing. Numba itself is loaded to compile alone: see
`flows.runtime.machine_code`.
"""

from __future__ import annotations

import ctypes
import functools
import re
import struct
from collections.abc import Callable
from importlib import import_module
from operator import index
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar
from zlib import crc32

import numpy as np

from flows.runtime.code_cache import address_of

P = ParamSpec("P")
R = TypeVar("R", int, None)
F = TypeVar("F", bound=Callable[..., Any])

# To compiled code d[0] is where bytes are, and d[1] how many. An array would be counted as in use by each
# function that it is given to.
Bytes: TypeAlias = bytes

entries: list[Entry[Any, Any]] = []
# Functions that entries call, and whether they are compiled into each that calls them.
helpers: list[tuple[Callable[..., Any], bool]] = []

# Of status, place of the result, place of an exception (none is raised), frame.
_Native = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)


def compiled(function: F) -> F:
    """Let compiled functions call this one, of numbers and arrays."""
    helpers.append((function, False))
    return function


def inlined(function: F) -> F:
    """Compile a function into each of those that call it."""
    helpers.append((function, True))
    return function


class Entry(Generic[P, R]):
    """A function that Python calls; raises TypeError for arguments of other types than are declared."""

    def __init__(self, function: Callable[P, R], signature: str) -> None:
        self.signature = signature
        self.function: Callable[..., Any] = function
        self.name = f"{function.__module__}.{function.__qualname__}-{crc32(signature.encode()):08x}"
        # Of each argument its type and, of an array, how many dimensions it has.
        found = re.findall(r"(\w+)(\[[^]]*])?", signature)
        self.kinds = [(kind, dims.count(",") + 1 if dims else 0) for kind, dims in found]
        self._wanted = [(np.dtype(kind) if dims else None, dims) for kind, dims in self.kinds]
        signed = ["q" if kind == "int64" and not dims else "Q" for kind, dims in self.kinds]
        self._frame = struct.Struct("".join(signed))
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the compiled function."""
        given: tuple[Any, ...] = args
        words = []
        for value, (dtype, dims) in zip(given, self._wanted, strict=True):
            if dtype is None:
                words.append(id(value) if type(value) is bytes else index(value))
            elif value.dtype == dtype and value.flags.c_contiguous and value.ndim == dims:
                words.append(id(value))
            else:
                found = f"{value.dtype} of shape {value.shape} and strides {value.strides}"
                message = f"{self.name} takes {self.signature}, not {found}"
                raise TypeError(message)
        result = ctypes.c_int64()
        if self.code(ctypes.addressof(result), None, self._frame.pack(*words)):
            message = f"{self.name} failed"
            raise RuntimeError(message)
        return result.value  # type: ignore[return-value]

    @functools.cached_property
    def code(self) -> Any:
        """The function as machine code, loaded, or made and kept if that can be."""
        return _Native(address_of(self.name, self._make))

    def _make(self) -> tuple[str, bytes]:
        # Imported by its name, since it imports this module; where nothing is to be made there is no need.
        made: tuple[str, bytes] = import_module("flows.runtime.machine_code").make(self)
        return made


def entry(signature: str) -> Callable[[Callable[P, R]], Entry[P, R]]:
    """Compile a function that Python calls, for arguments of these types, as numba writes them."""

    def decorate(function: Callable[P, R]) -> Entry[P, R]:
        made = Entry(function, signature)
        entries.append(made)
        return made

    return decorate


def get_ready() -> None:
    """Compile, or load what was compiled, of all modules that are imported."""
    for made in entries:
        assert made.code

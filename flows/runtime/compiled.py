"""Compiled functions: plain loops that numba makes machine code of, which is kept on disk.

A function is compiled when it is first called; that takes some seconds, once. What was made is kept where
NUMBA_CACHE_DIR says, as in an image, else beside the module, else in the user's cache. It is made anew when
anything in flows/ has changed, for the code of a function has in it what that calls, wherever it stands.

    @compiled                              called by compiled functions alone
    def digits(d, p): ...

    @entry("int64[::1], uint64")           called from Python; holds no interpreter lock while it runs
    def mixed(numbers, seed): ...

Numba itself is loaded by the first `compiled`, or the first call of an `entry`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
_INNER = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
entries: list[Entry[Any, Any]] = []


def compiled(function: F) -> F:
    """Compile a function of numbers and arrays that compiled ones call."""
    decorated: F = _numba().njit(**_INNER)(function)
    return decorated


def inlined(function: F) -> F:
    """Compile a function into each of those that call it."""
    decorated: F = _numba().njit(**_INNER, forceinline=True)(function)
    return decorated


class Entry(Generic[P, R]):
    """A function that Python calls, compiled ahead for arguments of the types of its signatures.

    Given others it is compiled for these too, while the flow waits.
    """

    def __init__(self, function: Callable[P, R], signatures: tuple[str, ...]) -> None:
        self._function, self._signatures = function, signatures
        self.types_ahead: set[Any] = set()
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the compiled function."""
        result: R = self.code(*args, **kwargs)
        return result

    def load(self) -> None:
        """Load or make the code before it is needed."""
        assert callable(self.code)

    @property
    def types(self) -> set[Any]:
        """What types of arguments it is compiled for by now."""
        return set(self.code.signatures) if "code" in self.__dict__ else set()

    @functools.cached_property
    def code(self) -> Any:
        """The function as machine code, loaded from disk, or made and kept there if that can be."""
        numba = _numba()
        try:
            dispatcher = numba.njit(nogil=True, cache=True)(self._function)
        except RuntimeError:
            dispatcher = numba.njit(nogil=True)(self._function)
        for signature in self._signatures:
            dispatcher.compile(f"({signature},)")
        self.types_ahead = set(dispatcher.signatures)
        return dispatcher


def entry(*signatures: str) -> Callable[[Callable[P, R]], Entry[P, R]]:
    """Compile a function that Python calls, for arguments of these types, as numba writes them."""

    def decorate(function: Callable[P, R]) -> Entry[P, R]:
        made = Entry(function, signatures)
        entries.append(made)
        return made

    return decorate


def get_ready() -> None:
    """Compile, or load what was compiled, of all modules that are imported."""
    for made in entries:
        made.load()


def _numba() -> Any:
    # Imported late: who shows what a flow counted has no use for a compiler.
    import numba

    import flows.runtime.code_cache  # noqa: F401

    return numba

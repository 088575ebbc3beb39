"""Where compiled code is kept, what it is known by, and the line that says that some is being made."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from numba.core import config, event
from numba.core.caching import InTreeCacheLocator, UserProvidedCacheLocator, UserWideCacheLocator

_FLOWS = Path(__file__).parents[1]


@functools.cache
def _version() -> str:
    """Return what tells this version of flows/ from others."""
    digest = hashlib.sha256()
    for file in sorted(_FLOWS.rglob("*.py")):
        digest.update(str(file.relative_to(_FLOWS)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


class _OfThisVersion:
    def get_source_stamp(self) -> str:
        """Return what tells the version that the code is of."""
        return _version()


class AsSaid(_OfThisVersion, UserProvidedCacheLocator):  # type: ignore[misc]
    """Where NUMBA_CACHE_DIR says; be it read-only, if this version was compiled there for NUMBA_CPU_NAME."""

    def get_cache_path(self) -> str:
        """Return the folder."""
        return os.path.join(config.CACHE_DIR, f"{_version()[:16]}-{config.CPU_NAME}")

    def ensure_cache_path(self) -> None:
        """Accept where nobody can write, if what is there will do."""
        if not (config.CPU_NAME and os.path.isdir(self.get_cache_path())):
            super().ensure_cache_path()


class Beside(_OfThisVersion, InTreeCacheLocator):  # type: ignore[misc]
    """Beside the module."""


class OfUser(_OfThisVersion, UserWideCacheLocator):  # type: ignore[misc]
    """In the user's cache."""


class _Telling(event.Listener):  # type: ignore[misc]
    """Says once that compiling has begun, so that a start which takes longer is understood."""

    said = False

    def on_start(self, _: object) -> None:
        if not self.said:
            self.said = True
            logging.getLogger("clicks").info("compiling, once for this version; it takes some seconds")

    def on_end(self, _: object) -> None:
        """Nothing is said at the end."""


_PLACES = (AsSaid, Beside, OfUser)
config.CACHE_LOCATOR_CLASSES = ",".join(f"{place.__module__}.{place.__name__}" for place in _PLACES)
_register: Callable[[str, event.Listener], None] = event.register
_register("numba:compile", _Telling())

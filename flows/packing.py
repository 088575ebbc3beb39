"""Parts of state as bytes: MessagePack of numbers, strings, bytes, lists, dicts and arrays."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np


def encode(part: dict[str, Any]) -> bytes:
    """Return a part as bytes; raises NotImplementedError if it holds anything else."""
    return msgspec.msgpack.encode(part, enc_hook=_encode_array)


def _encode_array(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return {"dtype": array.dtype.str, "shape": list(array.shape), "data": array.tobytes()}
    if isinstance(array, np.generic):
        return array.item()
    message = f"{type(array).__name__} is no part of a state"
    raise NotImplementedError(message)


def decode(value: bytes) -> dict[str, Any]:
    """Return the part that `encode` was given; its arrays cannot be written to."""
    return {name: _decode_array(part) for name, part in msgspec.msgpack.decode(value).items()}


def _decode_array(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    if part.keys() == {"dtype", "shape", "data"}:
        return np.frombuffer(part["data"], np.dtype(part["dtype"])).reshape(part["shape"])
    return {name: _decode_array(value) for name, value in part.items()}

"""Parts of state as bytes: MessagePack of numbers, strings, bytes, lists, dicts and arrays.

Integers of an array lie close together as a rule (times, positions, row numbers), so they are kept as a
lowest value and what each is above it, in as few bytes as the largest needs.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def encode(part: dict[str, Any]) -> bytes:
    """Return a part as bytes; raises NotImplementedError if it holds anything else."""
    return msgspec.msgpack.encode(part, enc_hook=_encode_array)


def _encode_array(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return {"shape": list(array.shape), "array": compact(array)}
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
    if part.keys() == {"shape", "array"}:
        return expanded(part["array"]).reshape(part["shape"])
    return {name: _decode_array(value) for name, value in part.items()}


def compact(array: Array) -> list[Any]:
    """Return an array as [dtype, lowest value, dtype of what is above it, that].

    The last is bytes; for numbers that are all the same how many they are, for numbers that count up from
    the lowest minus how many. One that is mostly zero comes as [dtype, bits, size, the others as an array],
    with a bit for each number that is not.
    """
    dtype, size = array.dtype, array.size
    low, high = (int(array.min()), int(array.max())) if size and dtype.kind in "iu" else (0, 0)
    if size and dtype.kind in "iu" and low == high:
        return [dtype.str, low, "", size]
    small = np.min_scalar_type(high - low) if high > low else dtype
    if low == 0 < high and small.itemsize > 1 and 2 * np.count_nonzero(array) < size:
        flat = array.ravel()
        return [dtype.str, np.packbits(flat != 0).tobytes(), size, compact(flat[flat != 0])]
    if small.itemsize >= dtype.itemsize:
        return [dtype.str, 0, dtype.str, array.tobytes()]
    if high - low == size - 1 and array.ndim == 1 and np.all(array[1:] > array[:-1]):
        return [dtype.str, low, "", -size]
    return [dtype.str, low, small.str, (array - dtype.type(low)).astype(small).tobytes()]


def expanded(parts: list[Any]) -> Array:
    """Return the array that `compact` was given, flat; it cannot be written to."""
    dtype, low, small, data = parts
    if isinstance(low, bytes):
        array = np.zeros(small, dtype)
        array[np.unpackbits(np.frombuffer(low, np.uint8), count=small).view(bool)] = expanded(data)
        return array
    if not isinstance(data, int):
        above = np.frombuffer(data, small)
        return above if small == dtype else above.astype(dtype) + np.dtype(dtype).type(low)
    if data >= 0:
        return np.full(data, low, dtype)
    return np.arange(low, low - data, dtype=dtype)

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
    """Return the part that `encode` was given."""
    return {name: _decode_array(part) for name, part in msgspec.msgpack.decode(value).items()}


def _decode_array(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    if part.keys() == {"shape", "array"}:
        return expanded(part["array"]).reshape(part["shape"])
    return {name: _decode_array(value) for name, value in part.items()}


def compact(array: Array) -> list[Any]:
    """Return an array as [dtype, lowest value, dtype of what is above it, that].

    The last is bytes; for numbers that are all the same how many they are, for numbers that grow in small
    steps the steps as an array. One that is mostly zero comes as [dtype, bits, size, the others as an array],
    with a bit for each number that is not.
    """
    dtype, size = array.dtype, array.size
    low, high = _ends(array) if size and dtype.kind in "iu" else (0, 0)
    if not size or (dtype.kind in "iu" and low == high):
        return [dtype.str, low, "", size]
    small = np.min_scalar_type(high - low) if high > low else dtype
    steps = _small_steps(array, low, high) if small.itemsize > 1 and high > low else None
    if steps is not None:
        return [dtype.str, low, "", compact(steps)]
    if low == 0 < high and small.itemsize > 1 and 2 * np.count_nonzero(array) < size:
        flat = array.ravel()
        return [dtype.str, np.packbits(flat != 0).tobytes(), size, compact(flat[flat != 0])]
    if small.itemsize >= dtype.itemsize:
        return [dtype.str, 0, dtype.str, array.tobytes()]
    return [dtype.str, low, small.str, (array - dtype.type(low)).astype(small).tobytes()]


def expanded(parts: list[Any]) -> Array:
    """Return the array that `compact` was given, flat."""
    dtype, low, small, data = parts
    if isinstance(low, bytes):
        array = np.zeros(small, dtype)
        array[np.unpackbits(np.frombuffer(low, np.uint8), count=small).view(bool)] = expanded(data)
        return array
    if isinstance(data, list):
        return np.cumsum(np.append(np.dtype(dtype).type(low), expanded(data)), dtype=dtype)
    if not isinstance(data, int):
        above = np.frombuffer(data, small)
        return above.copy() if small == dtype else above.astype(dtype) + np.dtype(dtype).type(low)
    return np.full(data, low, dtype)


def _ends(array: Array) -> tuple[int, int]:
    """Return the lowest and the highest number; of one alone without asking numpy, which takes longer."""
    return (array.item(), array.item()) if array.size == 1 else (int(array.min()), int(array.max()))


def _small_steps(array: Array, low: int, high: int) -> Array | None:
    """Return by how much each number is more than the one before, if that is always from 1 to 255."""
    # Most columns are told by their ends.
    if array.ndim != 1 or array[0] != low or array[-1] != high or high - low > 255 * array.size:
        return None
    if not np.all(array[1:] > array[:-1]):
        return None
    steps = np.diff(array)
    # Below zero: more than the type can hold.
    return steps.astype(np.uint8) if steps.min() > 0 and steps.max() < 256 else None

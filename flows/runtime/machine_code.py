"""Machine code: what numba makes of an entry, to be loaded without it.

An entry is given one pointer, to its frame: a word for each argument, which is a number, or where an array or
bytes object is. The words of these objects that are read are the same in all versions of CPython and numpy
(`PyArrayObject_fields`, `PyBytesObject`):

    array   16 data   32 ► shape           bytes   16 size   32 data

Numba optimises the code of a function, and again with the code of each that calls it, in turn. That of an
entry has all in it: it is optimised once, when all of it is there, which takes half of the time.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.codegen import JITCodeLibrary, JITCPUCodegen
from numba.core.registry import cpu_target
from numba.extending import intrinsic, register_jitable
from numba.np.arrayobj import populate_array

import flows.runtime.load_code  # noqa: F401
from flows.runtime.compiled import Entry, helpers

_I64 = ir.IntType(64)
_INNER = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_DATA, _SHAPE = 16, 32
_SIZE, _TEXT = 16, 32
_BYTES = types.UniTuple(types.int64, 2)


class _Part(JITCodeLibrary):  # type: ignore[misc]
    """The code of one function and of those that it calls, as it was written; nothing is loaded."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_specific(self) -> None:
        pass

    def get_pointer_to_function(self, _name: str) -> int:
        """Put the code together; returns what is no place of it, and is never called."""
        self._ensure_finalized()
        return 1

    def object_of(self, symbol: str) -> bytes:
        """Return the optimised object file of a function; the others are its own."""
        # Numba leaves them weak, for others to link: code that calls weak functions crashes once loaded.
        for function in self._final_module.functions:
            if not function.is_declaration and function.name != symbol:
                function.linkage = "internal"
        passes, builder = self._codegen._module_pass_manager()
        passes.run(self._final_module, builder)
        made: bytes = self._codegen._tm.emit_object(self._final_module)
        return made


class _Parts(JITCPUCodegen):  # type: ignore[misc]
    """What numba makes code with; in place of its own, which loads all that it makes."""

    _library_class = _Part

    def _add_module(self, module: Any) -> None:
        pass

    def set_env(self, name: str, env: Any) -> None:
        pass


cpu_target.target_context._internal_codegen = _Parts("flows")


def make(entry: Entry[Any, Any]) -> tuple[str, bytes]:
    """Compile an entry; returns the name of its symbol, and the object file."""
    while helpers:
        helper, inline = helpers.pop()
        # Where nothing is said numba takes what holds for the caller.
        register_jitable(**_INNER, forceinline=inline)(helper)
    unpacked = _unpacking(tuple(_type_of(kind, dims) for kind, dims in entry.kinds))
    function = register_jitable(**_INNER, forceinline=True)(entry.function)

    def call(frame: Any) -> Any:
        return function(*unpacked(frame))

    made = numba.njit(**_INNER)(call)
    made.compile((types.CPointer(types.int64),))
    (found,) = made.overloads.values()
    symbol = found.fndesc.llvm_func_name
    return symbol, found.library.object_of(symbol)


def _type_of(kind: str, dims: int) -> Any:
    if kind == "bytes":
        return _BYTES
    number = numba.from_dtype(np.dtype(kind))
    return types.Array(number, dims, "C") if dims else number


def _unpacking(kinds: tuple[Any, ...]) -> Any:
    """Return what makes the arguments of an entry out of its frame."""

    def unpacked(typingctx: Any, frame: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            at = builder.ptrtoint(args[0], _I64)
            words = [_word(builder, at, 8 * number) for number in range(len(kinds))]
            values = [_argument(context, builder, *each) for each in zip(kinds, words, strict=True)]
            return context.make_tuple(builder, signature.return_type, values)

        return types.Tuple(kinds)(frame), codegen

    return intrinsic(unpacked)


def _word(builder: Any, at: Any, offset: int) -> Any:
    """Load the word so many bytes after an address."""
    return builder.load(builder.inttoptr(builder.add(at, _I64(offset)), _I64.as_pointer()))


def _argument(context: Any, builder: Any, kind: Any, word: Any) -> Any:
    if not isinstance(kind, types.Array) and kind is not _BYTES:
        return word
    if kind is _BYTES:
        text = builder.add(word, _I64(_TEXT))
        return context.make_tuple(builder, kind, [text, _word(builder, word, _SIZE)])
    array, sizes = context.make_array(kind)(context, builder), _word(builder, word, _SHAPE)
    shape = [_word(builder, sizes, 8 * number) for number in range(kind.ndim)]
    item = _I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [item]
    for size in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], size))
    data = builder.inttoptr(_word(builder, word, _DATA), array.data.type)
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=item, meminfo=None)
    return array._getvalue()

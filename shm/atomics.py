"""Ordered access to memory that other processes write: the only memory-order code of the project.

A plain load in a compiled loop may be hoisted out of it, and a plain store may move past its neighbours; then a reader
never sees a write, or sees it half. These intrinsics emit LLVM's atomic instructions, which neither the compiler nor the
processor reorders beyond what the order allows. Each use names its partner in a comment where it stands.

Addresses are integers (`uintp`) and must be multiples of the width. Words are 64 bit unless the name says otherwise.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from shm.jit import kernel  # first: it places numba's cache before numba is imported

from numba import types  # isort: skip
from numba.extending import intrinsic  # isort: skip

_I64 = ir.IntType(64)
_I32 = ir.IntType(32)


def _pointer(builder: Any, address: Any, kind: Any) -> Any:
    return builder.inttoptr(address, kind.as_pointer())


@intrinsic
def load_acquire(typingctx: Any, address: Any) -> Any:
    """uint64 at `address`; later reads of this thread are not moved before it. Partner: a store_release."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0], _I64), "acquire", 8)

    return types.uint64(types.uintp), codegen


@intrinsic
def load_relaxed(typingctx: Any, address: Any) -> Any:
    """uint64 at `address`, whole and never hoisted, but without order: for use beside an explicit fence."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0], _I64), "monotonic", 8)

    return types.uint64(types.uintp), codegen


@intrinsic
def store_release(typingctx: Any, address: Any, value: Any) -> Any:
    """Store uint64; earlier reads and writes of this thread are not moved after it. Partner: a load_acquire."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0], _I64), "release", 8)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uint64), codegen


@intrinsic
def store_relaxed(typingctx: Any, address: Any, value: Any) -> Any:
    """Store uint64 whole, without order: for use beside an explicit fence."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0], _I64), "monotonic", 8)
        return context.get_dummy_value()

    return types.void(types.uintp, types.uint64), codegen


def _fence(order: str) -> Any:
    def declaration(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.fence(order)
            return context.get_dummy_value()

        return types.void(), codegen

    declaration.__name__ = f"fence_{order}"
    return intrinsic(declaration)


fence_acquire = _fence("acquire")
fence_release = _fence("release")
fence_seq_cst = _fence("seq_cst")


def _read_modify_write(operation: str, doc: str) -> Any:
    def declaration(typingctx: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.atomic_rmw(operation, _pointer(builder, args[0], _I64), args[1], "seq_cst")

        return types.uint64(types.uintp, types.uint64), codegen

    declaration.__name__ = f"atomic_{operation}"
    declaration.__doc__ = doc
    return intrinsic(declaration)


atomic_add = _read_modify_write("add", "Add to the uint64 at `address`; returns what stood there before.")
atomic_or = _read_modify_write("or", "Set bits of the uint64 at `address`; returns what stood there before.")
atomic_and = _read_modify_write("and", "Keep bits of the uint64 at `address`; returns what stood there before.")


@intrinsic
def atomic_add_32(typingctx: Any, address: Any, value: Any) -> Any:
    """Add to the uint32 at `address` (a futex word is 32 bit); returns what stood there before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, args[0], _I32), args[1], "seq_cst")

    return types.uint32(types.uintp, types.uint32), codegen


@intrinsic
def load_acquire_32(typingctx: Any, address: Any) -> Any:
    """uint32 at `address`, with acquire order."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0], _I32), "acquire", 4)

    return types.uint32(types.uintp), codegen


@intrinsic
def copy_bytes(typingctx: Any, target: Any, source: Any, count: Any) -> Any:
    """memcpy of `count` bytes between addresses that do not overlap."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8)
        move = builder.module.declare_intrinsic("llvm.memcpy", [byte.as_pointer(), byte.as_pointer(), _I64])
        builder.call(
            move, [_pointer(builder, args[0], byte), _pointer(builder, args[1], byte), args[2], ir.IntType(1)(0)]
        )
        return context.get_dummy_value()

    return types.void(types.uintp, types.uintp, types.uint64), codegen


@intrinsic
def at(typingctx: Any, address: Any) -> Any:
    """The address as a void pointer, for `numba.carray(at(address), shape, dtype)`: a view, not a copy."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.uintp), codegen


def _indirect_call(count: int) -> Any:
    """An intrinsic that calls the C function at an address with `count` 64-bit integer arguments."""
    names = ", ".join(f"a{i}" for i in range(count))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = builder.inttoptr(args[0], ir.FunctionType(_I64, [_I64] * count).as_pointer())
        return builder.call(pointer, args[1:])

    signature = types.int64(types.uintp, *[types.int64] * count)
    scope: dict[str, Any] = {"signature": signature, "codegen": codegen}
    # numba reads the arity off the Python signature, so it has to be spelled out
    exec(f"def call_{count}(typingctx, function, {names}):\n    return signature, codegen", scope)
    return intrinsic(scope[f"call_{count}"])


call_1 = _indirect_call(1)
call_2 = _indirect_call(2)
call_3 = _indirect_call(3)
call_4 = _indirect_call(4)
call_7 = _indirect_call(7)


@kernel("uint64(uintp)")
def read_word(address):  # type: ignore[no-untyped-def]
    """For Python: the uint64 at `address`, acquire."""
    return load_acquire(address)


@kernel("void(uintp, uint64)")
def write_word(address, value):  # type: ignore[no-untyped-def]
    """For Python: store a uint64, release."""
    store_release(address, value)


@kernel("uint64(uintp, uint64)")
def add_word(address, value):  # type: ignore[no-untyped-def]
    """For Python: add to a shared uint64; returns the value before."""
    return atomic_add(address, value)


@kernel("uint64(uintp, uint64)")
def set_bits(address, bits):  # type: ignore[no-untyped-def]
    """For Python: set bits of a shared uint64; returns the value before."""
    return atomic_or(address, bits)


@kernel("uint64(uintp, uint64)")
def keep_bits(address, bits):  # type: ignore[no-untyped-def]
    """For Python: clear all other bits of a shared uint64; returns the value before."""
    return atomic_and(address, bits)

"""The decorators of every compiled function in the project, and the only import of numba's compilers.

Why one place: the flags decide correctness. `fastmath` stays off, because it lets LLVM assume that NaN does
not exist, and an undefined feature is NaN. `error_model="numpy"` makes a division by zero inf or NaN instead of
a branch to an exception. `nogil` lets a loop run beside Python threads. `cache` keeps machine code in the folder
of `shm.kernel_cache`, which is keyed by the hash of every kernel source. Signatures are explicit, so nothing
compiles on the first tick.

This file must be imported before numba itself, because numba reads its cache folder once, at import. It also keeps
from numba what it would import for linear algebra and C bindings wherever they are installed (with the training
tools): no kernel uses either, and they are a fifth of the time that a restarted stage needs to be back. And it imports
what numba would import when a kernel is first given an array: 30 ms that the first tick would wait.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy.ma  # noqa: F401  # numba asks of each new kind of array whether it is one of these

from shm import kernel_cache

kernel_cache.configure()


@contextmanager
def _as_if_not_installed(*packages: str) -> Iterator[None]:
    """Imports of them fail meanwhile, but for those that this process has already."""
    absent = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: not to be found
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _as_if_not_installed("scipy", "cffi"):
    import numba
    import numba.core.typing.cffi_utils  # this and the next would come with the first kernel
    import numba.np.arraymath


def kernel(*signatures: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile at import (or load from the cache) a function called from Python or from other kernels.

    signatures: numba signatures, for example ``"int64(uintp, int64)"``; at least one.
    """
    if not signatures:
        raise TypeError("kernel() needs an explicit signature, or the first tick would wait for a compiler")
    return numba.njit(list(signatures), nogil=True, cache=True, error_model="numpy")  # type: ignore[no-any-return]


def inline(function: Callable[..., Any]) -> Any:
    """A small part of kernels: compiled into its callers, by LLVM's inliner, never called from Python."""
    return numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)


def callback(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """A C function pointer for the DLL: native, without Python and without the GIL; cached like a kernel.

    The body must not close over addresses (numba would not cache it): it reaches them through the context table.
    """
    return numba.cfunc(signature, nopython=True, cache=True, error_model="numpy")  # type: ignore[no-any-return]

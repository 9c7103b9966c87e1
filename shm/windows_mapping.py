"""Which named file mappings Windows has, and how large they are.

Windows opens an existing mapping when asked to make one, makes one of zeros when asked to open a missing one, and says
"access denied" when the view would be too long. So `shm.segment` asks here first and gives the same errors as on Linux.
Only the supervisor makes names, and they hold its process id and start time: nobody comes in between.

Never map anything from here: what is looked at is let go at once.
"""

from __future__ import annotations

import ctypes
import sys

_FILE_MAP_READ = 4


class _Region(ctypes.Structure):
    """MEMORY_BASIC_INFORMATION of 64-bit Windows."""

    _fields_ = [
        ("base_address", ctypes.c_void_p),
        ("allocation_base", ctypes.c_void_p),
        ("allocation_protect", ctypes.c_uint32),
        ("partition_id", ctypes.c_uint16),
        ("region_size", ctypes.c_size_t),
        ("state", ctypes.c_uint32),
        ("protect", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
    ]


def mapping_size(name: str) -> int | None:
    """Bytes of the mapping of that name, rounded up to pages; None when there is none. Raises OSError."""
    assert sys.platform == "win32"
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.OpenFileMappingW.restype = ctypes.c_void_p
    kernel.OpenFileMappingW.argtypes = [ctypes.c_uint32, ctypes.c_int, ctypes.c_wchar_p]
    kernel.MapViewOfFile.restype = ctypes.c_void_p
    kernel.MapViewOfFile.argtypes = [ctypes.c_void_p, *[ctypes.c_uint32] * 3, ctypes.c_size_t]
    kernel.VirtualQuery.restype = ctypes.c_size_t
    kernel.VirtualQuery.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Region), ctypes.c_size_t]
    kernel.UnmapViewOfFile.argtypes = [ctypes.c_void_p]
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    handle = kernel.OpenFileMappingW(_FILE_MAP_READ, 0, name)
    if not handle:
        return None
    view = None
    try:
        view = kernel.MapViewOfFile(handle, _FILE_MAP_READ, 0, 0, 0)  # 0 bytes: all of it
        region = _Region()
        if not view or not kernel.VirtualQuery(view, ctypes.byref(region), ctypes.sizeof(region)):
            raise ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined]
        return int(region.region_size)
    finally:
        if view:
            kernel.UnmapViewOfFile(view)
        kernel.CloseHandle(handle)

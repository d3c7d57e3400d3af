"""The header of NetCDF's classic formats: where the data should end, which the netCDF library does not compare."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import IO

__all__ = ["check_length"]

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Code of a type -> bytes of an element."""


def check_length(path: Path) -> None:
    """Raise for a file of a classic format that is cut short; the library takes for zeros what is missing."""
    with open(path, "rb") as file:
        magic = file.read(4)
        if len(magic) < 4 or magic[:3] != b"CDF" or magic[3] not in (1, 2, 5):
            return
        try:
            end = _Header(file, magic[3]).end()
        except (KeyError, IndexError) as error:
            raise OSError(f"{path} is no whole NetCDF file: its head says {error}") from error
        size = os.fstat(file.fileno()).st_size
    if size < end:
        raise OSError(f"{path} is truncated: it ends after {size} bytes of {end}")


class _Header:
    """Reads a header from behind its first four bytes on."""

    def __init__(self, file: IO[bytes], version: int) -> None:
        self.file, self.wide, self.far = file, version == 5, version > 1

    def _integer(self, nbytes: int) -> int:
        return int.from_bytes(self.file.read(nbytes), "big")

    def _number(self) -> int:
        return self._integer(8 if self.wide else 4)

    def _skip(self, nbytes: int) -> None:
        self.file.seek(-(-nbytes // 4) * 4, os.SEEK_CUR)

    def _length(self) -> int:
        """Of a list, behind its tag."""
        self._integer(4)
        return self._number()

    def _pass_attributes(self) -> None:
        for _ in range(self._length()):
            self._skip(self._number())  # the name
            size = _SIZES[self._integer(4)]
            self._skip(size * self._number())

    def end(self) -> int:
        """Where the last element ends."""
        records, lengths = self._number(), []
        for _ in range(self._length()):
            self._skip(self._number())
            lengths.append(self._number())
        self._pass_attributes()
        end, growing = self.file.tell(), []
        for _ in range(self._length()):
            self._skip(self._number())
            shape = [lengths[self._number()] for _ in range(self._number())]
            self._pass_attributes()
            size = _SIZES[self._integer(4)]
            self._number()  # the bytes of the variable, which large ones do not say
            begin = self._integer(8 if self.far else 4)
            if shape and shape[0] == 0:
                growing.append((begin, size * math.prod(shape[1:])))
            else:
                end = max(end, begin + size * math.prod(shape))
        step = sum(-(-nbytes // 4) * 4 for _, nbytes in growing) if len(growing) > 1 else sum(n for _, n in growing)
        if 0 < records < 2**32 - 1:  # which stands for a file that is still being written
            end = max([end, *(begin + (records - 1) * step + nbytes for begin, nbytes in growing)])
        return end

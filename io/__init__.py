"""Files in and out, in parallel."""

from __future__ import annotations

__all__: list[str] = []

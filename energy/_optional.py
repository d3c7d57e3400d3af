"""Packages that reports need for some of their forms only."""

from functools import partial

from .. import optional

__all__ = ["require"]

require = partial(optional.require, extra="energy")

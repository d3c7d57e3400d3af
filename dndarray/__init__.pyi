"""Made by tools/stubs.py: change the tables, not this file."""

import builtins
from collections.abc import Sequence
from typing import Any, Literal, overload

import torch
from numpy import get_printoptions as get_printoptions
from numpy import isscalar as isscalar
from numpy import ndindex as ndindex
from numpy import printoptions as printoptions
from numpy import set_printoptions as set_printoptions
from torch import enable_grad as enable_grad
from torch import no_grad as no_grad

from . import algorithms as algorithms
from . import collectives as collectives
from . import energy as energy
from . import fft as fft
from . import io as io
from . import linalg as linalg
from . import ndimage as ndimage
from . import nn as nn
from . import optim as optim
from . import random as random
from . import signal as signal
from . import sparse as sparse
from . import spatial as spatial
from . import testing as testing
from ._methods import ArrayLike, Axis, DTypeLike
from .advanced_indexing import nonzero as nonzero
from .advanced_indexing import take as take
from .along_axis import put_along_axis as put_along_axis
from .along_axis import take_along_axis as take_along_axis
from .array import DNDarray as DNDarray
from .bits import packbits as packbits
from .bits import unpackbits as unpackbits
from .blocks import map_blocks as map_blocks
from .blocks import sum_blocks as sum_blocks
from .broadcasting import broadcast_shapes as broadcast_shapes
from .communication import Communicator as Communicator
from .communication import get_comm as get_comm
from .communication import use_comm as use_comm
from .contraction import matmul as matmul
from .contraction import matvec as matvec
from .contraction import vecdot as vecdot
from .contraction import vecmat as vecmat
from .conversion import asarray_chkfinite as asarray_chkfinite
from .conversion import ascontiguousarray as ascontiguousarray
from .conversion import astype as astype
from .conversion import copy as copy
from .conversion import from_dlpack as from_dlpack
from .conversion import frombuffer as frombuffer
from .conversion import fromiter as fromiter
from .conversion import fromstring as fromstring
from .convolution import convolve as convolve
from .convolution import correlate as correlate
from .creation import arange as arange
from .creation import array as array
from .creation import asarray as asarray
from .creation import empty as empty
from .creation import empty_like as empty_like
from .creation import full as full
from .creation import full_like as full_like
from .creation import meshgrid as meshgrid
from .creation import ones as ones
from .creation import ones_like as ones_like
from .creation import zeros as zeros
from .creation import zeros_like as zeros_like
from .device import get_device as get_device
from .device import use_device as use_device
from .diagonals import diag as diag
from .diagonals import diagflat as diagflat
from .diagonals import diagonal as diagonal
from .diagonals import eye as eye
from .diagonals import identity as identity
from .diagonals import tri as tri
from .diagonals import tril as tril
from .diagonals import triu as triu
from .dtensor import from_dtensor as from_dtensor
from .dtensor import to_dtensor as to_dtensor
from .duck import from_xarray as from_xarray
from .duck import to_xarray as to_xarray
from .einsums import einsum as einsum
from .einsums import einsum_path as einsum_path
from .errors import DistributedArrayError as DistributedArrayError
from .errors import MismatchError as MismatchError
from .functional import apply_along_axis as apply_along_axis
from .functional import apply_over_axes as apply_over_axes
from .functional import vectorize as vectorize
from .functional import vmap as vmap
from .gathering import argwhere as argwhere
from .gathering import choose as choose
from .gathering import compress as compress
from .gathering import copyto as copyto
from .gathering import extract as extract
from .gathering import fill_diagonal as fill_diagonal
from .gathering import flatnonzero as flatnonzero
from .gathering import piecewise as piecewise
from .gathering import place as place
from .gathering import put as put
from .gathering import putmask as putmask
from .gathering import select as select
from .histograms import bincount as bincount
from .histograms import histc as histc
from .histograms import histogram as histogram
from .histograms import histogram2d as histogram2d
from .histograms import histogram_bin_edges as histogram_bin_edges
from .histograms import histogramdd as histogramdd
from .index_tricks import diag_indices as diag_indices
from .index_tricks import diag_indices_from as diag_indices_from
from .index_tricks import fromfunction as fromfunction
from .index_tricks import index_exp as index_exp
from .index_tricks import indices as indices
from .index_tricks import ix_ as ix_
from .index_tricks import mask_indices as mask_indices
from .index_tricks import mgrid as mgrid
from .index_tricks import ndenumerate as ndenumerate
from .index_tricks import ogrid as ogrid
from .index_tricks import ravel_multi_index as ravel_multi_index
from .index_tricks import s_ as s_
from .index_tricks import tril_indices as tril_indices
from .index_tricks import tril_indices_from as tril_indices_from
from .index_tricks import triu_indices as triu_indices
from .index_tricks import triu_indices_from as triu_indices_from
from .index_tricks import unravel_index as unravel_index
from .inspection import __array_namespace_info__ as __array_namespace_info__
from .joining import append as append
from .joining import block as block
from .joining import c_ as c_
from .joining import column_stack as column_stack
from .joining import delete as delete
from .joining import dstack as dstack
from .joining import hstack as hstack
from .joining import insert as insert
from .joining import r_ as r_
from .joining import vstack as vstack
from .layout import Grid as Grid
from .layout import Layout as Layout
from .layout import Split
from .logic import allclose as allclose
from .logic import array_equal as array_equal
from .logic import array_equiv as array_equiv
from .logic import clip as clip
from .logic import isclose as isclose
from .logic import nan_to_num as nan_to_num
from .logic import round as round
from .manipulation import balance as balance
from .manipulation import balance_ as balance_
from .manipulation import broadcast_arrays as broadcast_arrays
from .manipulation import broadcast_to as broadcast_to
from .manipulation import concatenate as concatenate
from .manipulation import expand_dims as expand_dims
from .manipulation import flatten as flatten
from .manipulation import flip as flip
from .manipulation import matrix_transpose as matrix_transpose
from .manipulation import moveaxis as moveaxis
from .manipulation import permute_dims as permute_dims
from .manipulation import ravel as ravel
from .manipulation import redistribute as redistribute
from .manipulation import redistribute_ as redistribute_
from .manipulation import reshape as reshape
from .manipulation import resplit as resplit
from .manipulation import resplit_ as resplit_
from .manipulation import roll as roll
from .manipulation import squeeze as squeeze
from .manipulation import stack as stack
from .manipulation import swapaxes as swapaxes
from .manipulation import transpose as transpose
from .metadata import common_type as common_type
from .metadata import iscomplexobj as iscomplexobj
from .metadata import isrealobj as isrealobj
from .metadata import issubdtype as issubdtype
from .metadata import min_scalar_type as min_scalar_type
from .metadata import ndim as ndim
from .metadata import shape as shape
from .metadata import size as size
from .numerical import angle as angle
from .numerical import diff as diff
from .numerical import ediff1d as ediff1d
from .numerical import gradient as gradient
from .numerical import interp as interp
from .numerical import real_if_close as real_if_close
from .numerical import trapezoid as trapezoid
from .numerical import unwrap as unwrap
from .padding import pad as pad
from .polynomials import poly as poly
from .polynomials import polyadd as polyadd
from .polynomials import polyder as polyder
from .polynomials import polydiv as polydiv
from .polynomials import polyfit as polyfit
from .polynomials import polyint as polyint
from .polynomials import polymul as polymul
from .polynomials import polysub as polysub
from .polynomials import polyval as polyval
from .polynomials import roots as roots
from .polynomials import vander as vander
from .printing import array2string as array2string
from .printing import array_repr as array_repr
from .printing import array_str as array_str
from .printing import print as print
from .products import cross as cross
from .products import dot as dot
from .products import inner as inner
from .products import kron as kron
from .products import outer as outer
from .products import tensordot as tensordot
from .products import trace as trace
from .products import vdot as vdot
from .quantiles import median as median
from .quantiles import nanmedian as nanmedian
from .quantiles import nanpercentile as nanpercentile
from .quantiles import nanquantile as nanquantile
from .quantiles import percentile as percentile
from .quantiles import quantile as quantile
from .ranges import bartlett as bartlett
from .ranges import blackman as blackman
from .ranges import geomspace as geomspace
from .ranges import hamming as hamming
from .ranges import hanning as hanning
from .ranges import kaiser as kaiser
from .ranges import logspace as logspace
from .reduction import count_nonzero as count_nonzero
from .reduction import ptp as ptp
from .searching import bucketize as bucketize
from .searching import digitize as digitize
from .searching import searchsorted as searchsorted
from .selection import argpartition as argpartition
from .selection import partition as partition
from .selection import topk as topk
from .sets import intersect1d as intersect1d
from .sets import isin as isin
from .sets import setdiff1d as setdiff1d
from .sets import setxor1d as setxor1d
from .sets import union1d as union1d
from .sets import unique as unique
from .sets import unique_all as unique_all
from .sets import unique_counts as unique_counts
from .sets import unique_inverse as unique_inverse
from .sets import unique_values as unique_values
from .sorting import argsort as argsort
from .sorting import lexsort as lexsort
from .sorting import sort as sort
from .sorting import sort_complex as sort_complex
from .splitting import array_split as array_split
from .splitting import dsplit as dsplit
from .splitting import hsplit as hsplit
from .splitting import split as split
from .splitting import unstack as unstack
from .splitting import vsplit as vsplit
from .statistics import average as average
from .statistics import corrcoef as corrcoef
from .statistics import cov as cov
from .statistics import kurtosis as kurtosis
from .statistics import nancumprod as nancumprod
from .statistics import nancumsum as nancumsum
from .statistics import skew as skew
from .stencils import overlap_add as overlap_add
from .stencils import stencil as stencil
from .tiling import atleast_1d as atleast_1d
from .tiling import atleast_2d as atleast_2d
from .tiling import atleast_3d as atleast_3d
from .tiling import fliplr as fliplr
from .tiling import flipud as flipud
from .tiling import repeat as repeat
from .tiling import resize as resize
from .tiling import rollaxis as rollaxis
from .tiling import rot90 as rot90
from .tiling import sliding_window_view as sliding_window_view
from .tiling import tile as tile
from .tiling import trim_zeros as trim_zeros
from .tiling import unfold as unfold
from .types import can_cast as can_cast
from .types import finfo as finfo
from .types import iinfo as iinfo
from .types import isdtype as isdtype
from .types import promote_types as promote_types
from .types import result_type as result_type

__all__: list[str]
__array_api_version__: str
__version__: str

def abs(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Absolute value."""

def absolute(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Absolute value."""

def acos(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Inverse cosine."""

def acosh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic cosine."""

def add(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 + x2."""

def all(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
) -> DNDarray:
    """Whether all elements are true."""

def amax(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Largest element; NaN if there is one."""

def amin(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Smallest element; NaN if there is one."""

def any(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
) -> DNDarray:
    """Whether any element is true."""

def arccos(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse cosine."""

def arccosh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic cosine."""

def arcsin(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse sine."""

def arcsinh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic sine."""

def arctan(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse tangent."""

def arctan2(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Angle of the point (x2, x1), in radians."""

def arctanh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic tangent."""

def argmax(
    x: ArrayLike, axis: int | None = None, out: DNDarray | None = None, keepdims: builtins.bool = False
) -> DNDarray:
    """Index of the largest element (the first of equals; NaN counts as largest), int64."""

def argmin(
    x: ArrayLike, axis: int | None = None, out: DNDarray | None = None, keepdims: builtins.bool = False
) -> DNDarray:
    """Index of the smallest element (the first of equals; NaN counts as smallest), int64."""

around = round
asanyarray = asarray

def asin(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Inverse sine."""

def asinh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic sine."""

def atan(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Inverse tangent."""

def atan2(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Angle of the point (x2, x1), in radians."""

def atanh(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Inverse hyperbolic tangent."""

bfloat16: torch.dtype

def bitwise_and(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit and."""

def bitwise_count(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Number of ones in the binary form of the absolute value."""

def bitwise_invert(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit not."""

def bitwise_left_shift(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 << x2."""

def bitwise_not(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit not."""

def bitwise_or(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit or."""

def bitwise_right_shift(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 >> x2."""

def bitwise_xor(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit exclusive or."""

bool: torch.dtype
bool_: torch.dtype

def cbrt(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Cube root."""

def ceil(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Smallest integer not below."""

complex128: torch.dtype
complex64: torch.dtype
concat = concatenate

def conj(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Complex conjugate."""

def conjugate(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Complex conjugate."""

def copysign(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The size of x1 with the sign of x2."""

def cos(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Cosine."""

def cosh(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Hyperbolic cosine."""

def cummax(x: ArrayLike, axis: int | None = None, out: DNDarray | None = None) -> DNDarray:
    """Largest element so far (`numpy.maximum.accumulate`) along an axis."""

def cummin(x: ArrayLike, axis: int | None = None, out: DNDarray | None = None) -> DNDarray:
    """Smallest element so far (`numpy.minimum.accumulate`) along an axis."""

def cumprod(x: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: DNDarray | None = None) -> DNDarray:
    """Running product along an axis."""

def cumsum(x: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: DNDarray | None = None) -> DNDarray:
    """Running sum along an axis."""

def cumulative_prod(
    x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike = None, include_initial: builtins.bool = False
) -> DNDarray:
    """Running product along an axis."""

def cumulative_sum(
    x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike = None, include_initial: builtins.bool = False
) -> DNDarray:
    """Running sum along an axis."""

def deg2rad(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Degrees to radians."""

def degrees(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Radians to degrees."""

def divide(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 / x2."""

def divmod(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> tuple[DNDarray, DNDarray]:
    """Floor quotient and remainder."""

e: float

def equal(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 == x2."""

euler_gamma: float

def exp(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """e**x."""

def exp2(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """2**x."""

def expm1(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """exp(x) - 1, exact for small x."""

def fabs(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Absolute value in floating point."""

def fix(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """The integer nearest towards zero."""

float16: torch.dtype
float32: torch.dtype
float64: torch.dtype

def float_power(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 to the power x2 in double precision."""

def floor(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Largest integer not above."""

def floor_divide(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Largest integer not above x1 / x2."""

def fmax(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The larger; the other one where one is NaN."""

def fmin(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The smaller; the other one where one is NaN."""

def fmod(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Remainder with the sign of x1."""

def frexp(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> tuple[DNDarray, DNDarray]:
    """Mantissa and exponent of 2."""

def gcd(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Greatest common divisor."""

def greater(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 > x2."""

def greater_equal(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 >= x2."""

def heaviside(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """0, x2 or 1 as x1 is below, at or above zero."""

def hypot(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """sqrt(x1**2 + x2**2) without overflow."""

def i0(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Modified Bessel function of the first kind, order 0."""

def imag(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Imaginary part."""

inf: float
int16: torch.dtype
int32: torch.dtype
int64: torch.dtype
int8: torch.dtype

def invert(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Bit by bit not."""

def iscomplex(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Imaginary part is not zero."""

def isfinite(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Neither infinite nor NaN."""

def isinf(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Positive or negative infinity."""

def isnan(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Not a number."""

def isneginf(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Negative infinity."""

def isposinf(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Positive infinity."""

def isreal(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Imaginary part is zero."""

def lcm(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Least common multiple."""

def ldexp(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 * 2**x2."""

def left_shift(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 << x2."""

def less(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 < x2."""

def less_equal(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 <= x2."""

@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: builtins.bool = True,
    retstep: Literal[False] = False,
    dtype: DTypeLike = None,
    axis: int = 0,
    *,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Grid | Sequence[int] | None = None,
) -> DNDarray: ...
@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: builtins.bool = True,
    *,
    retstep: Literal[True],
    dtype: DTypeLike = None,
    axis: int = 0,
    split: Split = None,
    device: Any = None,
    comm: Any = None,
    grid: Grid | Sequence[int] | None = None,
) -> tuple[DNDarray, Any]: ...
def log(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Natural logarithm."""

def log10(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Logarithm to base 10."""

def log1p(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """log(1 + x), exact for small x."""

def log2(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Logarithm to base 2."""

def logaddexp(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """log(exp(x1) + exp(x2)) without overflow."""

def logaddexp2(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """log2(2**x1 + 2**x2) without overflow."""

def logical_and(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Truth of x1 and x2."""

def logical_not(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Truth of not x."""

def logical_or(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Truth of x1 or x2."""

def logical_xor(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Truth of either x1 or x2."""

def max(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Largest element; NaN if there is one."""

def maximum(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The larger; NaN if either is."""

def mean(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
) -> DNDarray:
    """Arithmetic mean."""

def min(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Smallest element; NaN if there is one."""

def minimum(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The smaller; NaN if either is."""

def mod(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Remainder with the sign of x2."""

def modf(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> tuple[DNDarray, DNDarray]:
    """Fractional and integral part."""

def multiply(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 * x2."""

nan: float

def nanargmax(
    x: ArrayLike, axis: int | None = None, out: DNDarray | None = None, keepdims: builtins.bool = False
) -> DNDarray:
    """As argmax, passing over NaN."""

def nanargmin(
    x: ArrayLike, axis: int | None = None, out: DNDarray | None = None, keepdims: builtins.bool = False
) -> DNDarray:
    """As argmin, passing over NaN."""

def nanmax(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Largest element, passing over NaN."""

def nanmean(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
) -> DNDarray:
    """Arithmetic mean, passing over NaN."""

def nanmin(
    x: ArrayLike,
    axis: Axis = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Smallest element, passing over NaN."""

def nanprod(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Product of elements, passing over NaN."""

def nanstd(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
    correction: float | None = None,
) -> DNDarray:
    """Standard deviation, passing over NaN."""

def nansum(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Sum of elements, passing over NaN."""

def nanvar(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
    correction: float | None = None,
) -> DNDarray:
    """Variance, passing over NaN."""

def negative(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Numerical negative."""

newaxis: None

def nextafter(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The next number from x1 towards x2."""

def not_equal(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 != x2."""

pi: float

def positive(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The array itself, in a new one."""

def pow(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 to the power x2; of integers, truncated."""

def power(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 to the power x2; of integers, truncated."""

def prod(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Product of elements."""

def rad2deg(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Radians to degrees."""

def radians(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Degrees to radians."""

def real(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Real part."""

def reciprocal(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """1 / x."""

def remainder(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Remainder with the sign of x2."""

def right_shift(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 >> x2."""

def rint(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """The nearest integer, halves to even."""

row_stack = vstack

def sign(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """-1, 0 or 1; for complex numbers x / |x|."""

def signbit(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Whether the sign bit is set."""

def sin(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Sine."""

def sinc(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """sin(pi x) / (pi x)."""

def sinh(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Hyperbolic sine."""

def spacing(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """Distance to the next number away from zero."""

def sqrt(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Non-negative square root."""

def square(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x * x."""

def std(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
    correction: float | None = None,
) -> DNDarray:
    """Standard deviation."""

def subtract(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 - x2."""

def sum(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    keepdims: builtins.bool = False,
    initial: complex | None = None,
    where: ArrayLike = True,
) -> DNDarray:
    """Sum of elements."""

def tan(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Tangent."""

def tanh(x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None) -> DNDarray:
    """Hyperbolic tangent."""

def true_divide(
    x1: ArrayLike, x2: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """x1 / x2."""

def trunc(
    x: ArrayLike, /, out: DNDarray | None = None, *, where: ArrayLike = True, dtype: DTypeLike = None
) -> DNDarray:
    """The integer nearest towards zero."""

uint16: torch.dtype
uint32: torch.dtype
uint64: torch.dtype
uint8: torch.dtype

def var(
    x: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: DNDarray | None = None,
    ddof: float = 0,
    keepdims: builtins.bool = False,
    *,
    where: ArrayLike = True,
    correction: float | None = None,
) -> DNDarray:
    """Variance, merged over processes by counts and moments."""

@overload
def where(condition: ArrayLike, x: None = None, y: None = None, /) -> tuple[DNDarray, ...]: ...
@overload
def where(condition: ArrayLike, x: ArrayLike, y: ArrayLike, /) -> DNDarray: ...

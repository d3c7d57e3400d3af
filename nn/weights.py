"""Weights of a model in a safetensors file: one process writes, all read."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from dndarray.communication import Communicator, as_comm
from dndarray.errors import agreed
from dndarray.optional import require
from dndarray.replacement import replacing

__all__ = ["check_fit", "load_weights", "save_weights"]


def save_weights(model: nn.Module, path: str | os.PathLike[str], comm: Communicator | None = None) -> None:
    """Write the parameters and buffers of a model, which every process has alike, to a safetensors file.

    Rank 0 writes, beside the target, which it replaces when the file is complete.

    Communication: a few small collectives, to agree on errors.
    """
    comm = as_comm(comm)
    save_file = require("safetensors.torch", "denoising", what="saving weights").save_file
    with replacing(path, comm) as temporary, agreed(comm):
        if comm.rank == 0:  # safetensors takes no tensors that share memory
            state = model.state_dict()
            try:
                save_file({name: t.detach().cpu().contiguous().clone() for name, t in state.items()}, temporary)
            except KeyError as error:
                raise TypeError(f"a safetensors file holds no {error}: convert the model, or use torch.save") from error


def load_weights(model: nn.Module, path: str | os.PathLike[str], comm: Communicator | None = None) -> nn.Module:
    """Put the weights of a safetensors file into a model with tensors of the same names and shapes.

    They are converted to the model's types, if no more than digits are lost. Every process reads the file. Returns the
    model. Communication: one small collective, to agree on errors.
    """
    load_file = require("safetensors.torch", "denoising", what="loading weights").load_file
    with agreed(as_comm(comm)):
        if not os.path.isfile(path):
            raise FileNotFoundError(f"there is no file of weights {os.fspath(path)!r}")
        try:
            state = load_file(path)
        except Exception as error:
            raise ValueError(f"{os.fspath(path)!r} is not a whole safetensors file: {error}") from error
        check_fit(model, state, path)
    model.load_state_dict(state)
    return model


def check_fit(model: nn.Module, state: dict[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Raise if the names or shapes of a file's tensors are not the model's, or their types do not become its."""
    own = model.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in own.items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wanted.keys() != found.keys():
        missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
        raise ValueError(
            f"{os.fspath(path)!r} is not of a {type(model).__name__} like this one: {len(missing)} of its tensors are "
            f"missing (the first: {missing[:3]}), {len(unknown)} are unknown (the first: {unknown[:3]})"
        )
    differing = [f"{name} {found[name]} instead of {shape}" for name, shape in wanted.items() if found[name] != shape]
    if differing:
        raise ValueError(
            f"{os.fspath(path)!r} is of a {type(model).__name__} of other sizes: {len(differing)} tensors differ "
            f"(the first: {', '.join(differing[:3])})"
        )
    of_other_kinds = [name for name, tensor in own.items() if not torch.can_cast(state[name].dtype, tensor.dtype)]
    if of_other_kinds:
        name = of_other_kinds[0]
        raise TypeError(
            f"{os.fspath(path)!r} holds {len(of_other_kinds)} tensors that do not become those of the model: {name} is "
            f"of {state[name].dtype}, not {own[name].dtype}"
        )

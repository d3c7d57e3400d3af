"""How parallel training steps.

Here belong `torch.optim.Optimizer`s and what they are made of: when processes exchange gradients or weights,
and in which form. Layers belong in `dndarray.nn`.
"""

from .averaging import share_weights, sum_gradients

__all__ = ["share_weights", "sum_gradients"]

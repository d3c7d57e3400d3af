"""How parallel training steps.

Here belong `torch.optim.Optimizer`s and what they are made of: when processes exchange gradients or weights,
and in which form. Layers belong in `dndarray.nn`.
"""

__all__: list[str] = []

"""Layers and models that are parallel inside.

Here belong `torch.nn.Module`s whose parameters are DNDarrays. What a layer communicates is what the
operations of its arrays communicate. How training steps belongs in `dndarray.optim`.
"""

__all__: list[str] = []

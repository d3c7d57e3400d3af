"""Methods written over the array: denoising, power flow, clustering and others.

Here belong estimators in scikit-learn's manner and plain functions over arrays. Each says in its docstring
what is split, what is replicated, what is communicated, and which paper it comes from.
"""

__all__: list[str] = []

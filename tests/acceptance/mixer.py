"""A two-layer MLP-mixer block in array code: what a user would write, without a word about processes."""

import dndarray as dnd


def gelu(x):
    return 0.5 * x * (1 + dnd.tanh(0.7978845608028654 * (x + 0.044715 * x**3)))


def layer_norm(x, gain, bias):
    mean = x.mean(axis=-1, keepdims=True)
    return (x - mean) / dnd.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) * gain + bias


def mixer(x, p):
    """x has shape (samples, tokens, channels)."""
    y = layer_norm(x, p["gain1"], p["bias1"]).swapaxes(1, 2)
    x = x + (gelu(y @ p["token1"]) @ p["token2"]).swapaxes(1, 2)
    y = layer_norm(x, p["gain2"], p["bias2"])
    return x + gelu(y @ p["channel1"]) @ p["channel2"]


def parameters(channels, tokens, hidden, **place):
    shapes = {
        "token1": (tokens, hidden), "token2": (hidden, tokens),
        "channel1": (channels, hidden), "channel2": (hidden, channels),
    }  # fmt: skip
    p = {name: 0.3 * dnd.random.normal(size=s, dtype=dnd.float64, **place) for name, s in shapes.items()}
    for name in ("gain1", "gain2", "bias1", "bias2"):
        p[name] = dnd.full(channels, float("gain" in name), dtype=dnd.float64)
    return {name: value.requires_grad_() for name, value in p.items()}


def train(x, target, p, steps=10, rate=0.1):
    losses = []
    for _ in range(steps):
        loss = ((mixer(x, p) - target) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        for name in p:
            p[name] = (p[name].detach() - rate * p[name].grad).requires_grad_()
    return losses

#!/usr/bin/env python3
"""Writes train_golden.json.gz: gradients and losses of MobileNetV1, V2 and
V3-Small (width 0.5, 64x64, batch 4, dropout off) in float64 by PyTorch, filled
with generated weights as arch/testdata/golden_logits.json's `_how` says. Made
with torch 1.13 and torchvision 0.14.1; run it in this directory.

Of each gradient it keeps the norm and 16 products with generated vectors r,
whose elements are uniform in [-1,1): a difference d of two gradients gives
products of variance |d|^2/3, so that three times their mean square estimates
|d|^2. With an argument it writes all gradients in full into that folder
instead, NET/NAME as raw float64."""
import gzip
import json
import math
import os
import sys

import numpy as np
import torch
import torchvision
from torch import nn

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
BATCH, SIDE, CLASSES, PRODUCTS = 4, 64, 1000, 16


def uniform(name, n):
    seed = 14695981039346656037
    for c in name.encode():
        seed = ((seed ^ c) * 1099511628211) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, n + 1, dtype=np.uint64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return 2 * (z >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 1


def fill(net, canonical):
    """Generates every tensor, rounded to float32; canonical maps a state-dict name to ours."""
    state = net.state_dict()
    for key, t in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        name = canonical(key)
        u = uniform(name, t.numel())
        if name.endswith(".bn.weight"):
            u = 1 + 0.1 * u
        elif name.endswith(".bn.var"):
            u = 1 + 0.5 * abs(u)
        elif name.endswith(".weight"):
            u *= math.sqrt(6 / np.prod(t.shape[1:]))
        else:
            u *= 0.1
        state[key] = torch.tensor(u.reshape(tuple(t.shape)).astype(np.float32).astype(np.float64))
    net.load_state_dict(state)
    return net.train()


maps = json.load(gzip.open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../arch/testdata/checkpoint_maps.json.gz")))


def from_map(model):
    inverse = {v: k for k, v in maps[model]["torchvision"].items()}
    return inverse.__getitem__


BN = {"weight": "bn.weight", "bias": "bn.bias", "running_mean": "bn.mean", "running_var": "bn.var"}


class V1(nn.Module):
    """MobileNetV1 in PyTorch's conventions, written from the paper's table."""

    def __init__(self, alpha):
        super().__init__()
        layers = {}

        def conv(name, i, o, k, s, g):
            layers[name] = nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False)
            layers[name + ".bn"] = nn.BatchNorm2d(o)
            layers[name + ".act"] = ACT_V1()

        c = int(32 * alpha)
        conv("stem", 3, c, 3, 2, 1)
        rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
        for i, (o, s) in enumerate(rows):
            o = int(o * alpha)
            conv("blocks.%d.dw" % i, c, c, 3, s, c)
            conv("blocks.%d.pw" % i, c, o, 1, 1, 1)
            c = o
        self.keys = list(layers)
        self.layers = nn.ModuleList(layers.values())
        self.fc = nn.Linear(c, CLASSES)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.fc(x.mean((2, 3)))

    def canonical(self, key):
        p = key.split(".")
        if p[0] == "fc":
            return "classifier." + p[1]
        name = self.keys[int(p[1])]
        return name[:-3] + "." + BN[p[2]] if name.endswith(".bn") else name + "." + p[2]


ACT_V1 = nn.ReLU6


def no_dropout(net):
    for m in net.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0.0
    return net


def networks():
    v1 = V1(0.5)
    yield "mobilenet_v1", v1, v1.canonical
    yield "mobilenet_v2", torchvision.models.mobilenet_v2(weights=None, width_mult=0.5), from_map("mobilenet_v2_1.0")
    yield "mobilenet_v3_small", torchvision.models.mobilenet_v3_small(weights=None, width_mult=0.5), from_map("mobilenet_v3_small_1.0")


def picture(name):
    u = uniform(name, BATCH * 3 * SIDE * SIDE).astype(np.float32).astype(np.float64)
    return torch.tensor(u.reshape(BATCH, 3, SIDE, SIDE))


KINKS = {nn.ReLU: [0.0], nn.ReLU6: [0.0, 6.0], nn.Hardswish: [-3.0, 3.0], nn.Hardsigmoid: [-3.0, 3.0]}


def away_from_kinks(net, distance=5e-6):
    """Names the first picture for which no activation's input is so close to a
    kink that float32 might see the other side: one such element among the last
    layers' few thousand moves the gradient by a hundredth."""
    nearest = []
    hooks = [
        m.register_forward_pre_hook(lambda m, x: nearest.append(min(float((x[0] - k).abs().min()) for k in KINKS[type(m)])))
        for m in net.modules() if type(m) in KINKS
    ]
    for i in range(2000):
        nearest.clear()
        with torch.no_grad():
            net(picture("input.%d" % i))
        if min(nearest) > distance:
            break
    else:
        raise SystemExit("no picture keeps away from the kinks")
    for h in hooks:
        h.remove()
    return "input.%d" % i


y = torch.tensor([(7 * i + 3) % CLASSES for i in range(BATCH)])
r = lambda v: float("%.12g" % float(v))


def products(name, t):
    flat = t.detach().numpy().reshape(-1)
    return {"norm": r(np.linalg.norm(flat)), "products": [r(flat @ uniform("product.%d.%s" % (k, name), flat.size)) for k in range(PRODUCTS)]}


# Learning rates at which training is no chaos: at ten times V2's, weights
# changed by 1e-15 change PyTorch's own tenth loss by a quarter.
RATES = {
    "sgd": {"mobilenet_v2": 0.001, "mobilenet_v3_small": 0.01},
    "rmsprop": {"mobilenet_v2": 0.003, "mobilenet_v3_small": 0.003},
}


def sgd(net, state, lr):
    """v = 0.9*v + g; p = p - lr*v"""
    for p in net.parameters():
        v = state.setdefault(p, torch.zeros_like(p))
        v.mul_(0.9).add_(p.grad)
        p.data.sub_(lr * v)


def rmsprop(net, state, lr):
    """TensorFlow's: ms = 0.9*ms + 0.1*g*g, from 1; mom = 0.9*mom + lr*g/sqrt(ms + 0.001); p = p - mom"""
    for p in net.parameters():
        ms, mom = state.setdefault(p, (torch.ones_like(p), torch.zeros_like(p)))
        ms.copy_(0.9 * ms + 0.1 * p.grad * p.grad)
        mom.copy_(0.9 * mom + lr * p.grad / torch.sqrt(ms + 0.001))
        p.data.sub_(mom)


out = {}
for name, net, canonical in networks():
    entry = out[name] = {"gradients": {}, "statistics": {}, "steps": {}}
    no_dropout(fill(net, canonical))
    entry["input"] = away_from_kinks(net)
    x = picture(entry["input"])
    fill(net, canonical)
    loss = nn.functional.cross_entropy(net(x), y)
    loss.backward()
    entry["loss"] = float(loss)
    for key, p in net.named_parameters():
        if len(sys.argv) > 1:
            path = os.path.join(sys.argv[1], name)
            os.makedirs(path, exist_ok=True)
            p.grad.numpy().tofile(os.path.join(path, canonical(key)))
        else:
            entry["gradients"][canonical(key)] = products(canonical(key), p.grad)
    if len(sys.argv) > 1:
        continue
    for key, b in net.named_buffers():
        if not key.endswith("num_batches_tracked"):
            entry["statistics"][canonical(key)] = products(canonical(key), b)
    if name == "mobilenet_v1":
        continue
    for step in (sgd, rmsprop):
        fill(net, canonical)
        state, losses = {}, []
        for _ in range(10):
            net.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            losses.append(float(loss))
            step(net, state, RATES[step.__name__][name])
        entry["steps"][step.__name__] = {"rate": RATES[step.__name__][name], "losses": losses}


def optimizers():
    """Six steps on the loss sum(c*p*p) of seven numbers."""
    c = torch.tensor(uniform("c", 7).astype(np.float32).astype(np.float64))
    made = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1),
    }
    for name, make in made.items():
        for clip in ("none", "norm", "value"):
            p = nn.Parameter(torch.tensor(uniform("p", 7).astype(np.float32).astype(np.float64)))
            opt = make([p])
            for _ in range(6):
                opt.zero_grad()
                (c * p * p).sum().backward()
                if clip == "norm":
                    nn.utils.clip_grad_norm_([p], 0.5)
                elif clip == "value":
                    nn.utils.clip_grad_value_([p], 0.5)
                opt.step()
            yield name + "/" + clip, [float(v) for v in p]


POINTS = [-7.0, -3.0, -1.3, -0.5, -0.25, 0.0, 0.3, 0.75, 2.2, 3.0, 5.0, 6.0, 6.5]


def slopes():
    """Derivatives, at kinks too."""
    f = nn.functional
    acts = {
        "relu": f.relu, "relu6": f.relu6, "clip(-0.5,0.75)": lambda v: f.hardtanh(v, -0.5, 0.75),
        "leaky_relu(0.1)": lambda v: f.leaky_relu(v, float(np.float32(0.1))), "swish": f.silu, "sigmoid": torch.sigmoid,
        "hswish": f.hardswish, "hsigmoid": f.hardsigmoid, "tanh": torch.tanh, "gelu": f.gelu,
    }
    for name, act in acts.items():
        v = torch.tensor(POINTS, requires_grad=True)
        act(v).sum().backward()
        yield name, v.grad.tolist()


def ties():
    """The gradient of a maximum over 3x3 windows with equal elements."""
    v = torch.tensor([[(3 * h + 5 * w) % 3 for w in range(6)] for h in range(5)], dtype=torch.float64, requires_grad=True)
    y = nn.functional.max_pool2d(v[None, None], 3, 2, 1)
    (y * torch.arange(1.0, y.numel() + 1).reshape(y.shape)).sum().backward()
    return v.grad.reshape(-1).tolist()


if len(sys.argv) == 1:
    with gzip.GzipFile("train_golden.json.gz", "wb", mtime=0) as f:
        f.write(json.dumps({"_how": "train_golden.py", "networks": out, "optimizers": dict(optimizers()),
            "points": POINTS, "slopes": dict(slopes()), "ties": ties()}).encode())

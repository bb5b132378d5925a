#!/usr/bin/env python3
"""Writes golden_extra.json: logits of torchvision's networks at odd sizes, with
an output stride of 16, and of MobileNetV1 with LeakyReLU, filled with generated
weights as golden_logits.json's `_how` says. Made with torch 1.13 and
torchvision 0.14.1; run it in this directory."""
import gzip
import json
import math

import numpy as np
import torch
import torchvision
from torch import nn

torch.set_num_threads(1)


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
    """Generates every tensor; canonical maps a state-dict name to ours."""
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
        state[key] = torch.tensor(u.reshape(tuple(t.shape)).astype(np.float32))
    net.load_state_dict(state)
    return net.eval()


def logits(net, h, w):
    x = torch.tensor(uniform("input", 3 * h * w).reshape(1, 3, h, w).astype(np.float32))
    with torch.no_grad():
        y = net(x)[0]
    r = lambda v: float("%.6g" % float(v))
    return {"h": h, "w": w, "logits": {"n": len(y), "first8": [r(v) for v in y[:8]], "argmax": int(y.argmax()),
            "mean": r(y.mean()), "std": r(y.std()), "l2": r(y.norm())}}


maps = json.load(gzip.open("checkpoint_maps.json.gz"))


def from_map(model):
    inverse = {v: k for k, v in maps[model]["torchvision"].items()}
    return inverse.__getitem__


BN = {"weight": "bn.weight", "bias": "bn.bias", "running_mean": "bn.mean", "running_var": "bn.var"}


def mnasnet(key):
    """torchvision's MNASNet: layers.{0,1} stem, .{3,4} .{6,7} first block, .8-.13 stacks, .{14,15} head."""
    p = key.split(".")
    if p[0] == "classifier":
        return "classifier." + p[-1]
    i = int(p[1])
    if i in (0, 1):
        module, bn = "stem", i == 1
    elif i in (3, 4):
        module, bn = "blocks.0.dw", i == 4
    elif i in (6, 7):
        module, bn = "blocks.0.project", i == 7
    elif i in (14, 15):
        module, bn = "head.conv", i == 15
    else:
        start = [1, 4, 7, 10, 12, 16][i - 8]
        j = int(p[4])
        module = "blocks.%d.%s" % (start + int(p[2]), {0: "expand", 3: "dw", 6: "project"}[j // 3 * 3])
        bn = j % 3 == 1
    return module + "." + (BN[p[-1]] if bn else p[-1])


class V1(nn.Module):
    """MobileNetV1 in PyTorch's conventions, written from the paper's table."""

    def __init__(self, alpha, slope):
        super().__init__()
        layers = {}

        def conv(name, i, o, k, s, g):
            layers[name] = nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False)
            layers[name + ".bn"] = nn.BatchNorm2d(o)
            layers[name + ".act"] = nn.LeakyReLU(slope)

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
        self.fc = nn.Linear(c, 1000)

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


tv = torchvision.models
out = {}
v2 = fill(tv.mobilenet_v2(weights=None), from_map("mobilenet_v2_1.0"))
out["torchvision/mobilenet_v2/97x161"] = logits(v2, 97, 161)
out["torchvision/mobilenet_v2/33x33"] = logits(v2, 33, 33)
v3 = fill(tv.mobilenet_v3_large(weights=None, dilated=True), from_map("mobilenet_v3_large_1.0"))
out["torchvision/mobilenet_v3_large/dilated"] = logits(v3, 224, 224)
out["torchvision/mobilenet_v3_large/dilated/161x113"] = logits(v3, 161, 113)
v3 = fill(tv.mobilenet_v3_large(weights=None, width_mult=0.75), from_map("mobilenet_v3_large_1.0"))
out["torchvision/mobilenet_v3_large/width=0.75/res=96"] = logits(v3, 96, 96)
mnas = fill(tv.mnasnet1_0(weights=None), mnasnet)
out["torchvision/mnasnet1_0"] = logits(mnas, 224, 224)
v1 = V1(0.25, 0.1)
out["torch/mobilenet_v1/width=0.25/leaky_relu"] = logits(fill(v1, v1.canonical), 224, 224)
with open("golden_extra.json", "w") as f:
    json.dump({"_how": "golden_extra.py", "models": out}, f, indent=1)
    f.write("\n")

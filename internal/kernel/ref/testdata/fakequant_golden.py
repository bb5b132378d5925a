"""Writes fakequant.json: PyTorch's fake quantization and its gradient."""

import json
import math

import numpy as np
import torch


def floats(t):
    return [float(np.float32(v)) for v in t.flatten().tolist()]


def away(v):  # rounds halves away from 0
    return math.copysign(math.floor(abs(v) + 0.5), v)


torch.manual_seed(5)
cases = []
for lo, hi in [(-1.3, 2.9), (0, 6), (-0.4, 0.0), (-3, 3), (-0.01, 5)]:
    lo, hi = float(np.float32(lo)), float(np.float32(hi))
    scale = float(np.float32((max(hi, 0) - min(lo, 0)) / 255))
    zero = int(min(max(away(-128 - min(lo, 0) / scale), -128), 127))
    x = torch.randn(24) * 3
    edge = torch.tensor([(q - zero) * scale for q in (-128, 127, -128.4, 127.4, -128.6, 127.6, zero)] + [-0.0])
    x = torch.cat([x, edge]).float().requires_grad_(True)
    y = torch.fake_quantize_per_tensor_affine(x, scale, zero, -128, 127)
    dy = torch.randn(x.numel())
    y.backward(dy)
    cases.append(dict(lo=lo, hi=hi, x=floats(x.detach()), y=floats(y.detach()), dy=floats(dy), dx=floats(x.grad)))
w = torch.randn(4, 3, 2, 2) * torch.tensor([1.0, 0.01, 7.0, 0.3]).view(4, 1, 1, 1)
scale = w.abs().amax(dim=(1, 2, 3)) / 127
y = torch.fake_quantize_per_channel_affine(w, scale, torch.zeros(4, dtype=torch.int32), 0, -127, 127)
out = dict(
    origin="PyTorch " + torch.__version__ + ": fake_quantize_per_tensor_affine to int8, with its gradient; fake_quantize_per_channel_affine, -127 to 127",
    cases=cases,
    weight=dict(shape=list(w.shape), x=floats(w), y=floats(y)),
)
with open("fakequant.json", "w") as f:
    f.write(json.dumps(out).replace('{"lo"', '\n{"lo"').replace('"weight"', '\n"weight"') + "\n")

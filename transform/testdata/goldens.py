#!/usr/bin/env python3
"""Writes torchvision.json: torchvision 0.14 (on Pillow 9.4) applied to generated pictures: the
SHA-256 of the cropped bytes and a few normalised values."""
import hashlib, json, os
import numpy as np
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms.functional import InterpolationMode as I

here = os.path.dirname(os.path.abspath(__file__))

def noise(w, h):
    s, out = 12345, bytearray()
    for _ in range(3 * w * h):
        s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(s >> 24)
    return Image.frombytes("RGB", (w, h), bytes(out))

cases = []
for w, h in [(100, 75), (75, 100), (64, 64), (333, 101), (37, 200), (20, 31)]:
    for resize, crop, filt in [(64, 56, "bilinear"), (58, 56, "bilinear"), (64, 56, "bicubic"), (59, 48, "bicubic"),
                               (48, 48, "bicubic"), (30, 41, "bilinear"), (33, 32, "nearest")]:
        pre = T.Compose([T.Resize(resize, interpolation=I(filt)), T.CenterCrop(crop)])
        im = pre(noise(w, h))
        t = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(T.ToTensor()(im)).permute(1, 2, 0).reshape(-1)
        at = [int(i) for i in np.linspace(0, t.numel() - 1, 7)]
        cases.append(dict(w=w, h=h, recipe=f"resize={resize},crop={crop},filter={filt}",
                          sha256=hashlib.sha256(im.tobytes()).hexdigest()[:16],
                          at=at, values=[float(t[i]) for i in at]))
json.dump(cases, open(os.path.join(here, "torchvision.json"), "w"), indent=0)

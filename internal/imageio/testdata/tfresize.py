#!/usr/bin/env python3
"""Writes tfresize.json: TensorFlow's resizes of small generated pictures, from two independent
sources: torch.nn.functional.interpolate, whose bilinear with and without align_corners has the
formulas of TensorFlow's align_corners and half-pixel variants, and direct float64 numpy sums."""
import json, os
import numpy as np, torch, torch.nn.functional as F

here = os.path.dirname(os.path.abspath(__file__))

def noise(w, h):
    s, out = 12345, []
    for _ in range(3 * w * h):
        s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(s >> 24)
    return np.array(out, np.float64).reshape(h, w, 3)

def lerp_axis(a, out, axis, position):
    n = a.shape[axis]
    res = []
    for i in range(out):
        p = position(i)
        f = int(np.floor(p))
        t = p - f
        lo, hi = max(f, 0), min(f + 1, n - 1)
        res.append(a.take(lo, axis) * (1 - t) + a.take(max(hi, lo), axis) * t)
    return np.stack(res, axis)

def matrix(n, out, kind):
    s = n / out
    m = np.zeros((out, n))
    for i in range(out):
        for x in range(n):
            if kind == "area":
                m[i, x] = max(0, min((i + 1) * s, x + 1) - max(i * s, x)) / s
            else:
                k = max(s, 1)
                m[i, x] = max(0, 1 - abs((x + .5 - (i + .5) * s) / k))
        m[i] /= m[i].sum()
    return m

cases = []
for w, h, nw, nh in [(7, 5, 4, 3), (4, 3, 9, 8), (6, 6, 6, 6), (5, 5, 1, 1), (1, 1, 3, 2), (8, 6, 3, 7)]:
    a = noise(w, h)
    t = torch.from_numpy(a).permute(2, 0, 1)[None]
    def put(f, r):
        r = np.asarray(r)
        assert r.shape == (nh, nw, 3), r.shape
        cases.append(dict(filter=f, w=w, h=h, nw=nw, nh=nh, values=[round(float(v), 3) for v in r.ravel()]))
    put("tf-bilinear", F.interpolate(t, (nh, nw), mode="bilinear", align_corners=False)[0].permute(1, 2, 0))
    put("tf-bilinear-align", F.interpolate(t, (nh, nw), mode="bilinear", align_corners=True)[0].permute(1, 2, 0))
    put("tf-nearest-legacy", F.interpolate(t, (nh, nw), mode="nearest")[0].permute(1, 2, 0))
    put("tf-nearest", F.interpolate(t, (nh, nw), mode="nearest-exact")[0].permute(1, 2, 0))
    put("tf-bilinear-legacy", lerp_axis(lerp_axis(a, nh, 0, lambda i: i * h / nh), nw, 1, lambda i: i * w / nw))
    for f, k in (("tf-area", "area"), ("tf-bilinear-antialias", "triangle")):
        put(f, np.einsum("iy,yxc,jx->ijc", matrix(h, nh, k), a, matrix(w, nw, k)))
json.dump(cases, open(os.path.join(here, "tfresize.json"), "w"), separators=(",", ":"))

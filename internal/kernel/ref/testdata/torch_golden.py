#!/usr/bin/env python3
"""Writes torch_golden.json: small cases of every reference operation computed
by PyTorch in float64 (made with torch 1.13.1). Run: python3 torch_golden.py

Pictures are stored in NHWC; field names are those of the argument blocks."""
import json, torch, torch.nn.functional as F
torch.manual_seed(5)
cases = []

def nhwc(t): return t.permute(0, 2, 3, 1).contiguous()
def flat(t): return [round(v, 12) for v in t.contiguous().flatten().tolist()]
def rnd(*s): return torch.randn(*s, dtype=torch.float64).mul(1000).round().div(1000)
def add(op, y, args, **arrays):
    a = dict(args); a.update({k: flat(v) for k, v in arrays.items()})
    cases.append({"op": op, "args": a, "y": flat(y)})

ACTS = {0: lambda x: x, 1: F.relu, 2: F.relu6, 3: lambda x: x.clamp(-0.5, 0.75), 4: lambda x: F.leaky_relu(x, 0.125),
        5: F.silu, 6: torch.sigmoid, 7: F.hardswish, 8: F.hardsigmoid, 10: torch.tanh, 11: F.gelu}
AB = {3: (-0.5, 0.75), 4: (0.125, 0), 7: (1 / 6, 0), 8: (1 / 6, 0)}
def act(k):
    a, b = AB.get(k, (0, 0)); return {"Kind": k, "A": a, "B": b}

def conv(n, h, w, c, o, kh, kw, sh=1, sw=1, dh=1, dw=1, t=0, b=0, l=0, r=0, g=1, kind=0, scale=False, residual=False):
    x, wt, bias = rnd(n, c, h, w), rnd(o, c // g, kh, kw), rnd(o)
    s = rnd(n, c)
    xin = x * s[:, :, None, None] if scale else x
    y = ACTS[kind](F.conv2d(F.pad(xin, (l, r, t, b)), wt, bias, (sh, sw), 0, (dh, dw), g))
    arrays = dict(X=nhwc(x), Weight=wt, Bias=bias)
    if scale: arrays["Scale"] = s
    if residual:
        res = rnd(*y.shape); y = y + res; arrays["Residual"] = nhwc(res)
    add("conv", nhwc(y), dict(N=n, H=h, W=w, C=c, OH=y.shape[2], OW=y.shape[3], O=o, KH=kh, KW=kw, StrideH=sh, StrideW=sw,
        DilationH=dh, DilationW=dw, PadTop=t, PadLeft=l, Groups=g, Act=act(kind), HasScale=scale, HasResidual=residual), **arrays)

conv(1, 1, 1, 5, 3, 1, 1)
conv(2, 4, 5, 3, 4, 3, 3, t=1, b=1, l=1, r=1, kind=1)
conv(1, 6, 7, 3, 4, 3, 3, 2, 2, t=0, b=1, l=0, r=1, kind=2)
conv(2, 5, 4, 4, 4, 3, 3, g=4, t=1, b=1, l=1, r=1, kind=7, residual=True)
conv(1, 7, 6, 4, 6, 3, 2, 2, 1, 1, 2, t=1, b=0, l=2, r=1, g=2, kind=3)
conv(1, 9, 9, 2, 2, 5, 5, 2, 2, t=2, b=2, l=2, r=2, g=2, kind=5)
conv(1, 9, 8, 3, 3, 3, 3, dh=2, dw=3, t=2, b=2, l=3, r=3, g=3, kind=4)
conv(2, 3, 3, 6, 5, 1, 1, scale=True, residual=True)

x = torch.cat([rnd(40) * 4, torch.tensor([0.0, 3.0, -3.0, 6.0, -6.0, 90.0, -90.0], dtype=torch.float64)])
for k, f in ACTS.items():
    add("activation", f(x), dict(Len=len(x), Act=act(k)), X=x)
add("activation", (0.25 * x + 0.5).clamp(0, 1), dict(Len=len(x), Act={"Kind": 9, "A": 0.25, "B": 0.5}), X=x)

x = rnd(2, 3, 5, 4)
add("gap", x.mean((2, 3)), dict(N=2, H=5, W=4, C=3), X=nhwc(x))
for k, s, p, d in [(2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 1)]:
    base = dict(N=2, H=5, W=4, C=3, KH=k, KW=k, StrideH=s, StrideW=s, DilationH=d, DilationW=d, PadTop=p, PadLeft=p)
    for name, y in [("max", F.max_pool2d(x, k, s, p, d)), ("avg", F.avg_pool2d(x, k, s, p, count_include_pad=False)), ("pad", F.avg_pool2d(x, k, s, p))]:
        add("pool", nhwc(y), dict(base, OH=y.shape[2], OW=y.shape[3], Max=name == "max", CountPad=name == "pad"), X=nhwc(x))

for fn, f in enumerate([torch.add, torch.sub, torch.mul, torch.div]):
    for sa, sb in [((2, 1, 3, 4), (2, 3, 1, 4)), ((1, 1, 1, 1), (2, 2, 1, 3))]:
        a, b = rnd(*sa), rnd(*sb).abs() + 0.5
        add("binary", f(a, b), dict(Fn=fn, AShape=sa, BShape=sb), A=a, B=b)

x = rnd(3, 7) * 10
add("softmax", F.softmax(x, -1), dict(Rows=3, Cols=7), X=x)
x, v = rnd(6, 4), rnd(4).abs()
p = [rnd(4) for _ in range(3)]
add("batchnorm", F.batch_norm(x, p[2], v, p[0], p[1], False, 0, 1e-3), dict(Rows=6, C=4, Epsilon=1e-3), X=x, Gamma=p[0], Beta=p[1], Mean=p[2], Var=v)

x = rnd(2, 3, 4, 5)
for oh, ow in [(8, 10), (3, 7), (1, 1), (4, 5)]:
    base = dict(N=2, H=4, W=5, C=3, OH=oh, OW=ow)
    for rule, kw in [(0, dict(mode="bilinear", align_corners=False)), (1, dict(mode="bilinear", align_corners=True)), (2, dict(mode="nearest"))]:
        add("resize", nhwc(F.interpolate(x, (oh, ow), **kw)), dict(base, Rule=rule, Nearest=rule == 2), X=nhwc(x))
    add("resize", nhwc(F.interpolate(x, (oh, ow), mode="nearest-exact")), dict(base, Rule=0, Nearest=True), X=nhwc(x))

add("pad", nhwc(F.pad(x, (3, 0, 1, 2), value=-1.5)), dict(N=2, H=4, W=5, C=3, Top=1, Bottom=2, Left=3, Right=0, Value=-1.5), X=nhwc(x))
a, b = rnd(2, 3, 2), rnd(2, 1, 2)
y = torch.cat([a, b], 1)
cases.append({"op": "concat", "args": {"Outer": 2, "Inner": [6, 2], "Xs": [flat(a), flat(b)]}, "y": flat(y)})
x = rnd(2, 3, 4, 5)
for perm in [(0, 3, 1, 2), (3, 1, 0, 2)]:
    add("transpose", x.permute(*perm), dict(Rank=4, Shape=[2, 3, 4, 5, 0, 0], Perm=list(perm) + [0, 0]), X=x)

with open("torch_golden.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")

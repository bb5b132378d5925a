"""PyTorch as a peer: peers/pytorch.py NETWORK THREADS BATCH

NETWORK is v1, v2, v3l or v3s, the first word of the ONNX file's name. Modes of
inference (channels-last, traced and frozen, with and without oneDNN's fusions)
are tried for a moment each and the fastest is taken. Then every line
{"runs": N} on standard input is answered with {"min": ms, "median": ms}.
"""
import json
import statistics
import sys
import time


def say(**answer):
    print(json.dumps(answer), flush=True)


try:
    import torch
    import torchvision
except Exception as err:
    say(missing=f"PyTorch with torchvision cannot be imported: {err}")
    sys.exit()

name, threads, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(threads)
torch.set_grad_enabled(False)
torch.manual_seed(1)


def unit(i, o, k, s, groups=1):
    nn = torch.nn
    return [nn.Conv2d(i, o, k, s, k // 2, groups=groups, bias=False), nn.BatchNorm2d(o), nn.ReLU6(inplace=True)]


def v1():
    layers, c = unit(3, 32, 3, 2), 32
    for o, s in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
        layers += unit(c, c, 3, s, c) + unit(c, o, 1, 1)
        c = o
    return torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(c, 1000))


makers = {"v1": v1, "v2": torchvision.models.mobilenet_v2, "v3l": torchvision.models.mobilenet_v3_large, "v3s": torchvision.models.mobilenet_v3_small}
if name not in makers:
    say(missing=f"no network {name!r}: the file's name begins with one of {', '.join(makers)}")
    sys.exit()
model = makers[name]().eval()
x = torch.randn(batch, 3, 224, 224)
xl = x.to(memory_format=torch.channels_last)


def frozen(m, x):
    return torch.jit.freeze(torch.jit.trace(m, x))


def modes():
    yield "eager", lambda: (model, x)
    yield "frozen", lambda: (frozen(model, x), x)
    yield "optimized", lambda: (torch.jit.optimize_for_inference(frozen(model, x)), x)
    last = lambda: makers[name]().eval().to(memory_format=torch.channels_last)
    yield "channels-last frozen", lambda: (frozen(last(), xl), xl)
    yield "channels-last optimized", lambda: (torch.jit.optimize_for_inference(frozen(last(), xl)), xl)


def times(m, x, n):
    out = []
    for _ in range(n):
        t = time.perf_counter()
        m(x)
        out.append(1e3 * (time.perf_counter() - t))
    return out


best = None
for mode, make in modes():
    try:
        m, data = make()
        times(m, data, 5)
        t = min(times(m, data, 15))
    except Exception:
        continue  # a mode this version has not
    if best is None or t < best[0]:
        best = (t, mode, m, data)
if best is None:
    say(missing="no mode of inference works")
    sys.exit()
_, mode, model, x = best
say(version=torch.__version__, mode=mode)
for line in sys.stdin:
    times(model, x, 10)
    t = times(model, x, json.loads(line)["runs"])
    say(min=min(t), median=statistics.median(t))

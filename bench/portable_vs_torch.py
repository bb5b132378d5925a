#!/usr/bin/env python3
"""The portable kernels beside PyTorch's eager mode, in alternation, in one run.

    bench/portable_vs_torch.py [--pairs 7] [--model mobilenet_v2] [--threads 2]

Needs PyTorch and torchvision for the interpreter that runs it, and Go. Builds
the engine's benchmark with the purego tag, then times ours and theirs in turn:
one picture of 224 x 224, the median of each turn, and the ratio pair by pair.
"""
import argparse, os, re, statistics, subprocess, sys, tempfile, time
import torch, torchvision

p = argparse.ArgumentParser()
p.add_argument("--pairs", type=int, default=7)
p.add_argument("--model", default="mobilenet_v2", choices=["mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"])
p.add_argument("--threads", type=int, default=2)
p.add_argument("--runs", type=int, default=40, help="pictures in each turn")
a = p.parse_args()
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
work = tempfile.mkdtemp()
exe = os.path.join(work, "engine.test")
subprocess.run(["go", "test", "-tags", "purego", "-c", "-o", exe, "./internal/engine"], cwd=root, check=True)

torch.set_num_threads(a.threads)
net = getattr(torchvision.models, a.model)().eval()
x = torch.randn(1, 3, 224, 224)


def theirs():
    times = []
    with torch.no_grad():
        for i in range(a.runs + 3):
            t = time.perf_counter()
            net(x)
            if i >= 3:
                times.append(time.perf_counter() - t)
    return min(times) * 1e3, statistics.median(times) * 1e3


def ours():
    """The minimum and median over the turn, from the benchmark's own metrics."""
    out = subprocess.run(
        [exe, "-test.run", "^$", "-test.bench", f"Infer/model={a.model}/threads={a.threads}/impl=go$", "-test.benchtime", f"{a.runs}x"],
        capture_output=True, text=True, check=True, cwd=os.path.join(root, "internal/engine")).stdout
    number = lambda unit: float(re.search(r"([\d.]+) " + re.escape(unit), out).group(1))
    if number("allocs/op") != 0:
        sys.exit("a run allocates: " + out)
    return number("min-ms"), number("median-ms")


ratios = []
theirs()
for i in range(a.pairs):
    o, t = ours(), theirs()
    ratios.append((o[0] / t[0], o[1] / t[1]))
    print(f"pair {i + 1}: ours min {o[0]:.1f} median {o[1]:.1f} ms, PyTorch min {t[0]:.1f} median {t[1]:.1f} ms, ratio of medians {ratios[-1][1]:.2f}", flush=True)
print(f"{a.model}, {a.threads} threads, torch {torch.__version__}: ratio of minimums {statistics.median(r[0] for r in ratios):.2f}, of medians {statistics.median(r[1] for r in ratios):.2f} (median of {a.pairs} pairs)")

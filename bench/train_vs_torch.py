#!/usr/bin/env python3
"""Training steps beside PyTorch's, in alternation, in one run.

    bench/train_vs_torch.py [--model v1,v2,v3l,v3s] [--size 96,224] [--batch 32]
                            [--threads 2] [--pairs 3] [--steps 3] [--mode plain,cl]

Needs PyTorch and torchvision for the interpreter that runs it, and Go. Every
turn is a process of its own, ours (bench/trainstep) and PyTorch's after each
other: the same network, random pictures, cross entropy, SGD with momentum and
weight decay, averages of the batch norms. PyTorch counts with the better of
its modes (plain, cl: channels last; bf16 and bf16cl: autocast). Prints each
turn, then the ratios of the best and of the median steps, and the resident
peaks.
"""
import argparse, json, os, re, resource, statistics, subprocess, sys, tempfile, time

ARCH = {"v1": "mobilenet_v1", "v2": "mobilenet_v2", "v3l": "mobilenet_v3_large", "v3s": "mobilenet_v3_small"}


def theirs(model, size, batch, threads, steps, mode):
    """Runs in a process of its own and prints one line of JSON."""
    import torch, torchvision
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)

    def layer(i, o, k, s, g=1):
        return nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(o), nn.ReLU6(inplace=True))

    class V1(nn.Module):
        def __init__(self):
            super().__init__()
            layers, c = [layer(3, 32, 3, 2)], 32
            for o, s in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]:
                layers += [layer(c, c, 3, s, c), layer(c, o, 1, 1)]
                c = o
            self.features, self.classifier = nn.Sequential(*layers), nn.Linear(1024, 1000)

        def forward(self, x):
            return self.classifier(self.features(x).mean((2, 3)))

    make = {"v1": V1, "v2": torchvision.models.mobilenet_v2, "v3l": torchvision.models.mobilenet_v3_large, "v3s": torchvision.models.mobilenet_v3_small}
    net = make[model]().train()
    x, y = torch.randn(batch, 3, size, size), torch.randint(0, 1000, (batch,))
    if "cl" in mode:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    loss = nn.CrossEntropyLoss()
    times = []
    for i in range(steps + 1):
        start = time.perf_counter()
        opt.zero_grad(set_to_none=True)
        if "bf16" in mode:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = loss(net(x), y)
        else:
            value = loss(net(x), y)
        value.backward()
        opt.step()
        if i:
            times.append(time.perf_counter() - start)
    print(json.dumps({"best_s": min(times), "median_s": statistics.median(times), "torch": torch.__version__,
                      "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def last_line(command, cwd=None, limit=600):
    out = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=limit)
    if out.returncode:
        sys.exit(out.stderr or out.stdout)
    return json.loads(out.stdout.strip().splitlines()[-1])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", default="v1,v2,v3l,v3s")
    p.add_argument("--size", default="96,224")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--pairs", type=int, default=3)
    p.add_argument("--steps", type=int, default=3, help="steps timed in each turn, after one that is not")
    p.add_argument("--mode", default="plain,cl")
    p.add_argument("--theirs", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.theirs:
        theirs(a.model, int(a.size), a.batch, a.threads, a.steps, a.theirs)
        return
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    exe = os.path.join(tempfile.mkdtemp(), "trainstep")
    subprocess.run(["go", "build", "-o", exe, "./bench/trainstep"], cwd=root, check=True)
    summary = []
    for model in a.model.split(","):
        for size in map(int, a.size.split(",")):
            best, median, peaks = [], [], []
            for i in range(a.pairs):
                ours = last_line([exe, "-model", ARCH[model], "-size", str(size), "-batch", str(a.batch), "-threads", str(a.threads), "-steps", str(a.steps)])
                runs = {mode: last_line([sys.executable, os.path.abspath(__file__), "--theirs", mode, "--model", model, "--size", str(size),
                                         "--batch", str(a.batch), "--threads", str(a.threads), "--steps", str(a.steps)]) for mode in a.mode.split(",")}
                mode = min(runs, key=lambda m: runs[m]["best_s"])
                t = runs[mode]
                best.append(t["best_s"] / ours["best_s"])
                median.append(t["median_s"] / ours["median_s"])
                peaks.append(ours["peak_mib"] / t["peak_mib"])
                print(f"{model} {size} pair {i + 1}: ours {a.batch / ours['best_s']:.1f} images/s (median {a.batch / ours['median_s']:.1f}), "
                      f"PyTorch {t['torch']} {mode} {a.batch / t['best_s']:.1f} (median {a.batch / t['median_s']:.1f}), ratio {best[-1]:.2f}; "
                      f"peak {ours['peak_mib']:.0f} MiB (planned {ours['arena_mib']:.0f}) against {t['peak_mib']:.0f}", flush=True)
            summary.append(f"{model} {size}: ratio of bests {statistics.median(best):.2f}, of medians {statistics.median(median):.2f}, "
                           f"of peaks {statistics.median(peaks):.2f} (median of {a.pairs} pairs)")
    print("\n".join(summary))


main()

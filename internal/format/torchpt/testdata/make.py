"""Makes the golden checkpoints in this folder and golden.json, which holds what
PyTorch itself reads back from them. Made with PyTorch 1.13 and numpy 1.24:

    python3 make.py
"""
import argparse, collections, json, os, pickle, zipfile
import numpy as np
import torch

here = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(1)
DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()


def example(name, n=6):
    dt = getattr(torch, name)
    if dt.is_floating_point:
        return (torch.randn(2, n // 2, dtype=torch.float64) * 3).to(dt)
    if dt == torch.bool:
        return torch.tensor([[True, False, True], [False, False, True]])
    lo = 0 if name == "uint8" else -100
    return torch.randint(lo, 100, (2, n // 2)).to(dt)


def views():
    base = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5)
    return collections.OrderedDict(
        base=base,
        transposed=base.permute(2, 0, 1),
        sliced=base[1:, ::2, 1:4],
        offset=base[2],
        expanded=torch.tensor([7.0, 8.0]).reshape(2, 1).expand(2, 3),
        channels_last=torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(0, 3),
        one_wide=torch.arange(6.0).reshape(3, 2)[:, :1],
    )


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4))
        self.classifier = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def checkpoint():
    net = torch.nn.DataParallel(Net())
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    net.module(torch.randn(2, 3, 8, 8)).sum().backward()
    opt.step()
    sched = torch.optim.lr_scheduler.MultiStepLR(opt, [3, 5])
    return {
        "epoch": 18, "arch": "tiny", "best_prec1": torch.tensor(61.5), "lr": np.float64(0.125),
        "steps": np.int64(77), "args": argparse.Namespace(lr=0.1, names=["a"]), "done": True, "note": None,
        "set": {1, 2}, "size": torch.Size([1, 2]), "device": torch.device("cuda", 0), "dtype": torch.float16,
        "big": 1 << 80, "array": np.arange(3.0),
        "optimizer": opt.state_dict(), "scheduler": sched.state_dict(),
        "state_dict": net.state_dict(),
        "model_ema": {"n_averaged": torch.tensor(3), **net.state_dict()},
    }


cases = {
    "dtypes": {n: example(n) for n in DTYPES},
    "views": views(),
    "checkpoint": checkpoint(),
    "parameter": {"w": torch.nn.Parameter(torch.randn(2, 2)), "frozen": torch.nn.Parameter(torch.ones(3), requires_grad=False)},
    "shared": (lambda w: {"a.weight": w, "b.weight": w, "b.row": w[1]})(torch.randn(3, 2)),
}


def flatten(v, path=""):
    if isinstance(v, torch.Tensor):
        yield path, v
    elif isinstance(v, dict):
        for k, x in v.items():
            yield from flatten(x, f"{path}.{k}" if path else str(k))
    elif isinstance(v, (list, tuple)):
        for i, x in enumerate(v):
            yield from flatten(x, f"{path}.{i}" if path else str(i))


golden = {}
for name, obj in cases.items():
    for kind, new in (("zip", True), ("legacy", False)):
        for proto in ((2, 4) if name == "checkpoint" else (2,)):
            file = f"{name}_{kind}{'' if proto == 2 else '_p4'}.pth"
            torch.save(obj, os.path.join(here, file), _use_new_zipfile_serialization=new, pickle_protocol=proto)
            back = torch.load(os.path.join(here, file), map_location="cpu")
            golden[file] = [
                {"name": p, "dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape),
                 "values": t.detach().double().flatten().tolist()}
                for p, t in flatten(back)]
with open(os.path.join(here, "golden.json"), "w") as f:
    f.write("{\n" + ",\n".join(f"{json.dumps(k)}: [\n" + ",\n".join(json.dumps(t) for t in v) + "\n]" for k, v in golden.items()) + "\n}\n")

# Files that have to be refused.
torch.save(Net().features, os.path.join(here, "refused_module_zip.pth"))
torch.save({"w": torch.quantize_per_tensor(torch.randn(4), 0.1, 0, torch.qint8)}, os.path.join(here, "refused_quantized.pth"))
torch.save({"w": torch.eye(3).to_sparse()}, os.path.join(here, "refused_sparse.pth"))
torch.save({"w": torch.ones(2, dtype=torch.complex64)}, os.path.join(here, "refused_complex.pth"))


class Scripted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x * self.w


script = os.path.join(here, "refused_torchscript.pt")
torch.jit.script(Scripted()).save(script)
with zipfile.ZipFile(script) as z:  # without the debugging entries, which name folders
    entries = [(i, z.read(i)) for i in z.infolist() if not i.filename.endswith(".debug_pkl")]
with zipfile.ZipFile(script, "w") as z:
    for info, data in entries:
        z.writestr(info.filename, data)

# The same values in every pickle protocol, without tensors.
values = {
    "ints": [0, 1, -1, 255, 256, 65535, 65536, -(2**31), 2**31, -(2**62), 2**63 - 1, 2**80],
    "floats": [0.5, -1e300, float("inf")],
    "text": "line\none \\ 'quoted' \"twice\" é € \U0001f600",
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "flags": [True, False, None],
    "set": {7}, "frozen": frozenset([8]), "bytes": b"\x00\xff a", "array": bytearray(b"xyz"),
    "args": argparse.Namespace(lr=0.1), "counter": collections.Counter("aab"),
    "default": collections.defaultdict(dict, a=1), "ordered": collections.OrderedDict([("k", 1), (2, "v")]),
    "complex": 1j,
}
values["again"] = values["tuples"]
for proto in range(6):
    with open(os.path.join(here, f"values_p{proto}.pkl"), "wb") as f:
        pickle.dump(values, f, protocol=proto)

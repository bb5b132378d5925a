"""Measures timm's own networks for the catalogue's tests.

    python3 timm_profile.py paper_results.json > timm.json

needs timm (any 1.0.x) and torch; no weights are downloaded. For each network:
the number of parameters, the SHA-256 of its sorted lines "tensor AxBxC", the
batch norms' epsilon and what timm says of preprocessing.
"""
import hashlib
import json
import sys

import timm

rows = json.load(open(sys.argv[1]))["published_checkpoints"]["timm_imagenet"]["rows"]
out = {}
for name in sorted({r[0] for r in rows}):
    if name.startswith(("resnet", "seresnet", "mobilenetv4")):
        continue
    m = timm.create_model(name, pretrained=False)
    state = {k: v for k, v in m.state_dict().items() if not k.endswith("num_batches_tracked")}
    lines = "".join(f"{k} {'x'.join(map(str, v.shape))}\n" for k, v in sorted(state.items()))
    c = m.pretrained_cfg
    assert c["hf_hub_id"] == "timm/" + name
    out[name] = {
        "params": sum(p.numel() for p in m.parameters()),
        "tensors": len(state),
        "digest": hashlib.sha256(lines.encode()).hexdigest(),
        "eps": next(x.eps for x in m.modules() if hasattr(x, "running_mean")),
        "resolution": c["input_size"][1],
        "crop_pct": c["crop_pct"],
        "interpolation": c["interpolation"],
        "mean": c["mean"],
        "std": c["std"],
    }
    if c.get("test_input_size"):
        out[name].update(test_resolution=c["test_input_size"][1], test_crop_pct=c["test_crop_pct"])
print("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out.items()) + "\n}")

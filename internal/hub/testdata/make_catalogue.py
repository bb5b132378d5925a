"""Writes ../catalogue.json.

    python3 make_catalogue.py paper_results.json timm.json > ../catalogue.json

paper_results.json holds the accuracies that torchvision and timm publish;
timm.json is what timm_profile.py wrote. mobilenetv3_rw is left out: its last
convolution has no bias and its squeeze-and-excite is rounded otherwise.
"""
import json
import sys

published = json.load(open(sys.argv[1]))["published_checkpoints"]
profile = json.load(open(sys.argv[2]))

# Networks that are no published table at some width, as spec lines.
SPECS = {
    "mobilenetv1_100h": "family=v1 act=r6 stem_c32 ds_c64 ds_s2_c128 ds_c128_join ds_s2_c256 ds_c256_join ds_s2_c512 "
    "ds_r5_c512_join ds_s2_c1024 ds_c1024_join head_c1024",
    "mobilenetv2_110d": "family=v2 act=r6 stem_c32 ir_c16 ir_r3_s2_e6_c24 ir_r4_s2_e6_c32 ir_r5_s2_e6_c72 ir_r4_e6_c104 "
    "ir_r4_s2_e6_c176 ir_e6_c352 head_c1280",
    "mobilenetv2_120d": "family=v2 act=r6 stem_c32 ir_c24 ir_r3_s2_e6_c32 ir_r5_s2_e6_c40 ir_r6_s2_e6_c80 ir_r5_e6_c112 "
    "ir_r5_s2_e6_c192 ir_e6_c384 head_c1280",
    "mobilenetv3_large_150d": "family=v3 width=1.5 act=hs stem_c16 ir_r2_c16_nre ir_s2_e4_c24_nre ir_r2_e3_c24_nre_join "
    "ir_r4_k5_s2_e3_c40_se0.25_nre ir_s2_e6_c80 ir_r2_e2.5_c80_join ir_r2_e2.3_c80_join ir_r3_e6_c112_se0.25 "
    "ir_r4_k5_s2_e6_c160_se0.25 cn_k1_r2_c960 head_f1280",
    "spnasnet_100": "family=mnasnet act=re stem_c32 ir_c16_noskip ir_r3_s2_e3_c24 ir_k5_s2_e6_c40 ir_r3_e3_c40_join "
    "ir_k5_s2_e6_c80 ir_r3_e3_c80_join ir_k5_e6_c96 ir_r3_k5_e3_c96_join ir_r4_k5_s2_e6_c192 ir_e6_c320_noskip head_c1280",
    "efficientnet_es": "family=edgetpu act=re stem_c32 er_x96_c24_noskip er_r2_s2_e8_c32 er_r4_s2_e8_c48 ir_r5_k5_s2_e8_c96 "
    "ir_r4_k5_e8_c144 ir_r2_k5_s2_e8_c192 head_c1280",
}
SPECS["efficientnet_es_pruned"] = SPECS["efficientnet_es"]
LEFT_OUT = {"mobilenetv3_rw.rmsp_in1k"}
ARCHS = {
    "mobilenetv1": "mobilenet_v1", "mobilenetv2": "mobilenet_v2", "mobilenetv3_large": "mobilenet_v3_large",
    "mobilenetv3_small": "mobilenet_v3_small", "mobilenetv3_large_minimal": "mobilenet_v3_large_minimalistic",
    "mobilenetv3_small_minimal": "mobilenet_v3_small_minimalistic", "mnasnet": "mnasnet_b1", "semnasnet": "mnasnet_a1",
    "mnasnet_small": "mnasnet_small", "mobilenet_edgetpu_v2_m": "mobilenet_edgetpu_v2_m",
}


def recipe(p, crop, interpolation):
    half = p["mean"] == [0.5, 0.5, 0.5] and p["std"] == [0.5, 0.5, 0.5]
    suffix = {0.875: "", 0.9: "-0.9", 0.95: "-0.95", 1.0: "-1.0"}[crop]
    if half and crop != 1.0:
        r = "timm-half" + suffix
    else:
        r = "timm" + (suffix or "-bicubic")
        if half:
            r += ",range=-1..1"
        elif p["mean"] == [0.0, 0.0, 0.0]:
            r += ",range=0..1"
        else:
            assert p["mean"] == [0.485, 0.456, 0.406], p
    return r + {"bicubic": "", "bilinear": ",filter=bilinear"}[interpolation]


entries = []
for weights, params, top1, top5, note in published["torchvision"]["rows"]:
    model, _, tag = weights.partition(" ")
    file = {
        "MobileNet_V2 IMAGENET1K_V1": "mobilenet_v2-b0353104.pth",
        "MobileNet_V2 IMAGENET1K_V2": "mobilenet_v2-7ebf99e0.pth",
        "MobileNet_V3_Large IMAGENET1K_V1": "mobilenet_v3_large-8738ca79.pth",
        "MobileNet_V3_Large IMAGENET1K_V2": "mobilenet_v3_large-5c1a4163.pth",
        "MobileNet_V3_Small IMAGENET1K_V1": "mobilenet_v3_small-047dcff4.pth",
    }.get(weights)
    if not file:
        continue
    name = model.lower()
    e = {"name": f"torchvision/{name}.{tag}", "publisher": "torchvision", "file": file, "arch": name, "dialect": "torchvision",
         "resolution": 224, "recipe": {"crop 224 resize 256": "torchvision", "crop 224 resize 232": "torchvision-v2"}[note],
         "top1": top1, "top5": top5, "params": params, "license": "bsd-3-clause"}
    if tag == "IMAGENET1K_V2" or name == "mobilenet_v3_small":
        e["alias"] = "torchvision/" + name  # torchvision's own default
    entries.append(e)

rows = {}
for name, res, top1, top5, mparams, crop, interpolation in published["timm_imagenet"]["rows"]:
    if name in profile and name not in LEFT_OUT:
        p = profile[name]
        assert round(p["params"] / 1e6, 2) == mparams, name
        rows.setdefault(name, []).append({"resolution": res, "recipe": recipe(p, crop, interpolation), "top1": top1, "top5": top5})
for name in sorted(rows):
    p, base = profile[name], name.split(".")[0]
    results = sorted(rows[name], key=lambda r: r["resolution"] != p["resolution"])
    assert results[0]["resolution"] == p["resolution"], name
    e = {"name": name, "publisher": "timm", "repo": "timm/" + name, "file": "model.safetensors"}
    if base in SPECS:
        e["spec"] = f"name={base} dialect=timm {SPECS[base]}"
    else:
        e["dialect"] = "timm_tf" if base.startswith("tf_") else "timm"
        table, width = base.removeprefix("tf_"), 1
        head, _, digits = table.rpartition("_")
        if len(digits) == 3 and digits.isdigit():
            table, width = head, int(digits) / 100
        e["arch"] = ARCHS[table]
        if width != 1:
            e["width"] = width
    e.update(results[0], params=p["params"], license="apache-2.0")
    if results[1:]:
        e["also"] = results[1:]
    entries.append(e)
print("[\n" + ",\n".join(json.dumps(e) for e in entries) + "\n]")

"""Makes real.json: what flatc reads in the TFLite files of the test data folder.

usage: make.py FLATC SCHEMA DATA, with the published schema.fbs of TensorFlow
Lite. Independent of this package: flatc turns each file into JSON by the
schema, this script counts.
"""
import collections, glob, hashlib, json, os, re, subprocess, sys, tempfile

flatc, schema, data = sys.argv[1:]
here = os.path.dirname(os.path.abspath(__file__))
enum = re.search(r"enum BuiltinOperator : int32 \{(.*?)\n\}", open(schema).read(), re.S).group(1)
names = {int(v): n for n, v in re.findall(r"(\w+)\s*=\s*(\d+)", enum)}
out = {}
for f in sorted(glob.glob(data + "/models/*/*.tflite")):
    with tempfile.TemporaryDirectory() as d:
        subprocess.run([flatc, "--json", "--raw-binary", "--strict-json", "--defaults-json", "-o", d, schema, "--", f], check=True)
        m = json.load(open(glob.glob(d + "/*.json")[0], encoding="utf-8", errors="replace"))
    assert len(m["subgraphs"]) == 1, f
    g = m["subgraphs"][0]
    kinds, edges, tens = collections.Counter(), [], []
    for o in g["operators"]:
        c = m["operator_codes"][o["opcode_index"]]
        name = c["builtin_code"] if c["builtin_code"] != "ADD" else c["deprecated_builtin_code"]
        if isinstance(name, int):  # old files fill the byte alone
            name = names[name]
        kinds[name + " " + json.dumps(o.get("builtin_options", {}), sort_keys=True)] += 1
        edges.append(" ".join(map(str, o["inputs"] + ["->"] + o["outputs"])))
    for t in g["tensors"]:
        q = t.get("quantization", {})
        tens.append(" ".join([t["name"], t["type"], ",".join(map(str, t.get("shape", []))), str(len(m["buffers"][t["buffer"]].get("data", []))),
                              str(len(q.get("scale", []))), ",".join(map(str, q.get("zero_point", [])))]))
    out[os.path.relpath(f, data)] = {
        "version": m["version"], "description": m.get("description", ""), "inputs": g["inputs"], "outputs": g["outputs"],
        "operators": dict(kinds), "edges": hashlib.sha256("\n".join(edges).encode()).hexdigest(),
        # flatc prints six decimals, so scales are compared by their sum
        "scale_sum": sum(sum(t.get("quantization", {}).get("scale", [])) for t in g["tensors"]),
        "tensors": len(g["tensors"]), "tensor_digest": hashlib.sha256("\n".join(tens).encode()).hexdigest(),
        "buffers": len(m["buffers"]), "buffer_digest": hashlib.sha256(b"".join(bytes(b.get("data", [])) for b in m["buffers"])).hexdigest(),
        "metadata": sorted(x["name"] for x in m.get("metadata", [])),
    }
json.dump(out, open(os.path.join(here, "real.json"), "w"), indent=1)

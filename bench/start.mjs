// How long a whole process takes from its start to the answer for one photo:
// the program, Python with Pillow and PyTorch, and Node with ONNX Runtime fed a
// ready tensor, in turns.
//
//   node bench/start.mjs [--runs 20] [--json FILE] [--peers DIR] [--python PROGRAM]
//       MOBILENET V2.safetensors V2.onnx PHOTO
//
// Prints the median of each, the ratio ours to theirs run by run, the parts of
// ours as --json tells them, and its peak of memory where the system tells it.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fail, here, loadORT, machine, median, options, round, save } from './lib.mjs';

const usage = 'usage: start.mjs [--runs N] [--json FILE] [--peers DIR] [--python PROGRAM] MOBILENET V2.safetensors V2.onnx PHOTO';
const opt = { runs: 20, json: '', peers: '.', python: 'python3' };
const [binary, weights, onnx, photo] = options(opt, usage);
if (!photo) fail(usage);
const temp = mkdtempSync(path.join(os.tmpdir(), 'mobilenet-start-'));
process.on('exit', () => rmSync(temp, { recursive: true, force: true }));

const contenders = [{ name: 'mobilenet', command: [binary, 'classify', '--json', '--weights', weights, photo] }];
const versions = {};
const skipped = {};
const skip = (name, why) => {
  skipped[name] = why;
  console.error(`skipped ${name}: ${why}`);
};

const state = path.join(temp, 'v2.pth');
const made = spawnSync(opt.python, [path.join(here, 'peers', 'start_pytorch.py'), '--make', state], { encoding: 'utf8' });
if (made.status === 0) {
  versions.pytorch = execFileSync(opt.python, ['-c', 'import torch; print(torch.__version__)'], { encoding: 'utf8' }).trim();
  contenders.push({ name: 'pytorch', bound: 0.5, command: [opt.python, path.join(here, 'peers', 'start_pytorch.py'), state, photo] });
} else {
  skip('pytorch', made.error?.message ?? (made.stderr.trim().split('\n').pop() || 'it ended early'));
}
const ort = loadORT(opt.peers);
if (ort.missing) {
  skip('onnxruntime', ort.missing);
} else {
  versions.onnxruntime = ort.version;
  const tensor = path.join(temp, 'input.f32');
  writeFileSync(tensor, Buffer.from(Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => Math.sin(i)).buffer));
  contenders.push({ name: 'onnxruntime', bound: 1.2, command: [process.execPath, path.join(here, 'peers', 'start_onnxruntime.mjs'), opt.peers, onnx, tensor] });
}

function once(c) {
  const begin = performance.now();
  const r = spawnSync(c.command[0], c.command.slice(1), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const took = performance.now() - begin;
  if (r.error || r.status !== 0) fail(`${c.name}: ${r.error?.message ?? r.stderr}`);
  return { took, out: r.stdout };
}

for (const c of contenders) once(c); // files into memory
const parts = [];
for (const c of contenders) c.times = [];
for (let i = 0; i < opt.runs; i++) {
  for (const c of contenders) {
    const { took, out } = once(c);
    c.times.push(took);
    if (c.name === 'mobilenet') parts.push(JSON.parse(out).timing);
  }
}
const timing = {};
for (const k of Object.keys(parts[0])) timing[k] = round(median(parts.map((p) => p[k])));
const [own, ...peers] = contenders;
const results = [{ engine: own.name, min_ms: round(Math.min(...own.times)), median_ms: round(median(own.times)), timing, peak_mib: peak(own) }];
console.log(`mobilenet   median ${median(own.times).toFixed(1)} ms, min ${Math.min(...own.times).toFixed(1)} ms${results[0].peak_mib ? `, peak ${results[0].peak_mib} MiB` : ''}`);
console.log(`  parts     ${Object.entries(timing).map(([k, v]) => `${k.replace('_ms', '')} ${v.toFixed(1)}`).join(', ')} ms`);
for (const p of peers) {
  const ratio = median(own.times.map((t, i) => t / p.times[i]));
  results.push({ engine: p.name, min_ms: round(Math.min(...p.times)), median_ms: round(median(p.times)), ratio: round(ratio), bound: p.bound });
  console.log(`${p.name.padEnd(11)} median ${median(p.times).toFixed(1)} ms, min ${Math.min(...p.times).toFixed(1)} ms, ours to theirs ${ratio.toFixed(2)} (bound ${p.bound})`);
}

// peak is the most resident memory of a run in MiB, by GNU time; undefined
// where that is not installed.
function peak(c) {
  const file = path.join(temp, 'peak');
  const r = spawnSync('time', ['-f', '%M', '-o', file, ...c.command], { stdio: 'ignore' });
  if (r.error || r.status !== 0) return undefined;
  return round(Number(readFileSync(file, 'utf8')) / 1024, 1);
}

if (opt.json) {
  const m = machine(binary);
  save(opt.json, {
    schema: 'mobilenet.start/1', date: new Date().toISOString().slice(0, 10), machine: m,
    versions: { mobilenet: m.env.version, go: m.env.go, node: process.version, ...versions },
    settings: { runs: opt.runs, photo: path.basename(photo) }, skipped, results,
  });
}

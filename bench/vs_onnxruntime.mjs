// The program beside ONNX Runtime, in alternation, in one run.
//
//   npm install --ignore-scripts onnxruntime-node
//   node bench/vs_onnxruntime.mjs [--threads 1] [--pairs 7] [--runs 100] [--precision fp32] MOBILENET MODEL.onnx...
//
// MOBILENET is the built command. For each model the two take turns; a line
// gives the minimum and median of both and the ratio pair by pair.
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const ort = createRequire(path.join(process.cwd(), 'here.js'))('onnxruntime-node');
const options = { threads: 1, pairs: 7, runs: 100, precision: 'fp32' };
const rest = [];
for (let i = 2; i < process.argv.length; i++) {
  const name = process.argv[i].replace(/^--/, '');
  if (process.argv[i].startsWith('--') && name in options) options[name] = name === 'precision' ? process.argv[++i] : Number(process.argv[++i]);
  else rest.push(process.argv[i]);
}
const [binary, ...models] = rest;
if (!models.length) {
  console.error('usage: vs_onnxruntime.mjs [--threads N] [--pairs N] [--runs N] [--precision P] MOBILENET MODEL.onnx...');
  process.exit(2);
}

let used = ''; // what our precision came to
const middle = (xs) => [...xs].sort((a, b) => a - b)[xs.length >> 1];

function ours(model) {
  const out = execFileSync(binary, ['bench', '--weights', model, '--json', '--threads', String(options.threads), '--precision', options.precision, '--runs', String(options.runs), '--time', '1ms'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const t = JSON.parse(out);
  used = t.used;
  return { min: t.min_ms, median: t.median_ms };
}

async function theirs(session, feed) {
  const times = [];
  for (let i = -10; i < options.runs; i++) {
    const start = performance.now();
    await session.run(feed);
    if (i >= 0) times.push(performance.now() - start);
  }
  return { min: Math.min(...times), median: middle(times) };
}

for (const model of models) {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: options.threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' });
  const picture = new ort.Tensor('float32', Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => Math.sin(i)), [1, 3, 224, 224]);
  const feed = { [session.inputNames[0]]: picture };
  const pairs = [];
  for (let i = 0; i < options.pairs; i++) pairs.push([ours(model), await theirs(session, feed)]);
  const ms = (k, f) => middle(pairs.map((p) => p[k][f])).toFixed(2);
  const ratio = (f) => middle(pairs.map(([a, b]) => a[f] / b[f])).toFixed(2);
  console.log(`${path.basename(model)}, ${options.threads} threads: ours (${used}) min ${ms(0, 'min')} median ${ms(0, 'median')} ms, ONNX Runtime min ${ms(1, 'min')} median ${ms(1, 'median')} ms, ratio of minimums ${ratio('min')}, of medians ${ratio('median')} (${options.pairs} pairs of ${options.runs} runs)`);
}

// The program beside ONNX Runtime, and beside PyTorch, OpenCV and TensorFlow
// Lite where they are installed, in alternation, in one run.
//
//   npm install --ignore-scripts onnxruntime-node
//   node bench/vs_onnxruntime.mjs [--threads 1,2] [--batch 1] [--precision fp32]
//       [--pairs 7] [--runs 100] [--json FILE] [--peers DIR] [--python PROGRAM]
//       [--engines onnxruntime,pytorch,opencv,tflite] MOBILENET MODEL...
//
// MOBILENET is the built command. For each model the engines take turns; a line
// gives the minimum and median of each, and the ratio pair by pair, ours to
// theirs. --precision is ours alone (fp32,bf16,...): the peers run the file as
// it is. bench/README.md says how to install the peers, and what --json records.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { Peer, fail, loadORT, machine, median, numbers, options, round, save, sleep } from './lib.mjs';

const usage = 'usage: vs_onnxruntime.mjs [--threads N,...] [--batch N,...] [--precision P,...] [--pairs N] [--runs N] [--json FILE] [--peers DIR] [--python PROGRAM] [--engines LIST] MOBILENET MODEL.onnx...';
const opt = { threads: '1', batch: '1', precision: 'fp32', pairs: 7, runs: 100, json: '', peers: '.', python: 'python3', engines: 'onnxruntime,pytorch,opencv,tflite' };
const [binary, ...models] = options(opt, usage);
if (!models.length) fail(usage);
const wanted = opt.engines.split(',').filter(Boolean);
for (const name of wanted) if (!['onnxruntime', 'pytorch', 'opencv', 'tflite'].includes(name)) fail(`--engines ${name}: use onnxruntime, pytorch, opencv and tflite`);
const network = (file) => path.basename(file).replace(/[-_.].*$/, '').toLowerCase();

function ours(model, precision, threads, batch) {
  const args = ['bench', '--weights', model, '--json', '--threads', String(threads), '--batch', String(batch), '--runs', String(opt.runs), '--time', '1ms', '--precision', precision];
  const t = JSON.parse(execFileSync(binary, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
  return { min: t.min_ms, median: t.median_ms };
}

const skipped = new Map();
const skip = (engine, why) => {
  if (skipped.get(engine) !== why) console.error(`skipped ${engine}: ${why}`);
  skipped.set(engine, why);
};
const versions = {};

// theirs starts the peers of a model: a list of { name, turn, stop }.
async function theirs(model, threads, batch) {
  const engines = [];
  const lite = model.endsWith('.tflite'), int8 = model.endsWith('int8.onnx');
  if (wanted.includes('onnxruntime') && !lite) {
    const { ort, version, missing } = loadORT(opt.peers);
    try {
      if (missing) throw new Error(missing);
      const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' });
      const picture = new ort.Tensor('float32', Float32Array.from({ length: batch * 3 * 224 * 224 }, (_, i) => Math.sin(i)), [batch, 3, 224, 224]);
      const feed = { [session.inputNames[0]]: picture };
      await session.run(feed);
      versions.onnxruntime = version;
      engines.push({
        name: 'onnxruntime',
        async turn() {
          const times = [];
          for (let i = -10; i < opt.runs; i++) {
            const start = performance.now();
            await session.run(feed);
            if (i >= 0) times.push(performance.now() - start);
          }
          return { min: Math.min(...times), median: median(times) };
        },
        stop: () => session.release?.(),
      });
    } catch (err) {
      skip('onnxruntime', String(err.message).split('\n')[0]);
    }
  }
  for (const [name, script, what] of [['pytorch', 'pytorch.py', network(model)], ['opencv', 'opencv.py', model], ['tflite', 'tflite.py', model]]) {
    // PyTorch runs its own float network in the place of a file's, and only
    // TensorFlow Lite reads its own format.
    if (!wanted.includes(name) || (name === 'tflite') !== lite || int8) continue;
    const peer = await Peer.start(opt.python, script, [what, String(threads), String(batch)]);
    if (peer.missing) { skip(name, peer.missing); continue; }
    versions[name] = peer.version;
    engines.push({ name, mode: peer.mode, turn: () => peer.ask({ runs: opt.runs }), stop: () => peer.stop() });
  }
  return engines;
}

const results = [];
const described = machine(binary);
for (const model of models) {
  for (const threads of numbers('--threads', opt.threads)) {
    for (const batch of numbers('--batch', opt.batch)) {
      const own = opt.precision.split(',').map((precision) => ({ name: 'mobilenet', precision, turn: async () => ours(model, precision, threads, batch) }));
      const peers = await theirs(model, threads, batch);
      const times = new Map([...own, ...peers].map((e) => [e, []]));
      for (let i = 0; i < opt.pairs; i++) {
        for (const [engine, list] of times) {
          await sleep(30); // workers of the one before fall asleep
          const t = await engine.turn();
          if (t.missing) throw new Error(`${engine.name}: ${t.missing}`);
          list.push(t);
        }
      }
      for (const p of peers) p.stop();
      const common = { network: network(model), model: path.basename(model), threads, batch };
      for (const [engine, list] of times) {
        results.push({
          ...common, engine: engine.name, precision: engine.precision ?? 'fp32', mode: engine.mode,
          min_ms: round(Math.min(...list.map((t) => t.min))), median_ms: round(median(list.map((t) => t.median))),
        });
      }
      const say = (name, list) => `${name} min ${Math.min(...list.map((t) => t.min)).toFixed(2)} median ${median(list.map((t) => t.median)).toFixed(2)} ms`;
      for (const o of own) {
        const parts = [`ours ${say(o.precision, times.get(o))}`];
        for (const p of peers) {
          const ratio = (f) => median(times.get(o).map((t, i) => t[f] / times.get(p)[i][f]));
          const r = { min: ratio('min'), median: ratio('median') };
          const entry = results.find((e) => e.engine === 'mobilenet' && e.precision === o.precision && e.model === common.model && e.threads === threads && e.batch === batch);
          (entry.ratios ??= {})[p.name] = { min: round(r.min), median: round(r.median) };
          parts.push(`${say(p.name, times.get(p))}, ratio of minimums ${r.min.toFixed(2)}, of medians ${r.median.toFixed(2)}`);
        }
        console.log(`${common.model}, ${threads} threads, batch ${batch}: ${parts.join('; ')} (${opt.pairs} pairs of ${opt.runs} runs)`);
      }
    }
  }
}
if (opt.json) {
  save(opt.json, {
    schema: 'mobilenet.side-by-side/1', date: new Date().toISOString().slice(0, 10), machine: described,
    versions: { mobilenet: described.env.version, go: described.env.go, node: process.version, ...versions },
    settings: { pairs: opt.pairs, runs: opt.runs, resolution: 224 }, skipped: Object.fromEntries(skipped), results,
  });
}
process.exit(0);

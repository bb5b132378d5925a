// What the benchmark programs share: arguments, the machine's description,
// engines that take turns, and results as JSON.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';

export const here = path.dirname(new URL(import.meta.url).pathname);

// options reads `--name value` pairs over defaults; what is left is returned.
export function options(defaults, usage) {
  const rest = [];
  for (let i = 2; i < process.argv.length; i++) {
    const arg = process.argv[i];
    if (!arg.startsWith('--')) { rest.push(arg); continue; }
    const name = arg.slice(2);
    if (!(name in defaults) || i + 1 >= process.argv.length) fail(`unknown or incomplete option ${arg}\n${usage}`);
    const value = process.argv[++i];
    defaults[name] = typeof defaults[name] === 'number' ? number(arg, value) : value;
  }
  return rest;
}

function number(name, text) {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) fail(`${name} ${text}: give a whole number above 0`);
  return n;
}

// numbers is a list such as 1,2,4.
export const numbers = (name, text) => String(text).split(',').map((s) => number(name, s));

export function fail(message) {
  console.error(message);
  process.exit(2);
}

export const sorted = (xs) => [...xs].sort((a, b) => a - b);
export const median = (xs) => {
  const s = sorted(xs), n = s.length;
  return n % 2 ? s[n >> 1] : (s[n / 2 - 1] + s[n / 2]) / 2;
};
export const round = (x, digits = 3) => Number(x.toFixed(digits));
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// machine describes this computer; env is the answer of `mobilenet env --json`.
export function machine(binary) {
  const env = JSON.parse(execFileSync(binary, ['env', '--json'], { encoding: 'utf8' }));
  const caches = {};
  for (let i = 0; i < 8; i++) {
    try {
      const at = (f) => readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${i}/${f}`, 'utf8').trim();
      const kind = at('type') === 'Instruction' ? 'i' : at('type') === 'Data' ? 'd' : '';
      caches[`l${at('level')}${kind}`] = at('size');
    } catch { break; }
  }
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown', cores: os.cpus().length, memory_gib: round(os.totalmem() / 2 ** 30, 1),
    caches, os: `${os.type()} ${os.release()}`, arch: os.arch(), load: os.loadavg().map((x) => round(x, 2)), env,
  };
}

// loadORT finds the ONNX Runtime package below a folder, or says what is missing.
export function loadORT(folder) {
  const require = createRequire(path.join(path.resolve(folder), 'here.js'));
  let ort;
  try {
    ort = require('onnxruntime-node');
  } catch (err) {
    return { missing: `onnxruntime-node is not installed in ${path.resolve(folder)} (npm install --ignore-scripts onnxruntime-node; --peers DIR names another folder): ${String(err.message).split('\n')[0]}` };
  }
  return { ort, version: ort.env?.versions?.node ?? ort.env?.versions?.common ?? 'unknown' };
}

// Peer is a Python program that answers one line of JSON for each line it is
// sent. Its first line says that it is ready, or why it is not.
export class Peer {
  static async start(python, script, args) {
    const child = spawn(python, [path.join(here, 'peers', script), ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    const peer = new Peer();
    peer.child = child;
    peer.waiting = [];
    peer.lines = [];
    peer.ended = null;
    let errors = '';
    child.stderr.on('data', (b) => { errors = (errors + b).slice(-2000); });
    const give = (v) => (peer.waiting.length ? peer.waiting.shift()(v) : peer.lines.push(v));
    createInterface({ input: child.stdout }).on('line', (line) => { try { give(JSON.parse(line)); } catch { /* a library's chatter */ } });
    child.on('error', (err) => give({ missing: err.message }));
    child.on('exit', () => { peer.ended = { missing: errors.trim().split('\n').pop() || 'it ended early' }; give(peer.ended); });
    child.stdin.on('error', () => {});
    const ready = await peer.next();
    if (ready.missing) return { missing: ready.missing };
    peer.version = ready.version;
    peer.mode = ready.mode;
    return peer;
  }

  next() {
    if (this.lines.length) return Promise.resolve(this.lines.shift());
    if (this.ended) return Promise.resolve(this.ended);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  ask(question) {
    this.child.stdin.write(JSON.stringify(question) + '\n');
    return this.next();
  }

  stop() { this.child.stdin.end(); }
}

// save writes results as JSON, whole or not at all.
export function save(file, value) {
  mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
  const draft = `${file}.${process.pid}.part`;
  writeFileSync(draft, JSON.stringify(value, null, 1) + '\n');
  renameSync(draft, file);
}

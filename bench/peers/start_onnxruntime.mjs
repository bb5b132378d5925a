// One tensor from a cold start with ONNX Runtime:
//
//   node peers/start_onnxruntime.mjs FOLDER MODEL.onnx TENSOR.f32
//
// FOLDER has node_modules; the tensor is read ready from its file, so that no
// picture is decoded. Prints the five best classes.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';

const [folder, model, tensor] = process.argv.slice(2);
const ort = createRequire(path.join(path.resolve(folder), 'here.js'))('onnxruntime-node');
const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: 'all' });
const bytes = readFileSync(tensor);
const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const out = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', values, [1, 3, 224, 224]) });
const scores = [...out[session.outputNames[0]].data].map((v, i) => [v, i]).sort((a, b) => b[0] - a[0]);
for (const [v, i] of scores.slice(0, 5)) console.log(i, v);
process.exit(0);

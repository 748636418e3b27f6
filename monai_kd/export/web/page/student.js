// SPDX-License-Identifier: Apache-2.0
// The exported student in ONNX Runtime Web.
import * as ort from "./vendor/onnxruntime-web/ort.wasm.min.mjs";
import { Problem } from "./loading.js";

// A function that uses one SIMD instruction (i8x16.splat): engines without SIMD refuse it.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11];

/**
 * Opens the student; `student` and `runtime` are the bytes of its ONNX and of the runtime's WASM.
 * Returns segment(frame), and how it is computed, in words.
 */
export async function openStudent(page, student, runtime) {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(new Uint8Array(SIMD))) {
    throw new Problem("This browser has no WebAssembly with SIMD, which the student needs. Use a browser of 2023 or later.");
  }
  // Half of the cores: threads wait for each other while they compute, and the page itself needs one.
  const threads = crossOriginIsolated ? Math.min(4, Math.ceil(navigator.hardwareConcurrency / 2)) : 1;
  Object.assign(ort.env.wasm, {
    wasmBinary: runtime,
    wasmPaths: new URL("vendor/onnxruntime-web/", import.meta.url).href,
    numThreads: threads,
  });
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(new Uint8Array(student), { executionProviders: ["wasm"] });

  /** The mask (a class for each pixel) and the probabilities (class after class) of a frame, and the time in ms. */
  async function segment(frame) {
    const { planes, width, height } = frame;
    const start = performance.now();
    let answers;
    try {
      answers = await session.run({ image: new ort.Tensor("uint8", planes, [1, page.channels, height, width]) });
    } catch (error) {
      throw new Problem(`A picture of ${width} × ${height} pixels was not segmented (${error.message}). Make it smaller.`);
    }
    const ms = performance.now() - start;
    return { mask: answers.mask.data, probabilities: answers.probabilities?.data ?? null, width, height, ms };
  }
  const side = 64;
  await segment({ planes: new Uint8Array(page.channels * side * side), width: side, height: side }); // warms up
  return { segment, computed: `WebAssembly with SIMD, ${threads === 1 ? "1 thread" : `${threads} threads`}` };
}

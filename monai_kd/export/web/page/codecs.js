// SPDX-License-Identifier: Apache-2.0
// Decoders of compressed DICOM: JPEG by the browser, lossless JPEG, JPEG-LS and JPEG 2000 by npm packages, RLE here.
/* global CharLSWASM, OpenJPEGWASM */
import { Decoder as LosslessDecoder } from "./vendor/jpeg-lossless-decoder-js/lossless-min.js";
import { drawnPixels } from "./frames.js";

const ROOT = "1.2.840.10008.1.2";
const KINDS = {
  "": "raw", ".1": "raw", ".5": "rle", ".4.50": "jpeg", ".4.51": "jpeg", ".4.57": "lossless", ".4.70": "lossless",
  ".4.80": "ls", ".4.81": "ls", ".4.90": "2000", ".4.91": "2000",
};

/** How a transfer syntax holds pixels: raw, or the name of a decoder; null where the page does not read it. */
export function kindOf(syntax) {
  if (syntax === "") return "raw";
  return syntax.startsWith(ROOT) ? (KINDS[syntax.slice(ROOT.length)] ?? null) : null;
}

/**
 * Returns decode(kind, bytes, header), whose answer is { rgba }, or { bytes, isPlanar, isRgb }: samples, pixel by pixel or
 * plane by plane, and whether they are RGB whatever the header says. `file` gives the WASM of a decoder.
 */
export function makeDecoders(file) {
  const modules = {};
  const decoders = {
    jpeg: (bytes, header) => decodeJpeg(bytes, header),
    rle: (bytes, header) => ({ bytes: decodeRle(bytes, header), isPlanar: true }),
    lossless: (bytes, header) => ({ bytes: decodeLossless(bytes), isPlanar: false }),
    ls: async (bytes) => {
      modules.ls ??= CharLSWASM({ wasmBinary: file("charlswasm_decode.wasm") });
      return decodeStream(new (await modules.ls).JpegLSDecoder(), bytes, (decoder) => decoder.getInterleaveMode() === 0);
    },
    2000: async (bytes) => {
      modules.j2k ??= OpenJPEGWASM({ wasmBinary: file("openjpegwasm_decode.wasm") });
      return decodeStream(new (await modules.j2k).J2KDecoder(), bytes, () => false);
    },
  };
  return async (kind, bytes, header) => decoders[kind](bytes, header);
}

function decodeStream(decoder, bytes, planar) {
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    return { bytes: decoder.getDecodedBuffer().slice(), isPlanar: planar(decoder), isRgb: true };
  } finally {
    decoder.delete();
  }
}

function decodeLossless(bytes) {
  const copy = bytes.slice();
  return new Uint8Array(new LosslessDecoder().decompress(copy.buffer, 0, copy.length));
}

async function decodeJpeg(bytes, { width, height, photometric }) {
  const marked = photometric === "RGB" ? markedAsRgb(bytes) : bytes;
  const bitmap = await createImageBitmap(new Blob([marked], { type: "image/jpeg" }), { colorSpaceConversion: "none" });
  try {
    if (bitmap.width !== width || bitmap.height !== height) {
      throw new Error(`the JPEG has ${bitmap.width} × ${bitmap.height} pixels, the header says ${width} × ${height}`);
    }
    return { rgba: drawnPixels(bitmap, width, height) };
  } finally {
    bitmap.close();
  }
}

/** A JPEG that does not tell its colors, marked as RGB by Adobe's segment: decoders take it for YCbCr otherwise. */
function markedAsRgb(bytes) {
  let place = 2;
  while (place + 4 <= bytes.length && bytes[place] === 0xff && bytes[place + 1] !== 0xda) {
    const marker = bytes[place + 1];
    const length = bytes[place + 2] * 256 + bytes[place + 3];
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (marker === 0xe0 || marker === 0xee) return bytes;
    // Subsampled colors are YCbCr.
    if (isFrame && new Set([0, 1, 2].map((component) => bytes[place + 11 + 3 * component])).size > 1) return bytes;
    place += 2 + length;
  }
  const adobe = [0xff, 0xee, 0, 14, 65, 100, 111, 98, 101, 0, 100, 0, 0, 0, 0, 0];
  const marked = new Uint8Array(bytes.length + adobe.length);
  marked.set(bytes.subarray(0, 2));
  marked.set(adobe, 2);
  marked.set(bytes.subarray(2), 2 + adobe.length);
  return marked;
}

/** RLE (PackBits, DICOM PS3.5 annex G): a segment for each byte of a sample, the high byte first. */
function decodeRle(bytes, { width, height, channels, bits }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = width * height;
  const wide = bits / 8;
  const segments = view.getUint32(0, true);
  if (segments !== channels * wide) throw new Error(`${segments} segments in place of ${channels * wide}`);
  const decoded = new Uint8Array(count * segments);
  for (let segment = 0; segment < segments; segment++) {
    const [channel, part] = [Math.floor(segment / wide), wide - 1 - (segment % wide)];
    const end = segment + 1 < segments ? view.getUint32(8 + 4 * segment, true) : bytes.length;
    let place = view.getUint32(4 + 4 * segment, true);
    let pixel = 0;
    const put = (value) => {
      if (pixel < count) decoded[(channel * count + pixel++) * wide + part] = value;
    };
    while (place < end && pixel < count) {
      const control = view.getInt8(place++);
      if (control >= 0) for (let left = control; left >= 0; left--) put(bytes[place++]);
      else if (control > -128) {
        for (let left = -control; left >= 0; left--) put(bytes[place]);
        place++;
      }
    }
    if (pixel < count) throw new Error(`${pixel} of ${count} pixels`);
  }
  return decoded;
}

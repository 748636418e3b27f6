// SPDX-License-Identifier: Apache-2.0
// Files as sources of frames: { name, frames, spacing, pixels(index), close() }.
import { openDicom } from "./dicom.js";
import { drawnPixels, pillowGray, requireSize } from "./frames.js";
import { Problem } from "./loading.js";
import { openVideo } from "./live.js";

const PNG = [0x89, 0x50, 0x4e, 0x47];
const TIFFS = ["II*\0", "MM\0*"];

/** Opens a file of any kind that the page reads; `decoders` are those of compressed DICOM. */
export async function openFile(file, decoders) {
  if (file.size === 0) throw new Problem(`${file.name} is empty. Copy it again.`);
  const start = new Uint8Array(await file.slice(0, 132).arrayBuffer());
  const text = String.fromCharCode(...start);
  if (text.slice(128) === "DICM") return openDicom(file.name, new Uint8Array(await file.arrayBuffer()), decoders);
  if (file.type.startsWith("video/")) return openVideo(file);
  if (TIFFS.includes(text.slice(0, 4))) {
    throw new Problem(`${file.name} is a TIFF, which browsers do not read. Save it as PNG.`);
  }
  if (PNG.every((value, place) => start[place] === value) && start[24] === 16) {
    throw new Problem(`${file.name} has 16 bits for a gray value, but the student takes 8. Save it with 8 bits.`);
  }
  return openPicture(file);
}

/** A picture is decoded when it is shown, so that many may be open. */
async function openPicture(file) {
  const { width, height } = await sizeOf(file);
  requireSize(file.name, width, height);
  const pixels = async () => {
    let bitmap;
    try {
      bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
      return { rgba: drawnPixels(bitmap, bitmap.width, bitmap.height), width: bitmap.width, height: bitmap.height };
    } catch {
      throw new Problem(`${file.name} cannot be decoded. It is damaged: copy it again, or save it as PNG.`);
    } finally {
      bitmap?.close();
    }
  };
  return { name: file.name, frames: 1, spacing: null, gray: pillowGray, pixels, close: () => {} };
}

/** A picture's size from its header: the browser decodes the pixels only to draw them. */
async function sizeOf(file) {
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = reject;
      image.src = address;
    });
    return { width: image.naturalWidth, height: image.naturalHeight };
  } catch {
    throw new Problem(
      `${file.name} cannot be read: it is damaged, or no picture, DICOM file or video. Copy it again, or save it as PNG.`,
    );
  } finally {
    URL.revokeObjectURL(address);
  }
}

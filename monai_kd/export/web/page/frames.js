// SPDX-License-Identifier: Apache-2.0
// Frames: pixels as RGBA to show, and as the student takes them.
import { Problem } from "./loading.js";

export const MOST_PIXELS = 2 ** 24;

/** Gray as Pillow's mode "L": ITU-R 601-2 in fixed point. */
export const pillowGray = (red, green, blue) => (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16;

export function requireSize(name, width, height) {
  if (width * height > MOST_PIXELS) {
    const found = ((width * height) / 1e6).toFixed(1);
    throw new Problem(
      `${name} has ${width} × ${height} pixels (${found} million); the page takes up to ${(MOST_PIXELS / 1e6).toFixed(1)} ` +
        "million. Make the picture smaller, or cut out the scan.",
    );
  }
}

/** A frame of RGBA pixels for a student of 1 or 3 channels; transparent pixels must be on black already. */
export function frameOf(rgba, width, height, channels, gray = pillowGray) {
  const count = width * height;
  const planes = new Uint8Array(channels * count);
  for (let pixel = 0, place = 0; pixel < count; pixel++, place += 4) {
    if (channels === 1) {
      planes[pixel] = gray(rgba[place], rgba[place + 1], rgba[place + 2]);
    } else {
      for (let channel = 0; channel < 3; channel++) planes[channel * count + pixel] = rgba[place + channel];
    }
  }
  return { rgba, planes, width, height };
}

/** The pixels of anything that a canvas can draw (a bitmap, a video), on black, without color management. */
export function drawnPixels(image, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** The part of RGBA pixels within a region, which is moved into the picture where it leaves it. */
export function cropped(rgba, width, height, region) {
  const left = Math.min(Math.max(0, region.left), width - 1);
  const top = Math.min(Math.max(0, region.top), height - 1);
  const wide = Math.min(region.width, width - left);
  const high = Math.min(region.height, height - top);
  const part = new Uint8ClampedArray(4 * wide * high);
  for (let row = 0; row < high; row++) {
    const start = 4 * ((top + row) * width + left);
    part.set(rgba.subarray(start, start + 4 * wide), 4 * row * wide);
  }
  return { rgba: part, width: wide, height: high };
}

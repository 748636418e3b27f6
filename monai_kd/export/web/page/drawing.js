// SPDX-License-Identifier: Apache-2.0
// Masks, contours and uncertainty over a picture, and what is measured on them.

// Okabe and Ito's colors, which color-blind people tell apart; class 1 comes first.
export const COLORS = [[255, 213, 74], [86, 180, 233], [0, 158, 115], [204, 121, 167], [213, 94, 0], [240, 228, 66]];
const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const LEVELS = Array.from({ length: 256 }, (_, level) => viridis(level / 255));
const CONTOUR_SHARE = 1 / 450; // of the longest side

export const colorOf = (label) => COLORS[(label - 1) % COLORS.length];

/** Draws a frame and its result into a canvas of the frame's size. */
export function paint(canvas, frame, result, view) {
  const { width, height } = frame;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const rgba = new Uint8ClampedArray(frame.rgba);
  if (result && view.uncertainty && result.probabilities) tintUncertainty(rgba, uncertaintyOf(result));
  else if (result) tintMask(rgba, result.mask, view.opacity);
  if (result && view.contour) drawContour(rgba, result);
  context.putImageData(new ImageData(rgba, width, height), 0, 0);
}

function tint(rgba, place, color, share) {
  for (let channel = 0; channel < 3; channel++) {
    rgba[place + channel] += share * (color[channel] - rgba[place + channel]);
  }
}

function tintMask(rgba, mask, opacity) {
  for (let pixel = 0; pixel < mask.length; pixel++) {
    if (mask[pixel]) tint(rgba, 4 * pixel, colorOf(mask[pixel]), opacity);
  }
}

function tintUncertainty(rgba, uncertainty) {
  for (let pixel = 0; pixel < uncertainty.length; pixel++) {
    const level = uncertainty[pixel];
    tint(rgba, 4 * pixel, LEVELS[Math.round(255 * level)], 0.8 * Math.min(1, 2 * level)); // a sure pixel stays as it is
  }
}

function viridis(share) {
  const scaled = share * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(scaled), VIRIDIS.length - 2);
  return VIRIDIS[low].map((value, channel) => value + (scaled - low) * (VIRIDIS[low + 1][channel] - value));
}

/** Pixels of a class that have another one within the contour's width. */
function drawContour(rgba, { mask, width, height }) {
  const reach = Math.max(1, Math.round(Math.max(width, height) * CONTOUR_SHARE));
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const label = mask[pixel];
      if (!label) continue;
      const isInside =
        (x < reach || mask[pixel - reach] === label) &&
        (x >= width - reach || mask[pixel + reach] === label) &&
        (y < reach || mask[pixel - reach * width] === label) &&
        (y >= height - reach || mask[pixel + reach * width] === label);
      if (!isInside) tint(rgba, 4 * pixel, colorOf(label), 1);
    }
  }
}

/** The entropy of each pixel's probabilities as a share of the largest possible: 0 sure, 1 unsure. */
export function uncertaintyOf({ probabilities, width, height }) {
  const count = width * height;
  const classes = probabilities.length / count;
  const uncertainty = new Float32Array(count);
  const term = (share) => (share > 0 ? -share * Math.log(share) : 0);
  for (let pixel = 0; pixel < count; pixel++) {
    let sum = classes === 1 ? term(1 - probabilities[pixel]) : 0;
    for (let place = pixel; place < probabilities.length; place += count) sum += term(probabilities[place]);
    uncertainty[pixel] = Math.min(1, sum / Math.log(Math.max(2, classes)));
  }
  return uncertainty;
}

/** Pixels of each class, by its number. */
export function countClasses(mask, classes) {
  const counts = new Array(classes).fill(0);
  for (const label of mask) counts[label]++;
  return counts;
}

/** A picture of a mask: gray values from 0 (background) to 255 (the last class). */
export function maskPicture({ mask, width, height }, classes) {
  const canvas = new OffscreenCanvas(width, height);
  const rgba = new Uint8ClampedArray(4 * mask.length).fill(255);
  mask.forEach((label, pixel) => rgba.fill(Math.round((255 * label) / (classes - 1)), 4 * pixel, 4 * pixel + 3));
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas;
}

/** A copy of the shown picture with a line of text below it. */
export function captioned(canvas, text) {
  const size = Math.max(12, Math.round(canvas.width / 45));
  const copy = new OffscreenCanvas(canvas.width, canvas.height + 2 * size);
  const context = copy.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  context.fillStyle = "#fff";
  context.font = `${size}px sans-serif`;
  context.textBaseline = "middle";
  context.fillText(text, size / 2, canvas.height + size, copy.width - size);
  return copy;
}

// SPDX-License-Identifier: Apache-2.0
// DICOM files: the header by dicom-parser, the pixels frame by frame.
/* global dicomParser */
import { kindOf } from "./codecs.js";
import { requireSize } from "./frames.js";
import { Problem } from "./loading.js";

const GRAYS = ["MONOCHROME1", "MONOCHROME2"];
const YCBCR = ["YBR_FULL", "YBR_FULL_422"];
const CENTIMETRES = 3;
const TWO_D = 1;

/** Gray of a color picture as monai_kd reads it from DICOM: ITU-R 601-2, rounded. */
const dicomGray = (red, green, blue) => Math.round((299 * red + 587 * green + 114 * blue) / 1000);

/** Opens a DICOM file; its frames are decoded when they are asked for. */
export function openDicom(name, bytes, decode) {
  const header = headerOf(name, bytes);
  requireSize(name, header.width, header.height);
  const pixels = async (index) => {
    try {
      return { rgba: await rgbaOf(header, index, decode), width: header.width, height: header.height };
    } catch (error) {
      if (error instanceof Problem) throw error;
      const which = header.frames > 1 ? `, frame ${index + 1}` : "";
      throw new Problem(`${name}${which} cannot be decoded (${error.message ?? error}). It is damaged: copy it again.`);
    }
  };
  const { frames, spacing, interval } = header;
  return { name, frames, spacing, interval, gray: dicomGray, pixels, close: () => {} };
}

function headerOf(name, bytes) {
  let data;
  try {
    data = dicomParser.parseDicom(bytes);
  } catch (error) {
    throw new Problem(`${name} is a damaged DICOM file (${error.message ?? error.exception ?? error}). Copy it again.`);
  }
  const element = data.elements.x7fe00010;
  const [height, width, bits] = ["x00280010", "x00280011", "x00280100"].map((tag) => data.uint16(tag));
  if (!(element && width && height && bits)) throw new Problem(`${name} is a DICOM file without an image.`);
  const header = {
    name, data, element, width, height, bits,
    frames: Number(data.string("x00280008") ?? 1),
    kind: kindOf(data.string("x00020010") ?? ""),
    channels: data.uint16("x00280002") ?? 1,
    photometric: data.string("x00280004") ?? "",
    isPlanar: data.uint16("x00280006") === 1,
    stored: data.uint16("x00280101") ?? bits,
    isSigned: data.uint16("x00280103") === 1,
    slope: data.floatString("x00281053") ?? 1,
    intercept: data.floatString("x00281052") ?? 0,
    isInverse: data.string("x20500020") === "INVERSE",
    interval: data.floatString("x00181063") ?? 40, // ms from frame to frame
    spacing: spacingOf(data),
  };
  requireRead(header);
  return header;
}

/** Refuses what the page does not read, with what to export instead. */
function requireRead(header) {
  const { name, kind, bits, channels, photometric, frames, element } = header;
  const instead = "Export it uncompressed (Explicit VR Little Endian), with gray values or RGB of 8 bits.";
  if (kind === null) throw new Problem(`${name} holds its pixels in a way that the page does not read. ${instead}`);
  if (!(Number.isInteger(frames) && frames > 0)) throw new Problem(`${name} does not tell its number of frames. ${instead}`);
  const isGray = channels === 1 && GRAYS.includes(photometric);
  const isColor = channels === 3 && bits === 8 && (photometric.startsWith("YBR_") || photometric === "RGB");
  const isHalved = kind === "raw" && photometric === "YBR_FULL_422";
  if (!(isGray && (bits === 8 || bits === 16)) && !(isColor && !isHalved)) {
    throw new Problem(`${name} holds ${channels} channels of ${bits} bits (${photometric}), which the page does not read. ${instead}`);
  }
  const needed = (header.width * header.height * channels * bits * frames) / 8;
  if (kind === "raw" && element.length < needed) {
    throw new Problem(`${name} is cut off: it holds ${element.length} of ${needed} bytes of pixels. Copy it again.`);
  }
}

/** Millimetres of a pixel, down and across; null where the file does not tell, or tells several. */
function spacingOf(data) {
  const regions = (data.elements.x00186011?.items ?? [])
    .map((item) => item.dataSet)
    .filter((region) => region.uint16("x00186012") === TWO_D && region.uint16("x00186024") === CENTIMETRES)
    .map((region) => [10 * Math.abs(region.double("x0018602e")), 10 * Math.abs(region.double("x0018602c"))]);
  if (regions.length && regions.every((each) => each.every((value, axis) => value > 0 && value === regions[0][axis]))) {
    return regions[0];
  }
  const told = [0, 1].map((index) => data.floatString("x00280030", index));
  return regions.length === 0 && told.every((value) => value > 0) ? told : null;
}

async function rgbaOf(header, index, decode) {
  const { width, height, channels, bits, kind, photometric, isPlanar } = header;
  const size = (width * height * channels * bits) / 8;
  const answer =
    kind === "raw"
      ? { bytes: rawFrame(header, index, size), isPlanar }
      : await decode(kind, compressedFrame(header, index), { width, height, channels, bits, photometric, isPlanar });
  if (answer.rgba) return answer.rgba;
  if (answer.bytes.length < size) throw new Error(`${answer.bytes.length} of ${size} bytes`);
  if (channels === 1) return grayPixels(header, answer.bytes);
  return colorPixels(answer.bytes, width * height, answer.isPlanar, !answer.isRgb && YCBCR.includes(photometric));
}

function rawFrame({ data, element }, index, size) {
  const start = element.dataOffset + index * size;
  return data.byteArray.subarray(start, start + size);
}

function compressedFrame({ name, data, element, frames }, index) {
  const fragments = element.fragments ?? [];
  if (fragments.length < frames) throw new Problem(`${name} is cut off: it holds ${fragments.length} of ${frames} frames. Copy it again.`);
  if (frames === 1 || fragments.length === frames) {
    return dicomParser.readEncapsulatedPixelDataFromFragments(data, element, index, frames === 1 ? fragments.length : 1);
  }
  const offsets = element.basicOffsetTable.length ? element.basicOffsetTable : dicomParser.createJPEGBasicOffsetTable(data, element);
  return dicomParser.readEncapsulatedImageFrame(data, element, index, offsets);
}

/** Gray values after rescaling and inversion; they must be those of 8 bits, as in monai_kd. */
function grayPixels(header, bytes) {
  const { name, width, height, bits, stored, isSigned, slope, intercept, photometric, isInverse } = header;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = bits === 8 ? (place) => bytes[place] : (place) => view.getUint16(2 * place, true);
  const mask = 2 ** stored - 1;
  const [low, high] = isSigned ? [-(2 ** (stored - 1)), 2 ** (stored - 1) - 1] : [0, mask];
  const isInverted = photometric === "MONOCHROME1" || isInverse;
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let pixel = 0; pixel < width * height; pixel++) {
    let value = read(pixel) & mask;
    if (isSigned && value > high) value -= mask + 1;
    value = (isInverted ? low + high - value : value) * slope + intercept;
    if (value < 0 || value > 255) {
      throw new Problem(`${name} holds the value ${value}, but gray values from 0 to 255 are expected. Export it with 8 bits.`);
    }
    rgba.fill(value, 4 * pixel, 4 * pixel + 3);
  }
  return rgba;
}

function colorPixels(bytes, count, isPlanar, isYcbcr) {
  const rgba = new Uint8ClampedArray(4 * count).fill(255);
  const [step, next] = isPlanar ? [1, count] : [3, 1];
  for (let pixel = 0; pixel < count; pixel++) {
    const start = pixel * step;
    const [first, second, third] = [bytes[start], bytes[start + next], bytes[start + 2 * next]];
    const place = 4 * pixel;
    if (isYcbcr) {
      rgba[place] = first + 1.402 * (third - 128);
      rgba[place + 1] = first - 0.344136 * (second - 128) - 0.714136 * (third - 128);
      rgba[place + 2] = first + 1.772 * (second - 128);
    } else {
      rgba[place] = first;
      rgba[place + 1] = second;
      rgba[place + 2] = third;
    }
  }
  return rgba;
}


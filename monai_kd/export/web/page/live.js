// SPDX-License-Identifier: Apache-2.0
// Moving pictures: a camera, a shared screen, a video file.
import { drawnPixels, pillowGray, requireSize } from "./frames.js";
import { Problem } from "./loading.js";

const REFUSED = {
  NotAllowedError: "was not allowed. Allow it in the browser's address bar",
  NotFoundError: "was not found. Connect one",
  NotReadableError: "is in use by another program. End that program",
};

async function playing(video, name) {
  video.muted = true;
  video.playsInline = true;
  try {
    await video.play();
  } catch {
    throw new Problem(`${name} cannot be played by this browser. Save it as MP4 (H.264), WebM or DICOM.`);
  }
  requireSize(name, video.videoWidth, video.videoHeight);
  return video;
}

function sourceOf(video, name, close, requireLife = () => {}) {
  const pixels = async () => {
    await nextFrame(video);
    requireLife();
    const { videoWidth: width, videoHeight: height } = video;
    return { rgba: drawnPixels(video, width, height), width, height };
  };
  return { name, frames: Infinity, spacing: null, gray: pillowGray, pixels, close, video };
}

/** Waits until a video shows its next frame; not longer than 200 ms, because it may stand still. */
function nextFrame(video) {
  return new Promise((resolve) => {
    setTimeout(resolve, 200);
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}

/** The camera or, with `screen`, a screen or window that the user chooses. */
export async function openLive(screen) {
  const name = screen ? "The screen" : "The camera";
  const devices = navigator.mediaDevices;
  if (!(screen ? devices?.getDisplayMedia : devices?.getUserMedia)) {
    throw new Problem(`${name} is out of reach: browsers allow it at https:// and http://127.0.0.1 alone.`);
  }
  let stream;
  try {
    stream = await (screen
      ? devices.getDisplayMedia({ video: true })
      : devices.getUserMedia({ video: { width: { ideal: 1280 } } }));
  } catch (error) {
    throw new Problem(`${name} ${REFUSED[error.name] ?? `cannot be used (${error.message})`}.`);
  }
  const video = document.createElement("video");
  video.srcObject = stream;
  let isClosed = false;
  const close = () => {
    isClosed = true;
    stream.getTracks().forEach((track) => track.stop());
  };
  // Without this, the last frame of a camera that was unplugged would be shown as if it were live.
  const requireLife = () => {
    if (isClosed || stream.active) return;
    throw new Problem(`${name} has ended: it was disconnected, or is not shared any more. Start it again.`);
  };
  return closedIfItFails(close, async () => sourceOf(await playing(video, name), name, close, requireLife));
}

async function closedIfItFails(close, open) {
  try {
    return await open();
  } catch (error) {
    close();
    throw error;
  }
}

/** A video file, which is repeated. */
export async function openVideo(file) {
  const video = document.createElement("video");
  const address = URL.createObjectURL(file);
  const close = () => {
    video.pause();
    video.removeAttribute("src");
    URL.revokeObjectURL(address);
  };
  video.src = address;
  video.loop = true;
  return closedIfItFails(close, async () => sourceOf(await playing(video, file.name), file.name, close));
}

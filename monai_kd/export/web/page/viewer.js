// SPDX-License-Identifier: Apache-2.0
// What is open, which frame is shown, and its mask: one frame at a time, the one that was asked for last.
import { cropped, frameOf } from "./frames.js";
import { Problem } from "./loading.js";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Viewer {
  /** `changed(viewer)` is called when there is something new to show, `failed(message)` with a problem. */
  constructor(student, channels, changed, failed) {
    Object.assign(this, { student, channels, changed, failed });
    Object.assign(this, { sources: [], place: 0, index: 0, isPlaying: false, frame: null, result: null });
    this.asked = false;
    this.work = null;
  }

  get source() {
    return this.sources[this.place] ?? null;
  }

  get isLive() {
    return this.source?.frames === Infinity;
  }

  /** Opens sources, each a promise; those that fail are told, and the first of the others is shown. */
  async open(promises) {
    const settled = await Promise.allSettled(promises);
    const opened = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    const problems = settled.flatMap((each) => (each.status === "rejected" ? [messageOf(each.reason)] : []));
    if (opened.length) {
      this.stop();
      this.sources.forEach((source) => source.close());
      this.sources = opened;
    }
    const shown = opened.length && this.go(0);
    if (problems.length) this.failed(problems.join("\n"));
    await shown;
  }

  /** Shows another one of the open sources, from its first frame. */
  go(place) {
    this.failed("");
    Object.assign(this, { place, index: 0, isPlaying: this.sources[place].frames === Infinity });
    return this.show();
  }

  /** Segments and shows the present frame; while this runs, further calls only ask for one more round. */
  show() {
    this.asked = true;
    return this.run();
  }

  play() {
    this.isPlaying = true;
    return this.run();
  }

  run() {
    this.work ??= this.rounds().finally(() => {
      this.work = null;
      this.changed(this);
    });
    return this.work;
  }

  async rounds() {
    while (this.asked || this.isPlaying) {
      const start = performance.now();
      const { source, asked } = this;
      if (!asked && !this.isLive) this.index = (this.index + 1) % source.frames;
      this.asked = false;
      try {
        await this.segment(source, this.index);
      } catch (error) {
        if (source !== this.source) continue; // closed meanwhile
        this.isPlaying = false;
        Object.assign(this, { frame: null, result: null });
        this.failed(messageOf(error));
      }
      if (this.isPlaying) {
        this.changed(this);
        await pause(Math.max(0, (source.interval ?? 0) - (performance.now() - start)));
      }
    }
  }

  async segment(source, index) {
    let pixels = await source.pixels(index);
    this.whole = { width: pixels.width, height: pixels.height };
    if (source.region) pixels = cropped(pixels.rgba, pixels.width, pixels.height, source.region);
    const frame = frameOf(pixels.rgba, pixels.width, pixels.height, this.channels, source.gray);
    const result = await this.student.segment(frame);
    if (source === this.source) Object.assign(this, { frame, result });
  }

  /** Ends playing; a camera or screen is let go, and its last frame stays. */
  stop() {
    this.isPlaying = false;
    if (this.isLive) this.source.close();
  }
}

function messageOf(error) {
  if (!(error instanceof Problem)) console.error(error);
  return error instanceof Problem ? error.message : `Something went wrong: ${error.message}. Reload the page.`;
}

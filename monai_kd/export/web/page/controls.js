// SPDX-License-Identifier: Apache-2.0
// The page's controls: what they show of a viewer, and what they do with it.
import { captioned, colorOf, countClasses, maskPicture, paint } from "./drawing.js";
import { connectRegion, showRegion } from "./region.js";

export const element = (id) => document.getElementById(id);
const number = (value, digits = 0) => value.toLocaleString("en", { maximumFractionDigits: digits });
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;

const view = { opacity: 0.35, contour: true, uncertainty: false };

/** Connects the controls with a viewer; `page` is page.json. */
export function connectControls(viewer, page) {
  const redraw = () => viewer.frame && paint(element("canvas"), viewer.frame, viewer.result, view);
  element("opacity").oninput = (event) => {
    view.opacity = event.target.value / 100;
    redraw();
  };
  element("contour").onchange = (event) => {
    view.contour = event.target.checked;
    redraw();
  };
  element("uncertainty").onchange = (event) => {
    view.uncertainty = event.target.checked;
    element("legend").hidden = !view.uncertainty;
    redraw();
  };
  element("unsure").hidden = !page.outputs.includes("probabilities");
  element("frame").oninput = (event) => {
    viewer.stop();
    viewer.index = event.target.value - 1;
    viewer.show();
  };
  element("play").onclick = () => (viewer.isPlaying ? viewer.stop() : viewer.play());
  element("stop").onclick = () => viewer.stop();
  element("previous").onclick = () => viewer.go(viewer.place - 1);
  element("next").onclick = () => viewer.go(viewer.place + 1);
  element("spacing").onchange = (event) => {
    const typed = event.target.valueAsNumber;
    if (viewer.source) viewer.source.spacing = typed > 0 ? [typed, typed] : null;
    showViewer(viewer, page);
  };
  element("savemask").onclick = () => save(maskPicture(viewer.result, classCount(page)), `${nameOf(viewer)}_mask.png`);
  element("savepicture").onclick = () =>
    save(captioned(element("canvas"), "Research only. Not for diagnosis or treatment."), `${nameOf(viewer)}_picture.png`);
  connectRegion(viewer);
}

const classCount = (page) => Math.max(2, ...Object.keys(page.classes).map((label) => Number(label) + 1));

/** Shows a problem until the next one, or hides it. */
export function showProblem(message) {
  element("problem").hidden = !message;
  element("problem").textContent = message;
  if (message) element("status").textContent = "";
}

/** Brings everything up to a viewer's state. */
export function showViewer(viewer, page) {
  const { source, frame, result, index, isPlaying, isLive } = viewer;
  const isLoop = source !== null && !isLive && source.frames > 1;
  element("stage").setAttribute("aria-busy", String(viewer.work !== null));
  element("empty").hidden = frame !== null;
  element("canvas").hidden = frame === null;
  element("drop").classList.toggle("filled", frame !== null);
  element("stop").hidden = !(isLive && isPlaying);
  element("loop").hidden = !isLoop;
  element("pictures").hidden = viewer.sources.length < 2;
  element("savemask").disabled = element("savepicture").disabled = result === null;
  if (source === null) return;
  element("play").textContent = isPlaying ? "Pause" : "Play";
  element("play").setAttribute("aria-pressed", String(isPlaying));
  element("frame").max = isLoop ? source.frames : 1;
  element("frame").value = index + 1;
  element("position").textContent = `${index + 1} of ${source.frames}`;
  element("place").textContent = `${source.name} (${viewer.place + 1} of ${viewer.sources.length})`;
  element("previous").disabled = viewer.place === 0;
  element("next").disabled = viewer.place === viewer.sources.length - 1;
  showSpacing(source);
  showRegion(viewer);
  if (frame !== null) showResult(viewer, page);
}

function showSpacing({ spacing, name }) {
  if (document.activeElement !== element("spacing")) element("spacing").value = spacing ? spacing[1] : "";
  element("source").textContent =
    spacing === null
      ? "DICOM files may tell it. For other pictures, type it."
      : spacing[0] === spacing[1]
        ? `Areas of ${name} are in mm².`
        : `${number(spacing[0], 4)} mm down, ${number(spacing[1], 4)} mm across.`;
}

function showResult({ source, frame, result, isPlaying }, page) {
  const counts = countClasses(result.mask, classCount(page));
  const labels = counts.map((_, label) => label).slice(1);
  const name = (label) => page.classes[label] ?? `class ${label}`;
  const share = (label) => `${number((100 * counts[label]) / result.mask.length, 1)}\u00a0%`;
  const rows = [["Picture", `${frame.width} × ${frame.height}`]];
  for (const label of labels) {
    rows.unshift([name(label), counts[label] ? plural(counts[label], "pixel") : "none found", label]);
    if (labels.length === 1) rows.push(["Share", share(label)]);
    const area = source.spacing && counts[label] * source.spacing[0] * source.spacing[1];
    rows.push([labels.length === 1 ? "Area" : `Area, ${name(label)}`, area === null ? "unknown" : `${number(area, 1)} mm²`]);
  }
  rows.push(["Time", `${number(result.ms, result.ms < 10 ? 1 : 0)} ms`]);
  element("result").replaceChildren(...rows.flatMap(rowOf));
  paint(element("canvas"), frame, result, view);
  const found = labels.map((label) => (counts[label] ? `${name(label)} on ${plural(counts[label], "pixel")} (${share(label)})` : `no ${name(label)}`));
  const text = `${source.name}: ${found.join(", ")}.`;
  element("canvas").setAttribute("aria-label", text);
  if (!isPlaying) element("status").textContent = text;
}

function rowOf([name, text, label]) {
  const [term, description] = [document.createElement("dt"), document.createElement("dd")];
  if (label) {
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.backgroundColor = `rgb(${colorOf(label)})`;
    term.append(swatch);
    term.className = description.className = "large";
  }
  term.append(name.charAt(0).toUpperCase() + name.slice(1));
  description.textContent = text;
  return [term, description];
}

/** A file's name without its suffix, and the frame as monai_kd numbers it. */
function nameOf({ source, index }) {
  const stem = source.name.replace(/\.[^.]+$/, "");
  return source.frames > 1 && source.frames < Infinity ? `${stem}_frame${String(index).padStart(3, "0")}` : stem;
}

async function save(canvas, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await canvas.convertToBlob({ type: "image/png" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

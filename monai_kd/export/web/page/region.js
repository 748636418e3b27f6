// SPDX-License-Identifier: Apache-2.0
// The part of a picture that is segmented: dragged over the picture, or typed.

const SIDES = ["left", "top", "width", "height"];
const LEAST = 16; // pixels; a shorter drag is a click

const element = (id) => document.getElementById(id);

export function connectRegion(viewer) {
  const set = (region) => {
    if (!viewer.source) return;
    viewer.source.region = region;
    viewer.show();
  };
  for (const side of SIDES) {
    element(side).onchange = () => {
      const [left, top, width, height] = SIDES.map((each) => Math.round(element(each).valueAsNumber));
      if (left >= 0 && top >= 0 && width >= LEAST && height >= LEAST) set({ left, top, width, height });
    };
  }
  element("whole").onclick = () => set(null);
  element("region").ontoggle = () => element("canvas").classList.toggle("choosing", element("region").open);
  connectDrag(viewer, set);
}

function connectDrag(viewer, set) {
  const canvas = element("canvas");
  let start = null;
  canvas.onpointerdown = (event) => {
    if (!element("region").open || !viewer.frame || event.button !== 0) return;
    start = placeOf(canvas, event);
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointerup = (event) => {
    if (start === null) return;
    const end = placeOf(canvas, event);
    const [left, top] = [Math.min(start.x, end.x), Math.min(start.y, end.y)];
    const [width, height] = [Math.abs(start.x - end.x), Math.abs(start.y - end.y)];
    start = null;
    const before = viewer.source.region ?? { left: 0, top: 0 };
    if (width >= LEAST && height >= LEAST) set({ left: before.left + left, top: before.top + top, width, height });
  };
}

/** A pointer's place in pixels of a canvas that is shown within its box, with bars beside it. */
function placeOf(canvas, event) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const within = (value, length) => Math.round(Math.min(Math.max(0, value), length));
  return {
    x: within((event.clientX - box.left - (box.width - scale * canvas.width) / 2) / scale, canvas.width),
    y: within((event.clientY - box.top - (box.height - scale * canvas.height) / 2) / scale, canvas.height),
  };
}

/** Shows the region of a viewer's source in the fields. */
export function showRegion({ source, whole }) {
  if (!whole) return;
  const region = source.region ?? { left: 0, top: 0, ...whole };
  for (const side of SIDES) {
    if (document.activeElement !== element(side)) element(side).value = region[side];
  }
}

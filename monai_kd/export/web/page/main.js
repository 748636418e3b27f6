// SPDX-License-Identifier: Apache-2.0
// The start: loads everything, forbids requests, and connects the page.
import { makeDecoders } from "./codecs.js";
import { connectControls, element, showProblem, showViewer } from "./controls.js";
import { openLive } from "./live.js";
import { forbidRequests, loadPage, Problem } from "./loading.js";
import { openFile } from "./pictures.js";
import { openStudent } from "./student.js";
import { Viewer } from "./viewer.js";

function connectSources(viewer, decoders, examples) {
  const openFiles = (files) => {
    showProblem("");
    element("status").textContent = "Segmenting…";
    element("stage").setAttribute("aria-busy", "true");
    viewer.open([...files].map((file) => openFile(file, decoders))).finally(() => viewer.changed(viewer));
  };
  element("files").onchange = ({ target }) => {
    openFiles([...target.files]);
    target.value = ""; // so that the same file may be opened again
  };
  element("example").onclick = () => openFiles(examples);
  for (const [id, isScreen] of [["camera", false], ["screen", true]]) {
    element(id).onclick = () => {
      showProblem("");
      viewer.open([openLive(isScreen)]);
    };
  }
  const drop = element("drop");
  document.ondragover = (event) => {
    event.preventDefault();
    drop.classList.add("over");
  };
  document.ondragleave = () => drop.classList.remove("over");
  document.ondrop = (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) openFiles(event.dataTransfer.files);
  };
  document.onpaste = (event) => event.clipboardData.files.length && openFiles(event.clipboardData.files);
}

async function start() {
  element("unserved").hidden = true;
  element("work").hidden = false;
  element("status").textContent = "Loading the student…";
  const { page, file, examples } = await loadPage();
  const student = await openStudent(page, file("student.onnx"), file("ort-wasm-simd-threaded.wasm"));
  forbidRequests();
  element("student").textContent = `${page.bundle}, version ${page.version}`;
  element("about").textContent =
    `${page.runtime}: ${student.computed}. Weights ${page.weights.slice(0, 12)}, compared with the export's SHA-256.`;
  const viewer = new Viewer(student, page.channels, (it) => showViewer(it, page), showProblem);
  connectControls(viewer, page);
  connectSources(viewer, makeDecoders(file), examples);
  showViewer(viewer, page);
  element("status").textContent = "Ready.";
}

start().catch((error) => {
  if (!(error instanceof Problem)) console.error(error);
  element("status").textContent = "";
  showProblem(error instanceof Problem ? error.message : `The page did not start: ${error.message}. Reload it.`);
});

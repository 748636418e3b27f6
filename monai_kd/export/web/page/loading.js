// SPDX-License-Identifier: Apache-2.0
// What the page loads at its start; afterwards it may load nothing.

/** An error that the user can do something about; its message says what. */
export class Problem extends Error {}

/** The bytes of a file of the page. With an integrity, the browser compares the file's SHA-256. */
export async function load(name, integrity = "") {
  try {
    const answer = await fetch(name, { integrity, cache: "no-cache" });
    if (!answer.ok) throw new Error(answer.statusText);
    return await answer.arrayBuffer();
  } catch {
    const changed = integrity ? ", or is not the file that was exported: its SHA-256 differs" : "";
    throw new Problem(`${name} is missing${changed}. Export the page again.`);
  }
}

/** page.json, the student, the runtime, decoders and examples. */
export async function loadPage() {
  const page = JSON.parse(new TextDecoder().decode(await load("page.json")));
  const names = Object.keys(page.integrity);
  const loaded = await Promise.all(names.map((name) => load(name, page.integrity[name])));
  const examples = await Promise.all(page.examples.map(async (name) => new File([await load(name)], name.split("/").pop())));
  const file = (end) => loaded[names.findIndex((name) => name.endsWith(end))];
  return { page, file, examples };
}

/** From now on the browser refuses every request of the page, even to the server that it came from. */
export function forbidRequests() {
  const policy = document.createElement("meta");
  policy.httpEquiv = "Content-Security-Policy";
  policy.content = "connect-src 'none'";
  document.head.append(policy);
}

/** The server's answers. Addresses are relative to the page, so that it may stand below a prefix. */

import { keep, kept } from "./dom.js";

const KEY = "emospeech-key";
const PATIENCE = 4; // times that a clip is sent again when the server is busy

/** What went wrong: the fields of application/problem+json. */
export class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || problem.code || "");
    this.code = problem.code || "unknown";
    this.status = problem.status || 0;
    this.detail = problem.detail || "";
    this.wait = problem.wait ?? null; // seconds until another attempt makes sense
  }
}

export const useKey = (key) => keep(KEY, key, "sessionStorage");

const address = (path) => new URL(path.replace(/^\//, ""), document.baseURI);

async function call(path, options = {}) {
  const key = kept(KEY, "sessionStorage");
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  let response;
  try {
    response = await fetch(address(path), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // a header that cannot be sent is a key that cannot be right
    throw new Problem(error.message.includes("headers") ? { code: "no_key", status: 401 } : { code: "unreachable" });
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("Retry-After"));
  return new Problem({ ...told, status: response.status, wait: Number.isFinite(wait) && wait > 0 ? wait : null });
}

export const get = async (path) => (await call(path)).json();

export const getBlob = async (path) => (await call(path)).blob();

/** What a model says of a clip, of a text, or of both.
 *
 * `clip`: {blob, name} or null; `text`: "" for none; `model`: its name.
 */
export async function predict({ clip, text, model, explain }, signal) {
  const form = new FormData();
  if (clip) form.append("audio", clip.blob, clip.name);
  if (text) form.append("text", text);
  if (model) form.append("model", model);
  form.append("explain", explain ? "true" : "false");
  return (await call("v1/predict", { method: "POST", body: form, signal })).json();
}

/** The same, and again after a while where the server is busy. */
export async function predictPatiently(question, signal) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await predict(question, signal);
    } catch (error) {
      const busy = error instanceof Problem && (error.status === 429 || error.status === 503);
      if (!busy || attempt === PATIENCE) throw error;
      await new Promise((done) => setTimeout(done, 1000 * Math.min(error.wait ?? 1, 30)));
      signal?.throwIfAborted();
    }
  }
}

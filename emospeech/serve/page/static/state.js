/** What the page knows, and how it speaks up. */

import { Problem } from "./api.js";
import { byId, fill, make } from "./dom.js";
import { explain, say } from "./texts.js";

export const state = {
  models: [],
  model: null, // of GET /v1/models
  limits: null, // of GET /v1/limits
  examples: [],
  clip: null, // {blob, name, sound}; `meant`: the label of an example; `recorded`: by this page
  example: null, // the last that was taken
  shown: null, // what the result shows
  problem: null, // makes the sentences of what is wrong, in the language of now
  batch: null,
  recorder: null,
  preview: null, // the wave of the clip that is given
};

export const tell = (text) => (byId("status").textContent = text);

/** Show what is wrong: `sentences()` gives [sentence, detail] in the language of now; null clears it. */
export function complain(sentences) {
  state.problem = sentences;
  const holder = byId("problem");
  if (!sentences) return fill(holder);
  const [sentence, detail] = sentences();
  const text = make("p", { class: "problem" }, make("strong", {}, sentence));
  if (detail && detail !== sentence) text.append(" ", make("span", { class: "name" }, detail));
  fill(holder, text);
  holder.scrollIntoView({ block: "nearest" });
}

/** Do something; what fails on the way is told, and a missing key is asked for. */
export async function attempt(work) {
  complain(null);
  byId("busy").hidden = false;
  byId("send").disabled = true;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) askForKey();
    else complain(() => [explain(error), error.detail]);
  } finally {
    byId("busy").hidden = true;
    byId("send").disabled = false;
  }
}

function askForKey() {
  byId("key-form").hidden = false;
  if (byId("key").value) complain(() => [say("keyWrong")]);
  byId("key").focus();
}

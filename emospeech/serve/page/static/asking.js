/** Asking the server, and showing what it says: of one clip, or of several. */

import { predict } from "./api.js";
import { Batch } from "./batch.js";
import { heard } from "./clips.js";
import { byId } from "./dom.js";
import { hint, missing } from "./given.js";
import { showResult, spoken } from "./result.js";
import { attempt, complain, state, tell } from "./state.js";
import { say } from "./texts.js";

export async function send() {
  const lack = missing();
  if (lack) {
    complain(() => [say(lack)]);
    byId(state.model.reads && (lack === "needsText" || lack === "needsOneText") ? "text" : "files").focus();
    return;
  }
  const { model, limits } = state;
  const clip = model.hears ? state.clip : null;
  const text = model.reads ? byId("text").value.trim() : "";
  if ([...text].length > limits.max_characters) {
    return complain(() => [say("tooManyCharacters", { count: [...text].length, limit: limits.max_characters })]);
  }
  const meant = clip ? clip.meant : state.example?.text === text ? state.example.label : null;
  await attempt(async () => {
    clear(); // nobody should take the last answer for this one's
    const answer = await predict({ clip, text, model: model.name, explain: model.attends });
    show({ answer, clip, labels: model.labels, meant, partsAfter: limits.segment_seconds });
  });
}

function clear() {
  state.shown = null;
  showResult(byId("result"), null);
  byId("result").hidden = Boolean(state.batch);
}

function show(shown) {
  byId("result").hidden = false;
  state.shown = shown;
  showResult(byId("result"), shown);
  tell(spoken(shown.answer));
  const { top } = byId("result").getBoundingClientRect();
  if (top > 0 && top < innerHeight / 2) return; // its beginning is seen already
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("result").scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

export async function transcribe() {
  await attempt(async () => {
    const { transcript } = await predict({ clip: state.clip, text: "", model: state.model.name, explain: false });
    byId("text").value = transcript?.text ?? "";
    tell(say(transcript?.text ? "transcribed" : "transcribedNone"));
    hint();
    byId("hint").textContent = say(transcript?.text ? "transcribed" : "transcribedNone");
    byId("text").focus();
  });
}

export function openBatch(clips) {
  closeBatch();
  byId("batch").hidden = false;
  const open = async (row) => {
    const clip = await heard(row.clip);
    const { model, limits } = state.batch;
    show({ answer: row.answer, clip, meant: null, labels: model.labels, partsAfter: limits.segment_seconds });
  };
  state.batch = new Batch(byId("batch"), clips, { model: state.model, limits: state.limits, open, tell, close: closeBatch });
  clear();
  byId("files").value = "";
  byId("output").scrollIntoView({ block: "nearest" });
}

export function closeBatch() {
  state.batch?.stop();
  state.batch = null;
  byId("batch").hidden = true;
  byId("result").hidden = false;
}

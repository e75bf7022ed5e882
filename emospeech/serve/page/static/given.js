/** What is given: a clip from a file, an example or the microphone; and what is still missing. */

import { heard, refusal } from "./clips.js";
import { byId, fill, make } from "./dom.js";
import { Recorder } from "./record.js";
import { complain, state } from "./state.js";
import { clock, say } from "./texts.js";
import { Wave } from "./wave.js";

let latest = null; // the clip that is being decoded, or was last

/** What is still missing: the name of a text, or null. */
export function missing() {
  const { model, clip } = state;
  const text = model.reads && byId("text").value.trim();
  const audio = model.hears && clip;
  const needsText = model.needs_text && !model.transcribes;
  if (!audio && !text) {
    if (model.needs_audio && needsText) return "needsBoth";
    if (model.needs_audio || !model.reads) return "needsOneAudio";
    return model.hears ? "needsSomething" : "needsOneText";
  }
  if (model.needs_audio && !audio) return "needsAudio";
  if ((needsText || (model.needs_text && !audio)) && !text) return "needsText";
  return null;
}

export function hint() {
  const { model, clip } = state;
  const lack = missing();
  const written = model.transcribes && clip && !byId("text").value.trim();
  byId("hint").textContent = lack ? say(lack) : written ? say("writesItself") : "";
  byId("transcribe").hidden = !(model.transcribes && model.reads && clip);
}

export async function takeClip(clip) {
  latest = clip;
  const taken = await heard(clip);
  if (latest !== clip) return; // another was taken meanwhile
  const refused = () => refusal(taken, state.limits);
  state.clip = refused() ? null : taken;
  complain(refused() ? () => [refused()] : null);
  drawClip();
  hint();
}

export function drawClip() {
  const { clip } = state;
  state.preview?.close();
  state.preview = null;
  byId("clip").hidden = !clip;
  byId("drop").hidden = Boolean(clip) || Boolean(state.recorder);
  if (!clip) return;
  byId("clip-name").textContent = clip.name;
  if (!clip.sound) return fill(byId("clip-wave"), make("p", { class: "note" }, say("notDecoded")));
  state.preview = new Wave(byId("clip-wave"), { clip, seconds: clip.sound.seconds, small: true });
}

export function removeClip() {
  state.clip = latest = null;
  byId("files").value = "";
  drawClip();
  hint();
  byId("files").focus();
}

/** Record until the reader or the limit ends it. */
export async function record() {
  complain(null);
  const tick = (seconds, level) => {
    byId("recorded").textContent = `${clock(seconds)} ${say("recordingEnds", { limit: clock(state.limits.max_seconds) })}`;
    byId("meter").firstElementChild.style.width = `${100 * level}%`;
    byId("meter").classList.toggle("clipping", level > 0.99);
    byId("meter").setAttribute("aria-valuenow", String(Math.round(100 * level)));
  };
  // a little less than the limit, as a recorder ends some frames late
  const recorder = new Recorder({ limit: state.limits.max_seconds - 0.3, canvas: byId("level"), tick });
  try {
    await recorder.start();
  } catch {
    return complain(() => [say("microphoneOff")]);
  }
  state.recorder = recorder;
  byId("drop").hidden = true;
  byId("recording").hidden = false;
  byId("stop").focus();
  const { blob, ending } = await recorder.done;
  state.recorder = null;
  byId("recording").hidden = true;
  if (!recorder.discarded) await takeClip({ blob, name: `${say("recordingName")}.${ending}`, text: "", recorded: true });
  else drawClip();
  byId(state.clip ? "send" : "record").focus();
}

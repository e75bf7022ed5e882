/** The page: what is given, what is asked, what is shown. */

import { get, getBlob, predict, Problem, useKey } from "./api.js";
import { Batch } from "./batch.js";
import { gather, heard, refusal } from "./clips.js";
import { byId, fill, make } from "./dom.js";
import { examplesList } from "./examples.js";
import { canRecord, Recorder } from "./record.js";
import { showResult, spoken } from "./result.js";
import { clock, count, current, explain, nameOf, say, setLanguage, translate } from "./texts.js";
import { Wave } from "./wave.js";

const state = {
  models: [],
  model: null, // of GET /v1/models
  limits: null, // of GET /v1/limits
  examples: [],
  clip: null, // {blob, name, sound}, and `meant` where it is an example
  shown: null, // what the result shows
  problem: null, // makes the sentences of what is wrong, in the language of now
  batch: null,
  recorder: null,
  preview: null, // the wave of the clip that is given
};

const tell = (text) => (byId("status").textContent = text);

/** Show what is wrong: `sentences()` gives [sentence, detail] in the language of now; null clears it. */
function complain(sentences) {
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
async function attempt(work) {
  complain(null);
  byId("busy").hidden = false;
  byId("send").disabled = true;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401) askForKey(error);
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

// what the server has

async function load() {
  const [{ models }, limits, examples] = await Promise.all([
    get("v1/models"),
    get("v1/limits"),
    get("v1/examples").catch((error) => {
      if (error.status === 401) throw error;
      return { examples: [] }; // a server without examples
    }),
  ]);
  Object.assign(state, { models, limits, examples: examples.examples });
  state.model = models.find((model) => model.default) ?? models[0];
  byId("key-form").hidden = true;
  byId("key").value = "";
  byId("work").hidden = false;
  redraw();
}

function redraw() {
  translate();
  byId("record").disabled = !canRecord();
  byId("record").title = canRecord() ? "" : say("recordingOff");
  if (state.model) drawModel();
  if (state.problem) complain(state.problem);
  drawClip();
  showResult(byId("result"), state.batch && !state.shown ? null : state.shown);
  state.batch?.draw();
}

function drawModel() {
  const { model, models, limits } = state;
  fill(byId("model"), models.map(({ name }) => make("option", { value: name }, name)));
  byId("model").value = model.name;
  byId("model-choice").hidden = models.length < 2;
  const kind = model.hears && model.reads ? "hearsAndReads" : model.hears ? "hears" : "reads";
  byId("model-note").textContent = say(kind, { labels: listed(model.labels.map(nameOf)) });
  byId("input-title").textContent = say({ hearsAndReads: "inputTitle", hears: "inputSpeech", reads: "inputText" }[kind]);
  byId("sound").hidden = !model.hears;
  byId("words").hidden = !model.reads;
  const label = say(model.hears ? "transcript" : "text");
  byId("text-label").textContent = model.needs_text && !model.transcribes ? label : `${label} (${say("optional")})`;
  byId("text").maxLength = limits.max_characters;
  const megabytes = count(limits.max_bytes / 1e6);
  byId("limits-note").textContent = say("limits", { seconds: clock(limits.max_seconds), megabytes });
  const examples = state.examples.filter(() => model.hears || model.reads);
  byId("examples").hidden = !examples.length;
  fill(byId("example-list"), examplesList(examples, takeExample));
  hint();
}

const listed = (words) => new Intl.ListFormat(current(), { type: "conjunction" }).format(words);

/** What is still missing: the name of a text, or null. */
function missing() {
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

function hint() {
  const { model, clip } = state;
  const lack = missing();
  const written = model.transcribes && clip && !byId("text").value.trim();
  byId("hint").textContent = lack ? say(lack) : written ? say("writesItself") : "";
  byId("transcribe").hidden = !(model.transcribes && model.reads && clip);
}

// the clip

async function takeFiles(files) {
  const clips = await gather(files);
  if (!clips.length) return complain(() => [say("batchNoClips")]);
  complain(null);
  if (clips.length > 1) return openBatch(clips);
  if (clips[0].text) byId("text").value = clips[0].text;
  await takeClip(clips[0]);
}

async function takeClip(clip) {
  state.clip = await heard(clip);
  const refused = () => [refusal(state.clip ?? clip, state.limits)];
  complain(null);
  if (refused()[0]) {
    const sentence = refused()[0];
    state.clip = null;
    complain(() => [sentence]);
  }
  drawClip();
  hint();
}

function drawClip() {
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

function removeClip() {
  state.clip = null;
  byId("files").value = "";
  drawClip();
  hint();
  byId("files").focus();
}

async function takeExample(example) {
  await attempt(async () => {
    const blob = await getBlob(example.url);
    closeBatch();
    if (state.model.reads) byId("text").value = example.text ?? "";
    await takeClip({ blob, name: `${example.name}.wav`, meant: example.label, text: example.text });
  });
  if (!state.model.hears) hint();
}

// recording

async function record() {
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

// asking

async function send() {
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
  await attempt(async () => {
    const answer = await predict({ clip, text, model: model.name, explain: model.attends });
    show({ answer, clip, labels: model.labels, meant: state.clip?.meant ?? null });
  });
}

function show(shown) {
  state.shown = shown;
  showResult(byId("result"), shown);
  tell(spoken(shown.answer));
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  byId("result").scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

async function transcribe() {
  await attempt(async () => {
    const { transcript } = await predict({ clip: state.clip, text: "", model: state.model.name, explain: false });
    byId("text").value = transcript?.text ?? "";
    tell(say(transcript?.text ? "transcribed" : "transcribedNone"));
    hint();
    byId("hint").textContent = say(transcript?.text ? "transcribed" : "transcribedNone");
    byId("text").focus();
  });
}

// several clips

function openBatch(clips) {
  closeBatch();
  state.shown = null;
  showResult(byId("result"), null);
  byId("result").hidden = true;
  byId("batch").hidden = false;
  const open = async (row) => {
    const clip = await heard(row.clip);
    byId("result").hidden = false;
    show({ answer: row.answer, clip, meant: null, labels: state.batch.model.labels });
  };
  state.batch = new Batch(byId("batch"), clips, { model: state.model, limits: state.limits, open, tell, close: closeBatch });
  byId("files").value = "";
  byId("output").scrollIntoView({ block: "nearest" });
}

function closeBatch() {
  state.batch?.stop();
  state.batch = null;
  byId("batch").hidden = true;
  byId("result").hidden = false;
}

// what the reader does

function listen() {
  byId("files").addEventListener("change", (event) => takeFiles(event.target.files));
  byId("remove").addEventListener("click", removeClip);
  byId("record").addEventListener("click", record);
  byId("stop").addEventListener("click", () => state.recorder?.stop());
  byId("discard").addEventListener("click", () => {
    if (!state.recorder) return;
    state.recorder.discarded = true;
    state.recorder.stop();
  });
  byId("send").addEventListener("click", send);
  byId("transcribe").addEventListener("click", transcribe);
  byId("text").addEventListener("input", hint);
  byId("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  });
  byId("model").addEventListener("change", (event) => {
    state.model = state.models.find((model) => model.name === event.target.value);
    redraw();
  });
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      setLanguage(button.dataset.language);
      redraw();
    });
  }
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(byId("key").value.trim());
    attempt(load);
  });
  dropping();
}

/** Clips may be dropped anywhere on the page. */
function dropping() {
  const over = (event, on) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("dropping", on);
  };
  document.addEventListener("dragover", (event) => over(event, true));
  document.addEventListener("dragleave", (event) => event.relatedTarget ?? over(event, false));
  document.addEventListener("drop", (event) => {
    over(event, false);
    if (state.model?.hears && !state.recorder && event.dataTransfer.files.length) takeFiles(event.dataTransfer.files);
  });
}

listen();
translate();
attempt(load);

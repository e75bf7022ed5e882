/** The page: what is given, what is asked, what is shown. */

import { get, getBlob, useKey } from "./api.js";
import { closeBatch, openBatch, send, transcribe } from "./asking.js";
import { gather } from "./clips.js";
import { byId, fill, make } from "./dom.js";
import { examplesList } from "./examples.js";
import { drawClip, hint, record, removeClip, takeClip } from "./given.js";
import { canRecord } from "./record.js";
import { showResult } from "./result.js";
import { attempt, complain, state } from "./state.js";
import { clock, count, current, nameOf, say, setLanguage, translate } from "./texts.js";

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
  showResult(byId("result"), state.shown);
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
  byId("examples").hidden = !state.examples.length;
  fill(byId("example-list"), examplesList(state.examples, takeExample));
  hint();
}

const listed = (words) => new Intl.ListFormat(current(), { type: "conjunction" }).format(words);

// the clip

async function takeFiles(files) {
  const clips = await gather(files);
  if (!clips.length) return complain(() => [say("batchNoClips")]);
  complain(null);
  if (clips.length > 1) return openBatch(clips);
  if (clips[0].text) byId("text").value = clips[0].text;
  await takeClip(clips[0]);
}

async function takeExample(example) {
  await attempt(async () => {
    const blob = state.model.hears && (await getBlob(example.url));
    closeBatch();
    state.example = example;
    if (state.model.reads) byId("text").value = example.text;
    if (blob) await takeClip({ blob, name: `${example.name}.wav`, text: example.text, meant: example.label });
    else hint();
  });
}

// what the reader does

function listen() {
  byId("files").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";  // so that the same file can be chosen again
    takeFiles(files);
  });
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
    state.batch?.use(state.model);
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

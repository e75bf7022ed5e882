/** What a model says of one clip. */

import { attentionOn } from "./attention.js";
import { download, fill, keep, kept, make } from "./dom.js";
import { partName, segmentStrip } from "./segments.js";
import { count, decimal, nameOf, percent, say } from "./texts.js";
import { Attention, Wave } from "./wave.js";

const CLOSE = 0.15; // a second class this near is named beside the first
const ORDER = "emospeech-order";

let wave = null;

/** Show an answer in `holder`, or say that there is none.
 *
 * `shown`: {answer, clip, meant, labels, partsAfter}; `clip` and `meant` (the label that an example was spoken as) may be
 * null; a clip of more than `partsAfter` seconds is one to answer in parts.
 */
export function showResult(holder, shown) {
  wave?.close();
  wave = null;
  if (!shown) {
    holder.replaceChildren(make("p", { class: "empty" }, say("nothingYet")));
    return;
  }
  const { answer, clip, meant, labels, partsAfter } = shown;
  const bars = make("div", { class: "bars" });
  let current = answer; // or one of its segments
  const show = (part) => {
    current = part;
    fill(bars, part !== answer && make("p", { class: "note" }, partName(part)), barList(part.probabilities, labels),
      make("p", { class: "note" }, calibration(answer)));
  };
  show(answer);
  fill(
    holder,
    headline(answer, meant),
    probabilities(answer, bars, () => show(current)),
    timeline(answer, clip, partsAfter, show),
    attentionOn(answer),
    furtherTasks(answer),
    details(answer),
  );
}

export const sorted = (probabilities) => Object.entries(probabilities).sort((a, b) => b[1] - a[1]);

/** The answer in one sentence, for those who listen to the page. */
export const spoken = (answer) =>
  say("answerLive", { label: nameOf(answer.label), percent: percent(answer.probabilities[answer.label]) });

function headline(answer, meant) {
  const [first, second] = sorted(answer.probabilities);
  const close = second && first[1] - second[1] < CLOSE;
  return make(
    "div",
    { class: "headline", "data-label": answer.label, "data-emotion": answer.label },
    make("p", { class: "answer" }, swatch(answer.label), make("strong", {}, nameOf(answer.label)), " ",
      make("span", { class: "number" }, percent(answer.probabilities[answer.label]))),
    close && make("p", { class: "note" }, say("closeTo", { label: nameOf(second[0]), percent: percent(second[1]) })),
    meant && make("p", { class: "note" }, say("meant", { label: nameOf(meant) })),
    answer.name && make("p", { class: "note name" }, answer.name),
  );
}

export const swatch = (label) => make("i", { class: "swatch", "data-emotion": label, "aria-hidden": "true" });

function barList(all, labels) {
  const order = kept(ORDER) === "model" ? labels.map((label) => [label, all[label]]) : sorted(all);
  return make("ul", {}, order.map(([label, share]) => {
    const bar = make("i", { "data-emotion": label });
    bar.style.width = `${100 * share}%`;
    return make("li", { "data-label": label },
      make("span", { class: "bar-name" }, nameOf(label)),
      make("span", { class: "bar", "aria-hidden": "true" }, bar),
      make("span", { class: "number" }, percent(share)));
  }));
}

function probabilities(answer, bars, redraw) {
  const choose = (order) => (event) => {
    keep(ORDER, order);
    for (const other of event.target.parentElement.children) other.setAttribute("aria-pressed", String(other === event.target));
    redraw();
  };
  const order = (name, text) =>
    make("button", { type: "button", class: "quiet", "aria-pressed": String((kept(ORDER) ?? "value") === name), click: choose(name) }, text);
  return make(
    "section",
    {},
    make("div", { class: "row spread baseline" }, make("h3", {}, say("probabilities")),
      make("span", { class: "toggle", role: "group", "aria-label": say("order") },
        order("value", say("byValue")), order("model", say("byModel")))),
    bars,
  );
}

function calibration({ calibration: told }) {
  if (!told) return say("uncalibrated");
  return told.fitted_to === "dev" ? say("calibrated") : `${say("calibrated")} ${say("calibratedTo", { on: told.fitted_to })}`;
}

function timeline(answer, clip, partsAfter, show) {
  if (!clip) return null;
  const weights = answer.attention?.speech?.weights;
  const attention = weights?.length ? new Attention(weights) : null;
  const seconds = answer.audio?.seconds ?? clip.sound?.seconds ?? 0;
  const field = make("div");
  const section = make("section", {}, make("h3", {}, say("voice")), field);
  wave = new Wave(field, { clip, seconds, attention });
  if (answer.segments?.length) section.append(segmentStrip(answer, seconds, wave, show));
  else if (answer.audio?.seconds > partsAfter) section.append(make("p", { class: "note no-segments" }, say("noSegments")));
  if (!clip.sound) section.append(make("p", { class: "note" }, say("notDecoded")));
  if (attention) section.append(legend(attention, seconds));
  return section;
}

function legend(attention, seconds) {
  const scale = make("span", { class: "scale" }, say("less"), make("i", { "aria-hidden": "true" }), say("more"));
  const even = make("span", { class: "scale even" }, make("i", { "aria-hidden": "true" }), say("evenAttention"));
  const [from, to] = attention.peak.map((share) => decimal(share * seconds, 2));
  return make("div", { class: "legend note" }, scale, even,
    make("span", {}, say("peak", { from, to, times: decimal(attention.most, 1) })));
}

function furtherTasks(answer) {
  const tasks = Object.entries(answer.tasks ?? {});
  if (!tasks.length) return null;
  return make("section", {}, make("h3", {}, say("tasks")), make("dl", { class: "tasks" }, tasks.map(([task, told]) => [
    make("dt", {}, nameOf(task)),
    make("dd", { "data-task": task }, sorted(told.probabilities).map(([label, share], k) =>
      make(k ? "span" : "strong", {}, `${nameOf(label)} ${percent(share)}`))),
  ])));
}

function details(answer) {
  const { model, timing } = answer;
  const used = answer.modalities.map((modality) => say(`modality_${modality}`)).join(" + ");
  const file = `${(answer.name || "text").replace(/\.[^.]*$/, "")}.json`;
  return make("div", { class: "details note" },
    make("span", {}, say("version", model)),
    make("span", {}, say("used", { modalities: used })),
    timing && make("span", {}, say("timing", { total: count(timing.total_ms), model: count(timing.model_ms) })),
    make("button", { type: "button", class: "quiet", click: () => download(file, "application/json", JSON.stringify(answer, null, 2)) }, say("json")));
}

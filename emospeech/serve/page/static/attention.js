/** Words shaded by what the model weighed, and how its attention is shared out. */

import { make } from "./dom.js";
import { percent, say } from "./texts.js";

const SHARES = [["speech", "shareSpeech"], ["text", "shareText"], ["rest", "shareRest"]]; // the answer's name, ours
const TELLING = 0.005; // shares below this have no number of their own

/** The transcript of an answer, with its attention where there is one; null where there are no words. */
export function attentionOn(answer) {
  const { transcript, attention } = answer;
  const parts = SHARES.map(([key, name]) => [name, attention?.shares?.[key] ?? 0]).filter(([, share]) => share > 0);
  if (!transcript?.text && parts.length < 2) return null;
  const section = make("section", {});
  if (transcript?.text) {
    const source = transcript.source === "provided"
      ? say("given") : say("writtenBy", { model: transcript.source.replace(":", " ") });
    section.append(
      make("div", { class: "row spread baseline" }, make("h3", {}, say("wordsTitle")), make("span", { class: "note" }, source)),
      attention?.words?.length ? glossed(transcript.text, attention.words) : make("blockquote", {}, transcript.text),
    );
    if (attention?.words?.length) section.append(make("p", { class: "note" }, say("wordsNote")));
  }
  if (parts.length > 1) section.append(shares(parts));
  return section;
}

/** The transcript, word by word, with the share of each underneath. */
function glossed(text, words) {
  const letters = [...text]; // the server counts characters, not the halves that JavaScript makes of some
  const most = Math.max(...words.map((word) => word.weight), 1e-9);
  const line = make("p", { class: "gloss" });
  let end = 0;
  for (const word of words) {
    const between = letters.slice(end, word.start).join("").trim();
    if (between) line.append(make("span", { class: "plain" }, between), " ");
    line.append(shaded(word, word.weight / most), " ");
    end = word.end;
  }
  const rest = letters.slice(end).join("").trim();
  if (rest) line.append(make("span", { class: "plain" }, rest));
  return line;
}

function shaded(word, strength) {
  const share = percent(word.weight);
  const shade = make("span", { class: "word", title: `${word.text}: ${share}`, "data-weight": word.weight },
    make("span", { class: "word-text" }, word.text), " ",
    make("span", { class: word.weight < TELLING ? "word-share faint" : "word-share" }, share));
  shade.style.setProperty("--strength", strength.toFixed(3));
  return shade;
}

function shares(parts) {
  const bar = make("div", { class: "shares", "aria-hidden": "true" }, parts.map(([name, share]) => {
    const part = make("i", { class: name });
    part.style.width = `${100 * share}%`;
    return part;
  }));
  const named = parts.map(([name, share]) =>
    make("span", {}, make("i", { class: `swatch ${name}`, "aria-hidden": "true" }), `${say(name)} ${percent(share)}`));
  return make("div", { class: "sharing" }, make("h4", {}, say("shares")), bar, make("p", { class: "note keys" }, named),
    make("p", { class: "note" }, say("attentionNote")));
}

/** A long clip part by part, in line with its wave. */

import { make } from "./dom.js";
import { decimal, nameOf, percent, say } from "./texts.js";

/** When a part is, and what it is; a part without a label is one in which nothing is to be heard. */
export function partName({ start, end, label, probabilities }) {
  const times = { from: decimal(start, 1), to: decimal(end, 1) };
  if (!label) return say("segmentSilent", times);
  return say("segmentName", { ...times, label: nameOf(label), percent: percent(probabilities[label]) });
}

/** Buttons, one a part; the chosen one is played, and `show` gets it, or the whole answer again. */
export function segmentStrip(answer, seconds, wave, show) {
  const strip = make("div", { class: "segments", role: "group", "aria-label": say("segments") });
  const whole = make("button", { type: "button", class: "quiet", hidden: true, click: () => choose(null, null) }, say("whole"));
  const choose = (button, part) => {
    for (const other of strip.children) other.setAttribute("aria-pressed", String(other === button));
    whole.hidden = !part;
    show(part ?? answer);
    if (part) wave.playFrom(part.start);
  };
  for (const part of answer.segments) {
    const name = partName(part);
    const button = make(
      "button",
      { type: "button", title: name, "aria-label": name, "aria-pressed": "false", "data-emotion": part.label, disabled: !part.label,
        click: () => choose(button, part) },
      make("span", {}, part.label ? nameOf(part.label) : say("silence")),
      part.label && make("span", { class: "number" }, percent(part.probabilities[part.label])),
    );
    button.style.left = `${(100 * part.start) / seconds}%`;
    button.style.width = `${(100 * (part.end - part.start)) / seconds}%`;
    strip.append(button);
  }
  const about = make("div", { class: "row spread baseline" }, make("p", { class: "note" }, say("segmentsNote")), whole);
  return make("div", {}, strip, about);
}

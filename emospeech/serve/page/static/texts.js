/** What the page says, in the reader's language. */

import { english } from "./english.js";
import { keep, kept } from "./dom.js";
import { spanish } from "./spanish.js";

const LANGUAGES = { es: spanish, en: english };
const KEY = "emospeech-language";

let language = [kept(KEY), ...navigator.languages.map((tag) => tag.slice(0, 2))].find((tag) => tag in LANGUAGES) ?? "en";

export const current = () => language;

/** Another language, from now on and next time. */
export function setLanguage(chosen) {
  language = chosen;
  keep(KEY, chosen);
}

/** A text by its name, with `{values}` filled in. */
export function say(name, values = {}) {
  return LANGUAGES[language].texts[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

/** A class or a further task as readers call it; the model's own word where nobody has translated it. */
export const nameOf = (label) => LANGUAGES[language].names[label] ?? label;

/** A problem in the reader's language, followed by what the server says of it. */
export function explain(problem) {
  const known = LANGUAGES[language].problems;
  const sentence = known[problem.code] ?? known[problem.status] ?? known.unknown;
  return problem.wait ? `${sentence} ${say("wait", { seconds: problem.wait })}` : sentence;
}

const numbers = (options) => new Intl.NumberFormat(language, options);

export const percent = (share) =>
  numbers({ style: "percent", maximumFractionDigits: share < 0.0995 ? 1 : 0 }).format(share);

export const decimal = (value, digits = 2) =>
  numbers({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

export const count = (value) => numbers({ maximumFractionDigits: value < 100 ? 1 : 0 }).format(value);

/** Minutes and seconds, as a player shows them. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Put the language's words into every element that names them. */
export function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = say(element.dataset.text);
  for (const element of document.querySelectorAll("[data-text-label]")) {
    element.setAttribute("aria-label", say(element.dataset.textLabel));
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}

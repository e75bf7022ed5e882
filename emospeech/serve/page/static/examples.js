/** Clips to try, as the server offers them. */

import { make } from "./dom.js";
import { swatch } from "./result.js";
import { nameOf } from "./texts.js";

export const examplesList = (examples, take) =>
  examples.map((example) =>
    make("li", {},
      make("button", { type: "button", class: "chip", title: example.text, "data-example": example.name, click: () => take(example) },
        swatch(example.label), make("span", {}, nameOf(example.label)), example.text && make("span", { class: "quote" }, `«${example.text}»`))));

/** Elements, made without markup: text from elsewhere only ever becomes text. */

export const byId = (id) => document.getElementById(id);

/** An element. `attributes`: `class`, `data-…`, `aria-…`; functions listen (`click`); null and false are left out. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...present(children));
  return element;
}

/** Put `children` in place of what an element holds; null and false are left out. */
export const fill = (element, ...children) => element.replaceChildren(...present(children));

const present = (children) => children.flat(2).filter((child) => child !== null && child !== undefined && child !== false);

/** A canvas's drawing context, at the screen's own resolution, cleared. Sizes in CSS pixels. */
export function sized(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  return context;
}

/** A colour of the style sheet, as [red, green, blue]; it is written there as #rrggbb. */
export function colour(name) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
}

export const css = ([red, green, blue], alpha = 1) => `rgb(${red} ${green} ${blue} / ${alpha})`;

/** The colour at `share` of the way from one to another. */
export const between = (from, to, share) => from.map((value, k) => Math.round(value + (to[k] - value) * share));

/** Give the user a file. */
export function download(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** What the browser kept under a name; null where it keeps nothing. */
export function kept(name, storage = "localStorage") {
  try {
    return window[storage].getItem(name);
  } catch {
    return null; // storage is switched off
  }
}

export function keep(name, value, storage = "localStorage") {
  try {
    window[storage].setItem(name, value);
  } catch {
    /* storage is switched off: it is asked for again next time */
  }
}

/** A clip over time: its wave, what a model attended to, a spectrogram, an axis in seconds; to be played and clicked. */

import { between, colour, css, keep, kept, make, sized } from "./dom.js";
import { asWav, peaks } from "./sound.js";
import { spectrogram, TOP } from "./spectrogram.js";
import { clock, count, decimal, say } from "./texts.js";

const CURVE = 52; // CSS pixels of each band
const WAVE = 96;
const SMALL_WAVE = 60;
const PICTURE = 128;
const AXIS = 22;
const MOMENTS = 240; // of attention: single frames of a long clip would be thinner than a line
const STEPS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60]; // seconds between marks of the axis
let playing = null; // the player that was started last
const SHOWS_PICTURE = "emospeech-spectrogram";

/** What a model's weights say of each moment: how many times an even share it has. */
export class Attention {
  /** `weights`: one a frame, of any sum; the frames cover the whole clip. Many are told by their means. */
  constructor(weights) {
    const total = weights.reduce((sum, weight) => sum + weight, 0) || 1;
    const moments = Math.min(weights.length, MOMENTS);
    this.times = Array.from({ length: moments }, (_, moment) => {
      const first = Math.floor((moment * weights.length) / moments);
      const last = Math.floor(((moment + 1) * weights.length) / moments);
      const part = weights.slice(first, last).reduce((sum, weight) => sum + weight, 0);
      return ((part / (last - first)) * weights.length) / total;
    });
    this.most = Math.max(1, ...this.times);
  }

  /** The mean over a part of the clip; `from` and `to` are shares of its length. */
  over(from, to) {
    const first = Math.min(this.times.length - 1, Math.floor(from * this.times.length));
    const last = Math.max(first + 1, Math.ceil(to * this.times.length));
    const part = this.times.slice(first, last);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  }

  /** Where it is at least half its highest, around the highest: shares of the clip's length. */
  get peak() {
    const highest = this.times.indexOf(Math.max(...this.times));
    let [start, end] = [highest, highest + 1];
    while (start > 0 && this.times[start - 1] > this.most / 2) start--;
    while (end < this.times.length && this.times[end] > this.most / 2) end++;
    return [start / this.times.length, end / this.times.length];
  }
}

export class Wave {
  /** `clip`: {blob, sound} with `sound` null where it cannot be decoded; `seconds`: its length. */
  constructor(holder, { clip, seconds, attention = null, small = false }) {
    Object.assign(this, { clip, seconds, attention, small });
    this.player = new Audio();
    this.address = URL.createObjectURL(clip.recorded && clip.sound ? asWav(clip.sound) : clip.blob);
    this.player.src = this.address;
    this.pictured = !small && clip.sound && kept(SHOWS_PICTURE) === "yes";
    this.build(holder);
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(this.field);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.redraw = () => {
      this.picture = null; // it was painted in the other ink
      this.draw();
    };
    this.scheme.addEventListener("change", this.redraw);
  }

  build(holder) {
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.head = make("i", { class: "head" });
    this.readout = make("span", { class: "readout", hidden: true });
    this.field = make(
      "div",
      {
        class: "field",
        role: "slider",
        tabindex: "0",
        "aria-label": say("position"),
        "aria-valuemin": "0",
        "aria-valuemax": this.seconds.toFixed(2),
        pointerdown: (event) => this.seek(this.shareAt(event) * this.seconds),
        pointermove: (event) => this.tell(event),
        pointerleave: () => (this.readout.hidden = true),
        keydown: (event) => this.key(event),
      },
      this.canvas,
      this.head,
      this.readout,
    );
    this.button = make("button", { type: "button", class: "play", click: () => this.toggle() });
    this.time = make("span", { class: "number note" });
    this.controls = make("div", { class: "row controls" }, this.button, this.time);
    if (!this.small && this.clip.sound) this.controls.append(this.pictureSwitch());
    holder.replaceChildren(make("div", { class: "wave" }, this.field, this.controls));
    for (const event of ["play", "pause", "ended"]) this.player.addEventListener(event, () => this.follow());
    this.player.addEventListener("seeked", () => this.follow());
    this.follow();
  }

  pictureSwitch() {
    const change = (event) => {
      this.pictured = event.target.checked;
      keep(SHOWS_PICTURE, this.pictured ? "yes" : "no");
      this.draw();
    };
    const box = make("input", { type: "checkbox", change, checked: this.pictured });
    return make("label", { class: "switch", title: say("spectrogramNote") }, box, ` ${say("spectrogram")}`);
  }

  /** No more of it: the player stops, and the file is let go. */
  close() {
    this.player.pause();
    this.watcher.disconnect();
    this.scheme.removeEventListener("change", this.redraw);
    this.player.removeAttribute("src");
    URL.revokeObjectURL(this.address);
  }

  toggle() {
    if (this.player.paused) this.play();
    else this.player.pause();
  }

  /** Play; another clip that plays is stopped. */
  play() {
    if (playing !== this.player) playing?.pause();
    playing = this.player;
    this.player.play().catch(() => {}); // the browser cannot: the button stays as it is
  }

  /** Go to a moment, in seconds. */
  seek(moment) {
    this.player.currentTime = Math.max(0, Math.min(this.seconds, moment));
    this.follow();
  }

  playFrom(moment) {
    this.seek(moment);
    this.play();
  }

  key(event) {
    const moves = { ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1, PageDown: -1, PageUp: 1 };
    if (event.key in moves) this.seek(this.player.currentTime + moves[event.key]);
    else if (event.key === "Home") this.seek(0);
    else if (event.key === "End") this.seek(this.seconds);
    else if (event.key === " ") this.toggle();
    else return;
    event.preventDefault();
  }

  /** The play head, the button and the time, as the player stands. */
  follow() {
    const at = Math.min(this.player.currentTime, this.seconds);
    const playing = !this.player.paused && !this.player.ended;
    this.head.style.left = `${(100 * at) / (this.seconds || 1)}%`;
    this.button.textContent = playing ? "❚❚" : "►";
    this.button.setAttribute("aria-label", say(playing ? "pause" : "play"));
    this.time.textContent = `${decimal(at, 1)} / ${decimal(this.seconds, 1)} s`;
    this.field.setAttribute("aria-valuenow", at.toFixed(2));
    this.field.setAttribute("aria-valuetext", say("positionText", { at: decimal(at, 1), of: decimal(this.seconds, 1) }));
    if (playing) requestAnimationFrame(() => this.follow());
  }

  shareAt(event) {
    const { left, width } = this.field.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - left) / width));
  }

  /** The moment under the pointer, and the attention there. */
  tell(event) {
    const share = this.shareAt(event);
    const moment = `${decimal(share * this.seconds, 2)} s`;
    const times = this.attention && `${decimal(this.attention.over(share, share), 1)} ×`;
    this.readout.textContent = times ? `${moment} · ${times}` : moment;
    this.readout.hidden = false;
    this.readout.style.left = `${100 * Math.min(0.86, share)}%`;
  }

  draw() {
    const width = Math.floor(this.field.clientWidth);
    if (!width) return;
    const wave = this.small ? SMALL_WAVE : WAVE;
    const bands = { curve: this.attention ? CURVE : 0, wave, picture: this.pictured ? PICTURE : 0 };
    const height = bands.curve + bands.wave + bands.picture + AXIS;
    this.canvas.style.height = `${height}px`;
    this.field.style.height = `${height}px`;
    const context = sized(this.canvas, width, height);
    context.font = "11px system-ui, sans-serif";
    if (this.attention) this.drawCurve(context, width);
    this.drawWave(context, width, bands.curve, bands.wave);
    if (this.pictured) this.drawPicture(context, width, bands.curve + bands.wave);
    this.drawAxis(context, width, height - AXIS);
  }

  drawCurve(context, width) {
    const floor = CURVE - 4;
    const heightOf = (times) => (times / this.attention.most) * (floor - 14);
    const attended = colour("--attention");
    context.beginPath();
    context.moveTo(0, floor);
    for (let x = 0; x <= width; x++) context.lineTo(x, floor - heightOf(this.attention.over(x / width, (x + 1) / width)));
    context.lineTo(width, floor);
    context.fillStyle = css(attended, 0.22);
    context.fill();
    context.strokeStyle = css(attended);
    context.lineWidth = 1.5;
    context.stroke();
    const even = Math.round(floor - heightOf(1)) + 0.5;
    const ink = css(colour("--muted"));
    context.strokeStyle = ink;
    context.lineWidth = 1;
    context.setLineDash([3, 4]);
    context.beginPath();
    context.moveTo(0, even);
    context.lineTo(width, even);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = ink;
    context.textAlign = "right";
    context.fillText(`${say("attentionCurve")}, ${decimal(this.attention.most, 1)} ×`, width - 2, 10);
  }

  drawWave(context, width, top, height) {
    const middle = top + height / 2;
    const calm = colour(this.attention ? "--wave" : "--accent");
    const attended = colour("--attention");
    context.fillStyle = css(colour("--line"));
    context.fillRect(0, middle - 0.5, width, 1);
    if (!this.clip.sound) return;
    const { low, high } = (this.peaks = this.peaks?.low.length === width ? this.peaks : peaks(this.clip.sound.samples, width));
    const loudest = Math.max(1e-4, ...high, ...low.map((value) => -value));
    for (let x = 0; x < width; x++) {
      const share = this.attention ? this.attention.over(x / width, (x + 1) / width) / this.attention.most : 0;
      context.fillStyle = css(between(calm, attended, Math.sqrt(share)));
      const above = (high[x] / loudest) * (height / 2 - 4);
      const below = (-low[x] / loudest) * (height / 2 - 4);
      context.fillRect(x, middle - above - 0.5, 1, above + below + 1);
    }
  }

  drawPicture(context, width, top) {
    if (this.picture?.width !== width) this.picture = paint(spectrogram(this.clip.sound, width), width);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.picture, 0, top, width, PICTURE);
    context.textAlign = "left";
    for (let hertz = 1000; hertz < TOP; hertz += 1000) {
      const y = Math.round(top + PICTURE * (1 - hertz / TOP)) + 0.5;
      const text = `${count(hertz / 1000)} kHz`;
      context.fillStyle = css(colour("--card"), 0.8);
      context.fillRect(7, y - 6, context.measureText(text).width + 4, 12);
      context.fillStyle = css(colour("--muted"));
      context.fillRect(0, y, 6, 1);
      context.fillText(text, 9, y + 4);
    }
  }

  drawAxis(context, width, top) {
    const room = this.seconds >= 60 ? 64 : 54; // pixels that a mark's number needs
    const step = STEPS.find((seconds) => (seconds / this.seconds) * width >= room) ?? 120;
    context.fillStyle = css(colour("--line"));
    context.fillRect(0, top, width, 1);
    const ink = css(colour("--muted"));
    for (let mark = 0; mark * step <= this.seconds; mark++) {
      const x = Math.min(width - 1, Math.round((mark * step * width) / this.seconds));
      context.fillStyle = ink;
      context.fillRect(x, top, 1, 4);
      const text = this.seconds >= 60 ? clock(mark * step) : count(mark * step);
      const room = context.measureText(text).width;
      context.textAlign = x < room / 2 ? "left" : x > width - room / 2 - 12 ? "right" : "center";
      if (x < width - room - 14) context.fillText(text, x, top + 16);
    }
    context.textAlign = "right";
    context.fillText("s", width - 1, top + 16);
  }
}

/** A spectrogram as a picture of one pixel a column and band. */
function paint({ bands, darkness }, columns) {
  const canvas = make("canvas");
  canvas.width = columns;
  canvas.height = bands;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, bands);
  const ink = colour("--ink");
  for (let column = 0; column < columns; column++) {
    for (let band = 0; band < bands; band++) {
      const at = 4 * ((bands - 1 - band) * columns + column);
      picture.data.set([...ink, 255 * darkness[column * bands + band] ** 1.4], at);
    }
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}

/** A recording from the microphone, with its level. */

import { colour, css, sized } from "./dom.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"]; // the first that the browser writes
const ENDINGS = { "audio/webm": "webm", "audio/mp4": "m4a", "audio/ogg": "ogg" };
const QUIETEST = -60; // dBFS at the left end of the meter
const BAR = 3; // CSS pixels of one moment of the history

export const canRecord = () => Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder);

export class Recorder {
  /** `limit`: seconds until it stops by itself; `tick(seconds, level)`: level from 0 to 1, some 20 times a second. */
  constructor({ limit, canvas, tick }) {
    Object.assign(this, { limit, canvas, tick, levels: [] });
  }

  /** Begin; rejects where the microphone is refused. What a voice's loudness tells is left in: no automatic gain. */
  async start() {
    const natural = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: natural });
    this.context = new AudioContext();
    this.analyser = new AnalyserNode(this.context, { fftSize: 2048 });
    this.context.createMediaStreamSource(this.stream).connect(this.analyser);
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    this.recorder = new MediaRecorder(this.stream, { mimeType, audioBitsPerSecond: 128_000 });
    this.parts = [];
    this.recorder.addEventListener("dataavailable", (event) => this.parts.push(event.data));
    this.done = new Promise((resolve) => this.recorder.addEventListener("stop", () => resolve(this.finish())));
    this.began = performance.now();
    this.recorder.start(1000);
    this.timer = setInterval(() => this.watch(), 50);
  }

  get seconds() {
    return (performance.now() - this.began) / 1000;
  }

  watch() {
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    const peak = samples.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const level = Math.max(0, 1 - (20 * Math.log10(Math.max(peak, 1e-6))) / QUIETEST);
    this.levels.push(level);
    this.draw();
    this.tick(this.seconds, level);
    if (this.seconds >= this.limit) this.stop();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const context = sized(this.canvas, width, height);
    context.fillStyle = css(colour("--attention"));
    this.levels.slice(-Math.floor(width / BAR)).forEach((level, k) => {
      const tall = Math.max(2, level * (height - 4));
      context.fillRect(k * BAR, (height - tall) / 2, BAR - 1, tall);
    });
  }

  stop() {
    clearInterval(this.timer);
    if (this.recorder?.state !== "inactive") this.recorder?.stop();
  }

  /** The clip as the browser wrote it; the microphone is let go. */
  finish() {
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
    const type = this.recorder.mimeType.split(";")[0];
    return { blob: new Blob(this.parts, { type }), ending: ENDINGS[type] ?? "webm" };
  }
}

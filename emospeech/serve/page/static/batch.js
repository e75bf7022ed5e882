/** Several clips: a table that fills as answers come, and a file of them. */

import { predictPatiently, Problem } from "./api.js";
import { heard, refusal } from "./clips.js";
import { predictionsCsv } from "./csv.js";
import { download, fill, make } from "./dom.js";
import { spoken, swatch } from "./result.js";
import { explain, nameOf, percent, say } from "./texts.js";

const AT_ONCE = 3; // clips on their way; the server puts those that meet into one batch

export class Batch {
  /** `open(row)` shows one answer; `tell(text)` says how far it is; `close()` is asked for by the reader. */
  constructor(holder, clips, { model, limits, open, tell, close }) {
    Object.assign(this, { holder, model, limits, open, tell, close });
    this.rows = clips.map((clip) => ({ clip, text: clip.text, state: "waiting", answer: null, problem: null }));
    this.running = null;
    this.draw();
  }

  /** In the language and with the model of now. */
  draw() {
    this.start = make("button", { type: "button", class: "primary", click: () => (this.running ? this.stop() : this.run()) });
    this.progress = make("progress", { max: String(this.rows.length), "aria-label": say("busy") });
    this.count = make("span", { class: "note" });
    this.csv = make("button", { type: "button", click: () => this.save() }, say("batchCsv"));
    this.csvNote = make("p", { class: "note" }, say("batchCsvNote"));
    const heading = ["batchColumnClip", this.model.reads && "batchColumnText", "batchColumnLabel", "batchColumnShare"];
    this.body = make("tbody", { role: "rowgroup" }, this.rows.map((row) => this.line(row)));
    fill(
      this.holder,
      make("div", { class: "row spread baseline" }, make("h3", {}, say("batchTitle", { count: this.rows.length })),
        make("button", { type: "button", class: "quiet", click: () => { this.stop(); this.close(); } }, say("batchClose"))),
      this.model.reads && make("p", { class: "note" }, say("batchHint")),
      make("div", { class: "table", tabindex: "0", role: "region", "aria-label": say("batchTitle", { count: this.rows.length }) },
        make("table", { role: "table" }, // roles are told, as a narrow screen lays rows out as blocks
          make("thead", { role: "rowgroup" }, make("tr", { role: "row" },
            heading.filter(Boolean).map((name) => make("th", { scope: "col", role: "columnheader" }, say(name))))),
          this.body)),
      make("div", { class: "row" }, this.start, this.csv, this.progress, this.count),
      this.csvNote,
    );
    this.follow();
  }

  /** Another model: what the last one said is no longer asked for. */
  use(model) {
    this.stop();
    this.model = model;
    for (const row of this.rows) Object.assign(row, { state: "waiting", answer: null, problem: null });
  }

  line(row) {
    const { name } = row.clip;
    const typed = (event) => (row.text = event.target.value);
    const said = make("input", { type: "text", "aria-label": say("batchTextOf", { name }), change: typed, input: typed });
    said.value = row.text;
    row.name = make("th", { scope: "row", role: "rowheader", class: "name" });
    row.label = make("td", { role: "cell" });
    row.share = make("td", { role: "cell", class: "number" });
    row.line = make("tr", { role: "row", "data-name": name }, row.name,
      this.model.reads && make("td", { role: "cell", class: "said" }, said), row.label, row.share);
    this.fill(row);
    return row.line;
  }

  /** A row's cells, as it stands. */
  fill(row) {
    const { answer, problem, clip } = row;
    row.line.dataset.state = row.state;
    const show = () => this.open(row);
    fill(row.name, answer
      ? make("button", { type: "button", class: "quiet", click: show, "aria-label": say("batchShow", { name: clip.name }) }, clip.name)
      : clip.name);
    if (answer) fill(row.label, swatch(answer.label), nameOf(answer.label));
    else if (problem) fill(row.label, make("span", { class: "bad" }, problem()));
    else fill(row.label, make("span", { class: "note" }, say({ waiting: "batchWaiting", sending: "batchSending", stopped: "batchStopped" }[row.state])));
    fill(row.share, answer && percent(answer.probabilities[answer.label]));
  }

  async run() {
    this.running = new AbortController();
    const { signal } = this.running;
    const { model } = this;
    const left = this.rows.filter((row) => row.state !== "done");
    for (const row of left) this.become(row, "waiting");
    const work = async () => {
      while (left.length && !signal.aborted) await this.ask(left.shift(), model, signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    if (this.running?.signal === signal) this.running = null;
    this.follow();
  }

  stop() {
    this.running?.abort();
  }

  async ask(row, model, signal) {
    this.become(row, "sending");
    try {
      const { sound } = await heard(row.clip);
      const clip = { ...row.clip, sound: sound && { seconds: sound.seconds } }; // samples are let go: there may be many
      const refused = () => refusal(clip, this.limits);
      if (signal.aborted) return this.become(row, "stopped");
      if (refused()) return this.become(row, "failed", { problem: refused });
      const question = { clip, text: row.text.trim(), model: model.name, explain: model.attends };
      if (model.needs_text && !model.transcribes && !question.text) return this.become(row, "failed", { problem: () => say("needsText") });
      const answer = await predictPatiently(question, signal);
      if (signal.aborted) return this.become(row, "stopped");
      this.become(row, "done", { answer });
      this.tell(`${row.clip.name}: ${spoken(answer)}`);
    } catch (error) {
      if (signal.aborted) return this.become(row, "stopped");
      if (!(error instanceof Problem)) throw error;
      this.become(row, "failed", { problem: () => `${explain(error)} ${error.detail}`.trim() });
      if (error.status === 401) this.stop();
    }
  }

  become(row, state, { answer = null, problem = null } = {}) {
    Object.assign(row, { state, answer, problem });
    this.fill(row);
    this.follow();
  }

  /** The buttons and the count, as the rows stand. */
  follow() {
    const done = this.rows.filter((row) => row.state === "done").length;
    const failed = this.rows.filter((row) => row.state === "failed").length;
    this.start.textContent = say(this.running ? "batchStop" : done + failed ? "batchAgain" : "batchStart");
    this.start.hidden = !this.running && done === this.rows.length;
    this.progress.hidden = !this.running;
    this.progress.value = done + failed;
    this.count.textContent = done + failed ? say("batchProgress", { done, failed, count: this.rows.length }) : "";
    this.csv.hidden = !done || Boolean(this.running);
    this.csvNote.hidden = this.csv.hidden || !failed;
  }

  save() {
    const answered = this.rows.filter((row) => row.answer);
    download("predictions.csv", "text/csv", predictionsCsv(answered.map((row) => [row.clip.name, row.answer])));
  }
}

/** Answers as a predictions file: the columns of `emospeech predict`, and the temperature of its probabilities.
 *
 * `emospeech predict` writes p_<class> as the model gives them; a server adjusts them by a temperature where it has one.
 */

/** One cell: quoted where it must be, and never a formula to a spreadsheet. */
export function cell(value) {
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Rows of [id, answer] as CSV: id, label, p_<class>…, then each further task and its p_<task>_<class>…, temperature.
 *
 * An empty temperature: p_<class> are as the model gives them, as those of further tasks always are.
 */
export function predictionsCsv(rows) {
  const [, first] = rows[0];
  const classes = Object.keys(first.probabilities);
  const tasks = Object.entries(first.tasks ?? {}).map(([task, told]) => [task, Object.keys(told.probabilities)]);
  const header = ["id", "label", ...classes.map((label) => `p_${label}`),
    ...tasks.flatMap(([task, labels]) => [task, ...labels.map((label) => `p_${task}_${label}`)]), "temperature"];
  const lines = rows.map(([id, answer]) => [id, answer.label, ...classes.map((label) => answer.probabilities[label]),
    ...tasks.flatMap(([task, labels]) => [answer.tasks[task].label, ...labels.map((label) => answer.tasks[task].probabilities[label])]),
    answer.calibration?.temperature ?? ""]);
  return [header, ...lines].map((line) => `${line.map(cell).join(",")}\n`).join("");
}

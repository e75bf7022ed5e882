/** Files that somebody gives: which are clips, which are their transcripts, and what the server would refuse. */

import { decode } from "./sound.js";
import { count, say } from "./texts.js";

const ENDINGS = /\.(wav|mp3|flac|ogg|oga|opus|m4a|mp4|aac|webm|aiff?|amr|wma|3gp)$/i;

const isText = (file) => /\.txt$/i.test(file.name);
const stem = (name) => name.replace(/\.[^.]*$/, "");

/** Clips in the order given, {blob, name, text}: a text file of the same name holds what is said.
 *
 * Files of any other kind count as clips, so that the server can say what is wrong with them.
 */
export async function gather(files) {
  const list = [...files];
  const texts = new Map();
  for (const file of list.filter(isText)) texts.set(stem(file.name), (await file.text()).trim());
  const taken = new Map();
  return list.filter((file) => !isText(file)).map((file) => {
    const times = (taken.get(file.name) ?? 0) + 1;
    taken.set(file.name, times);
    const name = times === 1 ? file.name : `${stem(file.name)} (${times})${file.name.slice(stem(file.name).length)}`;
    return { blob: file, name, text: texts.get(stem(file.name)) ?? "" };
  });
}

/** Whether it is worth the browser's while to decode it. */
export const looksLikeSound = (clip) =>
  clip.blob.type.startsWith("audio/") || clip.blob.type.startsWith("video/") || ENDINGS.test(clip.name);

/** The clip with its samples, or with null where the browser cannot read it. */
export const heard = async (clip) => ({ ...clip, sound: looksLikeSound(clip) ? await decode(clip.blob) : null });

/** Why the server would refuse a clip, or null. */
export function refusal(clip, limits) {
  const megabytes = (bytes) => count(bytes / 1e6);
  if (clip.blob.size > limits.max_bytes) {
    return say("tooLarge", { name: clip.name, megabytes: megabytes(clip.blob.size), limit: megabytes(limits.max_bytes) });
  }
  if (clip.sound && clip.sound.seconds > limits.max_seconds + 0.05) {
    return say("tooLong", { name: clip.name, seconds: count(clip.sound.seconds), limit: count(limits.max_seconds) });
  }
  return null;
}

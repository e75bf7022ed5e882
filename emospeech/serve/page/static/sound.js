/** Clips as the browser hears them: for the eye and for playing. What is sent is the file as it is. */

const RATE = 32_000; // Hz: enough for the eye; every browser decodes to it

/** A clip's samples, mono, or null where the browser cannot read it. */
export async function decode(blob) {
  try {
    const context = new OfflineAudioContext(1, 1, RATE);
    const buffer = await context.decodeAudioData(await blob.arrayBuffer());
    return { samples: mono(buffer), rate: buffer.sampleRate, seconds: buffer.duration };
  } catch {
    return null;
  }
}

function mono(buffer) {
  const samples = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const part = buffer.getChannelData(channel);
    for (let k = 0; k < samples.length; k++) samples[k] += part[k] / buffer.numberOfChannels;
  }
  return samples;
}

/** Lowest and highest sample under each of `columns` pixels. */
export function peaks(samples, columns) {
  const low = new Float32Array(columns);
  const high = new Float32Array(columns);
  for (let column = 0; column < columns; column++) {
    const start = Math.floor((column * samples.length) / columns);
    const end = Math.max(start + 1, Math.floor(((column + 1) * samples.length) / columns));
    for (let k = start; k < end && k < samples.length; k++) {
      low[column] = Math.min(low[column], samples[k]);
      high[column] = Math.max(high[column], samples[k]);
    }
  }
  return { low, high };
}

/** Samples as a 16-bit wav file: recordings come without their length, and a player could not seek in them. */
export function asWav({ samples, rate }) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) => [...word].forEach((letter, k) => view.setUint8(at + k, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a frame
  view.setUint16(34, 16, true); // bits
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, k) => view.setInt16(44 + 2 * k, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}

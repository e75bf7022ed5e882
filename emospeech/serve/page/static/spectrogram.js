/** A broad-band spectrogram as phoneticians print it: dark is loud. */

export const TOP = 5000; // Hz
const WINDOW = 0.01; // seconds, of which a Gaussian leaves half: Praat's 5 ms
const RANGE = 60; // dB below the loudest point that are still seen
const PRE_EMPHASIS = 0.97; // +6 dB an octave, as voices fall by that

/** Darkness from 0 to 1, column by column, lowest band first; `bands` of them up to `TOP`. */
export function spectrogram({ samples, rate }, columns) {
  const length = Math.round(WINDOW * rate);
  const size = 2 ** Math.ceil(Math.log2(length));
  const bands = Math.min(size / 2, Math.floor((TOP * size) / rate));
  const window = Float32Array.from({ length }, (_, k) => Math.exp(-12 * ((k + 0.5) / length - 0.5) ** 2));
  const real = new Float32Array(size);
  const imaginary = new Float32Array(size);
  const decibels = new Float32Array(columns * bands);
  for (let column = 0; column < columns; column++) {
    const start = Math.round(((column + 0.5) / columns) * samples.length - length / 2);
    real.fill(0);
    imaginary.fill(0);
    for (let k = 0; k < length; k++) {
      const value = (samples[start + k] ?? 0) - PRE_EMPHASIS * (samples[start + k - 1] ?? 0);
      real[k] = value * window[k];
    }
    transform(real, imaginary);
    for (let band = 0; band < bands; band++) {
      decibels[column * bands + band] = 10 * Math.log10(real[band] ** 2 + imaginary[band] ** 2 + 1e-12);
    }
  }
  const loudest = decibels.reduce((most, value) => Math.max(most, value), -Infinity);
  return { bands, darkness: decibels.map((value) => Math.max(0, 1 + (value - loudest) / RANGE)) };
}

/** Fourier transform in place; the length is a power of two (Cooley and Tukey 1965). */
export function transform(real, imaginary) {
  const size = real.length;
  for (let k = 1, mirrored = 0; k < size; k++) {
    let bit = size >> 1;
    for (; mirrored & bit; bit >>= 1) mirrored ^= bit;
    mirrored ^= bit;
    if (k < mirrored) {
      [real[k], real[mirrored]] = [real[mirrored], real[k]];
      [imaginary[k], imaginary[mirrored]] = [imaginary[mirrored], imaginary[k]];
    }
  }
  for (let half = 1; half < size; half *= 2) {
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos((-Math.PI * k) / half);
      const sine = Math.sin((-Math.PI * k) / half);
      for (let even = k; even < size; even += 2 * half) {
        const odd = even + half;
        const oddReal = real[odd] * cosine - imaginary[odd] * sine;
        const oddImaginary = real[odd] * sine + imaginary[odd] * cosine;
        real[odd] = real[even] - oddReal;
        imaginary[odd] = imaginary[even] - oddImaginary;
        real[even] += oddReal;
        imaginary[even] += oddImaginary;
      }
    }
  }
}

// Numbers as people read them; the unit is always given.

const whole = (x) => Math.round(x).toLocaleString("en-US");
const times = (x) => `${x.toFixed(x < 10 ? 2 : 1)}x`;
const percent = (x, digits = 1) => `${(100 * x).toFixed(digits)}%`;
const plural = (n, word) => `${whole(n)} ${word}${n === 1 ? "" : "s"}`;

/** Three figures and a prefix: 1.58 G. */
function si(x) {
  const units = ["", "k", "M", "G", "T", "P"];
  let unit = 0;
  while (Math.abs(x) >= 999.5 && unit < units.length - 1) {
    x /= 1000;
    unit += 1;
  }
  const text = Number.isInteger(x) && unit === 0 ? String(x) : x.toPrecision(3);
  return unit ? `${text} ${units[unit]}` : text;
}

/** The same without figures that say nothing: 10 k. */
const short = (x) =>
  si(x)
    .replace(/(\.\d*?)0+(?= |$)/, "$1")
    .replace(/\.(?= |$)/, "");

/** Bits as bytes. */
function bytes(bits) {
  let x = bits / 8;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (x < 1024 || unit === "GiB") return `${unit === "B" ? whole(x) : x.toPrecision(x < 1000 ? 3 : 4)} ${unit}`;
    x /= 1024;
  }
  return "";
}

/** Picojoules in a unit that fits. */
function joules(pj) {
  const units = ["pJ", "nJ", "µJ", "mJ", "J"];
  let unit = 0;
  while (pj >= 999.5 && unit < units.length - 1) {
    pj /= 1000;
    unit += 1;
  }
  return `${pj.toPrecision(3)} ${units[unit]}`;
}

/** Round values from 0 (or `low`) to beyond `high`, about `count` of them. */
function ticks(high, count, low = 0) {
  if (!(high > low)) return [low, low + 1];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((m) => m >= rough * 0.999);
  const out = [];
  for (let i = Math.floor(low / step + 1e-9); out.length === 0 || out[out.length - 1] < high * (1 - 1e-9); i += 1) {
    out.push(Number((i * step).toPrecision(12)));
  }
  return out;
}

const sum = (values) => values.reduce((a, b) => a + b, 0);
const greatest = (values, least = 0) => values.reduce((a, b) => Math.max(a, b), least);

/** Colours from dark to light that people of any colour vision see in the same order (cividis). */
const RAMP = ["00224e", "123570", "3b496c", "575d6d", "707173", "8a8678", "a59c74", "c3b369", "e1cc55", "fee838"].map((c) =>
  [0, 2, 4].map((i) => parseInt(c.slice(i, i + 2), 16)),
);

function ramp(part) {
  const at = Math.min(1, Math.max(0, part)) * (RAMP.length - 1);
  const low = Math.min(RAMP.length - 2, Math.floor(at));
  const mixed = RAMP[low].map((c, i) => Math.round(c + (RAMP[low + 1][i] - c) * (at - low)));
  return `rgb(${mixed.join(",")})`;
}

/* Writing a value so that a shell, a compose file or systemd reads that value and nothing else.

   The same text as mosaic.core.quoting writes, which says why; a test holds the two together. */

const MARK = /⟨(\w+)⟩/g;
const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;
const UNPASTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFE\uFFFF]/u;

const escaped = (value, signs) => value.replace(signs, "\\$&");

const quotes = {
  shell: (value) => (PLAIN.test(value) ? value : `'${value.replaceAll("'", `'"'"'`)}'`),
  compose: (value) => escaped(value, /["\\]/g).replaceAll("$", "$$$$"),
  environment_file: (value) => escaped(value, /["\\`$]/g),
};

/** Put the values into the marked places; a line whose place has no value (null) is left out. */
export function fill(text, values, quote) {
  const has = (line) => [...line.matchAll(MARK)].every(([, name]) => (values[name] ?? null) !== null);
  // In one pass: a value that looks like a mark is a value.
  return text.split("\n").filter(has).join("\n").replace(MARK, (_, name) => quotes[quote](values[name]));
}

/** Whether the value has no control characters, line separators, halves of a character or what is none. */
export const isPastable = (value) => !UNPASTABLE.test(value);

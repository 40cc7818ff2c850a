// How inputs are made: from a seed, and for text by changing known inputs a little.

/** The seed of one input: another one for every target and every index. */
export function seedOf(seed, target, index) {
  let hash = seed | 0;
  for (const letter of target) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
}

export const pick = (random, list) => list[random(list.length)];

/** Numbers at which something tends to change. */
export const EDGES = [
  '0',
  '1',
  '-1',
  '31',
  '63',
  '64',
  '255',
  '1023',
  '1048575',
  '1048576',
  '2147483647',
  '2147483648',
  '4294967295',
  '4294967296',
  '9007199254740991',
  '9007199254740992',
  '9223372036854775807',
  '18446744073709551615',
  '99999999999999999999999',
  '00',
  '1e9',
  '0x1f',
  '1.5',
  'NaN',
  'Infinity',
  'max',
];

const TOKENS = [
  ...EDGES,
  ',',
  '-',
  '--',
  ':',
  ' ',
  '\t',
  '\n',
  '\r\n',
  '\0',
  '(',
  ')',
  ') R ',
  'kB',
  ' kB\n',
  '%s%n',
  '\xff',
  '\xc3\xa9',
];

const MAX_TEXT = 1 << 16;

function change(random, text, others) {
  const at = random(text.length + 1);
  const length = random(8) === 0 ? random(text.length + 1) : random(6);
  switch (random(9)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(at + length);
    case 2:
      return text.slice(0, at) + pick(random, TOKENS) + text.slice(at);
    case 3:
      return text.slice(0, at) + pick(random, TOKENS) + text.slice(at + length);
    case 4:
      return text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
    case 5:
      return text.slice(0, at) + text.slice(at, at + length).repeat(1 + random(12)) + text.slice(at + length);
    case 6: {
      const other = pick(random, others);
      return text.slice(0, at) + other.slice(random(other.length + 1));
    }
    case 7: {
      // One of its numbers becomes another one.
      const numbers = [...text.matchAll(/\d+/g)];
      if (numbers.length === 0) return text;
      const { 0: digits, index } = pick(random, numbers);
      return text.slice(0, index) + pick(random, EDGES) + text.slice(index + digits.length);
    }
    default: {
      const lines = text.split('\n');
      const [a, b] = [random(lines.length), random(lines.length)];
      [lines[a], lines[b]] = [lines[b], lines[a]];
      return lines.join('\n');
    }
  }
}

/** A known text (one letter a byte) with one to five changes; sometimes none, sometimes bytes at random. */
export function mutateText(random, corpus) {
  if (random(64) === 0) return String.fromCharCode(...Array.from({ length: random(200) }, () => random(256)));
  let text = pick(random, corpus);
  for (let changes = random(6); changes > 0; changes--) text = change(random, text, corpus);
  return text.slice(0, MAX_TEXT);
}

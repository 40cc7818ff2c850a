// What the suite has seen, for people: collected here and printed at its end.
const lines = [];

export const MiB = (pages) => `${(pages / 256).toFixed(1)} MiB`;

export function say(line) {
  lines.push(line);
}

export function printReport() {
  console.log(`\n${lines.join('\n')}`);
}

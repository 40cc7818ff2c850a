export interface FakeElf {
  /** e_machine: 62 is x86-64, 183 aarch64. */
  machine: number;
  needed: string[];
}

/** A shared library with nothing in it but headers and the names of the libraries it asks for; elf(5). */
export function fakeElf({ machine, needed }: FakeElf): Buffer {
  const strings = Buffer.from(`\0${needed.join('\0')}\0`, 'latin1');
  const headers = 64 + 2 * 56;
  const stringsAt = headers;
  const dynamicAt = Math.ceil((stringsAt + strings.length) / 8) * 8;
  const dynamicBytes = (needed.length + 2) * 16;
  const sectionsAt = dynamicAt + dynamicBytes;
  const file = Buffer.alloc(sectionsAt + 64);
  const long = (value: number, at: number) => file.writeBigUInt64LE(BigInt(value), at);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(3, 16);
  file.writeUInt16LE(machine, 18);
  long(64, 32);
  long(sectionsAt, 40);
  for (const [at, value] of [
    [52, 64],
    [54, 56],
    [56, 2],
    [58, 64],
    [60, 1],
  ] as const) {
    file.writeUInt16LE(value, at);
  }
  const segment = (at: number, type: number, offset: number, bytes: number) => {
    file.writeUInt32LE(type, at);
    long(offset, at + 8);
    // Addresses are elsewhere than offsets.
    long(offset + 0x1000, at + 16);
    long(bytes, at + 32);
  };
  segment(64, 1, 0, sectionsAt);
  segment(64 + 56, 2, dynamicAt, dynamicBytes);
  strings.copy(file, stringsAt);
  const entries = [
    ...needed.map((name) => [1, strings.indexOf(`\0${name}\0`, 0, 'latin1') + 1]),
    [5, stringsAt + 0x1000],
  ];
  entries.forEach(([tag, value], index) => {
    long(tag!, dynamicAt + index * 16);
    long(value!, dynamicAt + index * 16 + 8);
  });
  return file;
}

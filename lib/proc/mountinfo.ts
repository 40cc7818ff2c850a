/**
 * @param text a path as mountinfo has it: with space, tab, newline and backslash as three octal digits.
 * @returns the path. Source: proc_pid_mountinfo(5).
 */
export function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

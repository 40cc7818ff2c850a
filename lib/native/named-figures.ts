/**
 * Names the figures that the addon returns in a fixed order.
 *
 * @param at where the first of them is.
 */
export function namedFigures<Name extends string>(
  names: readonly Name[],
  figures: Float64Array,
  at = 0,
): Record<Name, number> {
  return Object.fromEntries(names.map((name, index) => [name, figures[at + index]])) as Record<Name, number>;
}

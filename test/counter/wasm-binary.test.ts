import binaryen from 'binaryen';
import { describe, expect, it } from 'vitest';
import { HOT_PATH_BASE64 } from '../../lib/counter/wasm/hot-path-binary.js';

// V8 stops a thread that is being terminated at loops and at calls. A worker must not be stopped within an add: once the
// leaf has its new value, the carries have to follow.

/** The text form of WebAssembly as nested lists: `(i32.add (local.get $0) (i32.const 1))`. */
type Expression = string | Expression[];

function parse(text: string): Expression[] {
  const stack: Expression[][] = [[]];
  for (const token of text.match(/\(|\)|[^\s()]+/g) ?? []) {
    if (token === '(') stack.push([]);
    else if (token === ')') stack.at(-2)!.push(stack.pop()!);
    else stack.at(-1)!.push(token);
  }
  return stack[0]!;
}

/** Where V8 can stop a thread, or a thread can stop itself, wherever it stands. */
const NEVER = /^(loop|call_indirect|call_ref|return_call.*|throw.*|try.*|memory\.grow|memory\.atomic\.wait.*)$/;

/** Follows all paths through a function, in the order of execution. */
class Paths {
  readonly violations: string[] = [];
  atomicAdds = 0;
  /** By label: whether a jump there comes from behind an atomic add. */
  readonly #jumps = new Map<string, boolean>();

  /** @returns whether memory may have been changed when `expression` is done; `changed`: when it begins. */
  follow(expression: Expression, changed: boolean): boolean {
    if (typeof expression === 'string') return changed;
    const [operator, ...operands] = expression;
    if (typeof operator !== 'string') return this.#followAll(expression, changed);
    if (NEVER.test(operator)) this.violations.push(operator);
    switch (operator) {
      case 'if':
        return this.#followIf(operands, changed);
      case 'block': {
        const after = this.#followAll(operands, changed);
        const jumped = this.#jumps.get(String(operands[0])) ?? false;
        return after || jumped;
      }
      case 'br':
      case 'br_if': {
        const after = this.#followAll(operands, changed);
        const label = String(operands[0]);
        this.#jumps.set(label, after || (this.#jumps.get(label) ?? false));
        return operator === 'br_if' && after;
      }
      case 'return':
      case 'unreachable':
        this.#followAll(operands, changed);
        return false;
      case 'call': {
        const after = this.#followAll(operands, changed);
        if (after) this.violations.push('call after a change');
        return after;
      }
      default: {
        const after = this.#followAll(operands, changed);
        if (!/^i\d+\.(atomic\.(rmw|store)|store)/.test(operator)) return after;
        if (operator.includes('atomic.rmw')) this.atomicAdds++;
        return true;
      }
    }
  }

  #followAll(expressions: Expression[], changed: boolean): boolean {
    return expressions.reduce<boolean>((state, expression) => this.follow(expression, state), changed);
  }

  #followIf(operands: Expression[], changed: boolean): boolean {
    const isArm = (operand: Expression) => operand[0] === 'then' || operand[0] === 'else';
    const afterCondition = this.#followAll(
      operands.filter((operand) => !isArm(operand)),
      changed,
    );
    const arms = operands.filter(isArm).map((arm) => this.#followAll(arm.slice(1) as Expression[], afterCondition));
    // Without an else the condition alone is a path as well.
    return arms.some(Boolean) || (arms.length < 2 && afterCondition);
  }
}

function follow(text: string): Paths {
  const paths = new Paths();
  for (const expression of parse(text)) paths.follow(expression, false);
  return paths;
}

const wasm = binaryen.readBinary(Buffer.from(HOT_PATH_BASE64, 'base64'));

function textOf(name: string): string {
  const { value } = binaryen.getExportInfo(wasm.getExport(name));
  return binaryen.emitText(binaryen.getFunctionInfo(wasm.getFunction(value)).body);
}

describe('the WebAssembly of the hot path', () => {
  it.each(['add', 'addOn'])('%s: no loop, and no call once the leaf has changed', (name) => {
    const { violations, atomicAdds } = follow(textOf(name));
    expect(violations).toEqual([]);
    // The leaf, an item on each of the four levels below the root, the root.
    expect(atomicAdds).toBe(6);
  });

  it('is checked by something that finds loops and calls', () => {
    expect(follow(textOf('clear')).violations).toContain('loop');
    const add = '(drop (i64.atomic.rmw.add $m (local.get $0) (local.get $1)))';
    expect(follow(`(block $b (call $f) ${add})`).violations).toEqual([]);
    expect(follow(`(block $b ${add} (call $f))`).violations).toEqual(['call after a change']);
    expect(follow(`(block $b (if (local.get $0) (then ${add}) (else (call $f))))`).violations).toEqual([]);
    expect(follow(`(block $b (if (local.get $0) (then ${add})) (call $f))`).violations).toHaveLength(1);
    expect(follow(`(block (block $b ${add} (br $b)) (call $f))`).violations).toHaveLength(1);
    expect(
      follow(`(block (block $b (if (local.get $0) (then ${add} (br $b))) (return)) (call $f))`).violations,
    ).toHaveLength(1);
  });
});

/** The part of `node:test` that the tests of the client need, in a page: it collects them, and the host runs each by its name. */
type Body = () => unknown;

const tests: Map<string, Body> = new Map();

export function test(name: string, ...rest: readonly unknown[]): void {
  tests.set(name, rest.at(-1) as Body);
}

/** Their names. */
export function names(): string[] {
  return [...tests.keys()];
}

export async function runTest(name: string): Promise<void> {
  await tests.get(name)?.();
}

import { ATTACKS, ELSEWHERE, NOT_OURS } from "./threats.ts";

interface Row {
  readonly id: string;
  readonly cells: readonly string[];
}

/** docs/security.md as the tests prove it; `node tools/security-table.ts` writes it. */
export function securityPage(): string {
  const proved: Row[] = [
    ...ATTACKS.map(({ id, title, answer }) => ({ id, cells: [title, answer, "`test/security/threats.test.ts`"] })),
    ...ELSEWHERE.map(({ id, title, answer, file }) => ({ id, cells: [title, answer, `\`${file}\``] })),
  ];
  const others: Row[] = NOT_OURS.map(({ id, title, why }) => ({ id, cells: [title, why] }));
  return [
    "# Attacks and their answers",
    "",
    "Written by `node tools/security-table.ts` from the tables that the tests run; a test compares. Each answer is the same on",
    "Node, Bun and Deno served by `serve`, but where the row says otherwise. After each attack a new client gets its echo, and at",
    "the end the memory is back.",
    "",
    "## Proved by a test",
    "",
    ...table(["", "attack", "answer", "proved in"], proved),
    "",
    "## Not answered here",
    "",
    ...table(["", "threat", "why"], others),
    "",
  ].join("\n");
}

function table(head: readonly string[], rows: readonly Row[]): string[] {
  const sorted = rows.toSorted((one, other) => Number(one.id.slice(1)) - Number(other.id.slice(1)));
  const lines = [head, ...sorted.map(({ id, cells }) => [id, ...cells])];
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)));
  const [first = "", ...rest] = lines.map((line) =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  );
  return [first, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rest];
}

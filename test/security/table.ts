import type { Runtime } from "../kit/runtime.ts";
import { ATTACKS, ELSEWHERE, NOT_OURS } from "./threats.ts";

interface Row {
  readonly id: string;
  readonly cells: readonly string[];
}

const RUNTIMES: readonly (readonly [Runtime, string])[] = [["node", "Node"], ["bun", "Bun"], ["deno", "Deno"]];

/** docs/security.md as the tests prove it; `node tools/security-table.ts` writes it. */
export function securityPage(): string {
  const proved: Row[] = [
    ...ATTACKS.map(({ id, title, answer, differs }) => ({
      id,
      cells: [title, `${answer}${differs ? `; on ${nameOf(differs.on)} ${differs.how}` : ""}`, THREATS_FILE],
    })),
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
    ...table(["", "attack", "answer", "proved in"], inOrder(proved)),
    "",
    "## Not answered here",
    "",
    ...table(["", "threat", "why"], inOrder(others)),
    "",
  ].join("\n");
}

const THREATS_FILE = "`test/security/threats.test.ts`";

/** What the list of threats is about, with the first id after it. */
const PARTS: readonly (readonly [what: string, before: number])[] = [
  ["the handshake", 20],
  ["frames and messages", 40],
  ["ids, the storage, the nodes", 60],
  ["HTTP/2 of the RPC port", 100],
];

/** The table of README.md: how many attacks each runtime answers, counted from the tables that the tests run. */
export function supportTable(): string {
  let from = 0;
  const rows = PARTS.map(([what, before]) => {
    const within = ({ id }: { id: string }): boolean => Number(id.slice(1)) >= from && Number(id.slice(1)) < before;
    const proved = [...ATTACKS, ...ELSEWHERE].filter(within);
    const differing = ATTACKS.filter(within).filter(({ differs }) => differs !== undefined);
    const others = NOT_OURS.filter(within).map(({ id }) => id);
    from = before;
    return [
      what,
      ...RUNTIMES.map(([name]) =>
        String(proved.length - differing.filter(({ differs }) => differs?.on === name).length)
      ),
      differing.map(({ id, differs }) => differs ? `${id}: on ${nameOf(differs.on)} ${differs.how}` : "").join("; "),
      others.join(", "),
    ];
  });
  const head = ["attacks on", ...RUNTIMES.map(([, title]) => title), "answered otherwise", "not ours"];
  return table(head, rows).join("\n");
}

function nameOf(runtime: Runtime): string {
  return RUNTIMES.find(([name]) => name === runtime)?.[1] ?? runtime;
}

function inOrder(rows: readonly Row[]): string[][] {
  const sorted = rows.toSorted((one, other) => Number(one.id.slice(1)) - Number(other.id.slice(1)));
  return sorted.map(({ id, cells }) => [id, ...cells]);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => line[column]?.length ?? 0)));
  const [first = "", ...rest] = lines.map((line) =>
    `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  );
  return [first, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rest];
}

const START = "<!-- attacks: written by tools/security-table.ts -->";
const END = "<!-- /attacks -->";

/** README.md with the table of now. */
export function withSupportTable(readme: string): string {
  const [start, end] = [readme.indexOf(START), readme.indexOf(END)];
  if (start < 0 || end < start) throw new Error("README.md has no place for the table of attacks");
  return `${readme.slice(0, start + START.length)}\n\n${supportTable()}\n\n${readme.slice(end)}`;
}

import { withPart } from "../../tools/marked.ts";
import type { Runtime } from "../kit/runtime.ts";
import { ATTACKS, ELSEWHERE, NOT_OURS } from "./threats.ts";

interface Row {
  readonly id: string;
  readonly cells: readonly string[];
}

const RUNTIMES: readonly (readonly [Runtime, string])[] = [["node", "Node"], ["bun", "Bun"], ["deno", "Deno"]];

/** docs/security.md with the tables of now; `node tools/security-table.ts` writes it. */
export function securityPage(page: string): string {
  const counted = withPart(page, "attacks", supportTable());
  return withPart(withPart(counted, "proved", provedTable()), "others", othersTable());
}

function provedTable(): string {
  const rows: Row[] = [
    ...ATTACKS.map(({ id, title, answer, differs }) => ({
      id,
      cells: [title, `${answer}${differs ? `; on ${nameOf(differs.on)} ${differs.how}` : ""}`, THREATS_FILE],
    })),
    ...ELSEWHERE.map(({ id, title, answer, file }) => ({ id, cells: [title, answer, `\`${file}\``] })),
  ];
  return table(["", "attack", "answer", "proved in"], inOrder(rows)).join("\n");
}

function othersTable(): string {
  const rows: Row[] = NOT_OURS.map(({ id, title, why }) => ({ id, cells: [title, why] }));
  return table(["", "threat", "why"], inOrder(rows)).join("\n");
}

const THREATS_FILE = "`test/security/threats.test.ts`";

/** The parts of the list of threats, each with the first id after it. */
const PARTS: readonly (readonly [what: string, before: number])[] = [
  ["the handshake", 20],
  ["frames and messages", 40],
  ["ids, the storage, the nodes", 60],
  ["HTTP/2 of the RPC port", 70],
  ["the subprotocol meshsocket.v1", 100],
];

/** How many attacks each runtime answers, counted from the tables that the tests run. */
function supportTable(): string {
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

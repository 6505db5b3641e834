import { withPart } from "../../tools/marked.ts";
import { ELSEWHERE, WRONG_CLUSTERS } from "./wrong-clusters.ts";

/** docs/wrong-clusters.md with the table of now; `node tools/wrong-clusters-table.ts` writes it. */
export function wrongClustersPage(page: string): string {
  const rows = [
    ...WRONG_CLUSTERS.map(({ title, state, line, results }) => [title, state, shown(line), results]),
    ...ELSEWHERE.map(({ title, state, line, results }) => [title, state, shown(line), results]),
  ];
  return withPart(page, "wrong", table(["what is wrong", "the nodes", "the line", "results meanwhile"], rows));
}

/** Whether a line is one of the table's, in which HOST is any address and N any number. */
export function lineMatches(line: string | readonly string[], seen: string): boolean {
  return [line].flat().some((one) => {
    const pattern = one.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&").replaceAll("…", ".*");
    return new RegExp(`^${pattern.replace(/\bHOST\b/g, "[\\w.:[\\]-]+:\\d+").replace(/\bN\b/g, "\\d+")}$`).test(seen);
  });
}

function shown(line: string | readonly string[]): string {
  return [line].flat().filter((one) => one !== "").map((one) => `\`${one}\``).join(" or ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((cells) => cells[column]?.length ?? 0)));
  const [first = "", ...rest] = all.map((cells) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  );
  return [first, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rest].join("\n");
}

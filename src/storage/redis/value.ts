import type { Claimed, Entry, Holder } from "../storage.ts";

/** The value of an id's key: its holder, and the living holder it replaced. */
export interface RedisEntry extends Entry {
  readonly replaced: Entry | undefined;
}

const ENTRY = /^(\S+) (\d+) (\S+)(?: (\S+) (\d+) (\S+))?$/;

/** Reads a value of the connections hash; undefined for the empty text and for a value that is not ours. */
export function parseEntry(value: string): RedisEntry | undefined {
  const [, life, claim, host, oldLife, oldClaim, oldHost] = ENTRY.exec(value) ?? [];
  if (life === undefined || claim === undefined || host === undefined) return undefined;
  const replaced = oldLife !== undefined && oldClaim !== undefined && oldHost !== undefined
    ? { host: oldHost, life: oldLife, claim: BigInt(oldClaim) }
    : undefined;
  return { host, life, claim: BigInt(claim), replaced };
}

/** Whether a text is the value of an id: empty if nobody has it. */
export function fitsEntry(value: string): boolean {
  return value === "" || ENTRY.test(value);
}

/** Whether a text is `life host`. */
export function fitsHolder(text: string): boolean {
  return /^\S+ \S+$/.test(text);
}

/** The part of an entry that others may see. */
export function publicEntry({ host, life, claim }: Entry): Entry {
  return { host, life, claim };
}

/** Reads `life host`. */
export function parseHolder(text: string): Holder {
  const space = text.indexOf(" ");
  return { host: text.slice(space + 1), life: text.slice(0, space) };
}

/** Reads one line of a claim's answer: the claim's number or `-`, then the previous holder, if there was a living one. */
export function parseClaimed(text: string): Claimed {
  const [claim = "-", life, number, host] = text.split(" ");
  const previous = life && number !== undefined && host !== undefined
    ? { host, life, claim: BigInt(number) }
    : undefined;
  return { claim: claim === "-" ? undefined : BigInt(claim), previous };
}

/** A claim whose answer was lost, but which took effect: its first claim has the number after `base`. */
export interface LostClaim extends Holder {
  readonly ifAbsent: boolean;
  readonly base: bigint;
}

/** The answer that was lost, made again from the values of the ids now. */
export function recallClaims(ids: readonly string[], values: readonly string[], lost: LostClaim): Claimed[] {
  const before = new Map<string, Entry>();
  return ids.map((id, index) => {
    const claim = lost.base + BigInt(index + 1);
    const entry = parseEntry(values[index] ?? "");
    const ours = entry?.life === lost.life && entry.claim > lost.base && entry.claim <= lost.base + BigInt(ids.length);
    if (!ours) {
      // With ifAbsent: refused, or taken since, which is the same to the caller. Else taken since, by a claim that was told of ours.
      return lost.ifAbsent
        ? { claim: undefined, previous: entry && publicEntry(entry) }
        : { claim, previous: undefined };
    }
    const previous = before.get(id) ?? entry.replaced;
    before.set(id, { host: lost.host, life: lost.life, claim });
    return { claim, previous };
  });
}

/** At most this many items in one script call, so that no call holds up the server. */
export const SCRIPT_ITEMS = 500;
const SCRIPT_CHARS = 262_144;

/** Cuts items into slices that one script call may carry; `text` is the part of an item that can be long. */
export function scriptSlices<T>(items: readonly T[], text: (item: T) => string): T[][] {
  const slices: T[][] = [];
  let chars = Infinity;
  for (const item of items) {
    const size = text(item).length;
    const current = slices.at(-1);
    if (current === undefined || current.length === SCRIPT_ITEMS || chars + size > SCRIPT_CHARS) {
      slices.push([item]);
      chars = size;
    } else {
      current.push(item);
      chars += size;
    }
  }
  return slices;
}

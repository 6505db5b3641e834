import { utf8Bytes } from "../base/check/check.ts";
import { fromJson, type Json } from "../base/json.ts";
import type { Members, MembersOptions } from "./verbs.ts";

/** Members from ids with their infos as JSON in a list of the same order; an id that is listed twice counts once. */
export function membersOf(
  ids: readonly string[],
  infos: readonly string[],
  unreachable: readonly string[],
  { info }: MembersOptions,
): Members {
  const unique = [...new Set(ids)];
  if (!info) return { ids: unique, unreachable };
  const byId = new Map<string, Json>();
  for (const [index, id] of ids.entries()) {
    const value = fromJson(infos[index] ?? "");
    if (value !== undefined) byId.set(id, value);
  }
  return { ids: unique, unreachable, infos: byId };
}

/** The members of this node and those of others; an id that moves between them meanwhile counts once. */
export function addMembers(local: Members, remote: Members, options: MembersOptions): Members {
  const ids = [...new Set([...local.ids, ...remote.ids])];
  const { unreachable } = remote;
  if (!options.info) return { ids, unreachable };
  return { ids, unreachable, infos: new Map([...(remote.infos ?? []), ...(local.infos ?? [])]) };
}

/** About how long a member is in an answer. */
export function memberBytes(id: string, info: string): number {
  return utf8Bytes(id) + utf8Bytes(info) + 8;
}

/** In which of so many parts an id stands: the same on every node (FNV-1a of its UTF-16 units). */
export function partOf(id: string, parts: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
  return (hash >>> 0) % parts;
}

import { MemoryStorage } from "../../src/storage/memory.ts";
import type { Entry, Holder, IdEntry } from "../../src/storage/storage.ts";

/** A storage that counts its commands and can hold releases back. */
export class WatchedStorage extends MemoryStorage {
  readonly commands: string[] = [];
  releases: Promise<void> = Promise.resolve();

  override async get(ids: readonly string[]): Promise<(Entry | undefined)[]> {
    this.commands.push("get");
    return await super.get(ids);
  }

  override async subscribe(topic: string, holder: Holder): Promise<Holder[]> {
    this.commands.push("subscribe");
    return await super.subscribe(topic, holder);
  }

  override async subscribers(topic: string, publisher?: Holder): Promise<Holder[]> {
    this.commands.push("subscribers");
    return await super.subscribers(topic, publisher);
  }

  override async del(entries: readonly Pick<IdEntry, "id" | "life" | "claim">[]): Promise<boolean[]> {
    await this.releases;
    return await super.del(entries);
  }
}

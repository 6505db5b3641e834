import type { TestRedis } from "./redis.ts";

const SNAPSHOT =
  `for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('COPY', key, 'snapshot ' .. key, 'REPLACE') end`;
const REWIND = `
for _, key in ipairs(redis.call('KEYS', '*')) do if string.sub(key, 1, 9) ~= 'snapshot ' then redis.call('DEL', key) end end
for _, key in ipairs(redis.call('KEYS', 'snapshot *')) do redis.call('RENAME', key, string.sub(key, 10)) end`;

/**
 * Remembers what a Redis holds now; the returned function makes it hold that again.
 *
 * So it lost its last writes, as after a failover to an asynchronous replica, or a restored backup.
 */
export async function snapshotOf(redis: TestRedis): Promise<() => Promise<void>> {
  await redis.command("EVAL", SNAPSHOT, "0");
  return async () => {
    await redis.command("EVAL", REWIND, "0");
  };
}

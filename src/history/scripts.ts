/**
 * The Lua that RedisHistory runs: static text, data only in KEYS and ARGV, every key in one slot. Redis 6.2 or later.
 *
 * A topic has two keys that people read, and two for its idempotency keys:
 *
 * - `{prefix}:topic:<topic>`: a hash with the epoch, the offset of the last message, the bytes and the milliseconds of the window, and the
 *   run of the server that wrote it. It outlives the messages.
 * - `{prefix}:messages:<topic>`: a stream. `XRANGE '{websocket}:messages:room:1' - +` shows it: the id of a message is its offset, its
 *   fields are `text` or `base64`, then `at` (ms since 1970) and `key` if it has one.
 * - `{prefix}:keys:<topic>`: a hash from key to offset, and `{prefix}:keyed:<topic>`: a sorted set of the same.
 *
 * A server that lost its newest writes would give the same offset twice. So the epoch ends with the run of the server as primary (a restart, a
 * failover and a failover back begin another, and so does the first replica of a server that had none), and when a caller has seen a later offset than the server has.
 */

/**
 * `run()`: the name of the time for which this server is the primary: that of its replication, which another primary never has, nor the same
 * one if it was a replica meanwhile; of a server without one the name of its process.
 */
const RUN = `
local function field(section, pattern)
  local info = redis.pcall('INFO', section)
  return type(info) == 'string' and string.match(info, pattern)
end
local function run()
  return field('replication', '\\nmaster_replid:(%w+)') or field('server', '\\nrun_id:(%w+)') or ''
end
`;

/**
 * `now` and `open(fresh, seen epoch, seen offset)`: the epoch, last offset, bytes and window of the topic, after the start of
 * another epoch if continuity cannot be proved. KEYS[1] to KEYS[4] are the topic's keys in every script.
 */
const OPEN = `${RUN}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function number(value) return string.format('%.0f', value) end
local function open(fresh, seenEpoch, seenOffset)
  local found = redis.call('HMGET', KEYS[1], 'epoch', 'offset', 'bytes', 'ms', 'run')
  local offset, server = tonumber(found[2] or ''), run()
  if not found[1] or not offset then
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
    redis.call('HSET', KEYS[1], 'epoch', fresh, 'offset', '0', 'bytes', '0', 'ms', '0', 'run', server)
    return fresh, 0, 0, 0
  end
  local epoch = found[1]
  if found[5] ~= server or (epoch == seenEpoch and offset < tonumber(seenOffset)) then
    epoch = fresh
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'run', server)
  end
  return epoch, offset, tonumber(found[3]) or 0, tonumber(found[4]) or 0
end
`;

/** `trim(…)`: drops the oldest messages until count, bytes and age fit. Answers the bytes that are left. */
const TRIM = `
local function size(fields)
  if fields[1] == 'text' then return #fields[2] end
  local padding = string.match(fields[2], '=*$')
  return #fields[2] / 4 * 3 - #padding
end
local function trim(bytes, maxMessages, maxBytes, maxMs)
  local count = redis.call('XLEN', KEYS[2])
  local start, cut, fits = '-', nil, false
  while count > 0 and not fits do
    local over = math.min(64, math.max(1, count - maxMessages + 1))
    local page = redis.call('XRANGE', KEYS[2], start, '+', 'COUNT', over)
    if #page == 0 then break end
    for _, message in ipairs(page) do
      local fields = message[2]
      fits = count <= maxMessages and bytes <= maxBytes and tonumber(fields[4]) + maxMs > now
      if fits then break end
      count, bytes, cut = count - 1, bytes - size(fields), message[1]
    end
    start = '(' .. page[#page][1]
  end
  if count == 0 then
    redis.call('DEL', KEYS[2])
    return 0
  end
  if cut then redis.call('XTRIM', KEYS[2], 'MINID', '=', string.match(cut, '%d+') .. '-1') end
  return bytes
end
`;

/**
 * KEYS: topic, messages, keys, keyed, call.
 * ARGV: a random epoch, seen epoch, seen offset, ms to remember the topic, window's messages, ms and bytes, most keys, ms to remember keys,
 * ms to remember the call, then each message as `t` and a text, or `b` and base64; with a key as `T` or `B`, the length of the key, `:`, the key, and the
 * text or base64.
 * Answers `{"ok", epoch, first-last}`; if a message has a key, `{"ok", epoch, offset…}`, with `=` before the offset of a message that its key repeats; or
 * `{"again"}` if this call ran before.
 */
const append = `-- meshsocket history append
${OPEN}${TRIM}
if redis.call('EXISTS', KEYS[5]) == 1 then return {'again'} end
local epoch, offset, bytes = open(ARGV[1], ARGV[2], ARGV[3])
if redis.call('EXISTS', KEYS[2]) == 0 then bytes = 0 end
local first, at, ready = offset + 1, number(now), false
local function add(id, kind, data, key)
  local added
  if ready then
    added = key and redis.call('XADD', KEYS[2], id, kind, data, 'at', at, 'key', key)
      or redis.call('XADD', KEYS[2], id, kind, data, 'at', at)
  else
    added = key and redis.pcall('XADD', KEYS[2], id, kind, data, 'at', at, 'key', key)
      or redis.pcall('XADD', KEYS[2], id, kind, data, 'at', at)
    ready = true
  end
  return added
end
local answer, keyed = {}, false
for index = 11, #ARGV do
  local form = ARGV[index]
  local mark, data, key, earlier = string.byte(form), nil, nil, nil
  if mark >= 97 then
    data = string.sub(form, 2)
  else
    local colon = string.find(form, ':', 1, true)
    local keyEnd = colon + tonumber(string.sub(form, 2, colon - 1))
    key, data = string.sub(form, colon + 1, keyEnd), string.sub(form, keyEnd + 1)
    mark, keyed = mark + 32, true
    earlier = redis.call('HGET', KEYS[3], key)
  end
  if earlier then
    answer[#answer + 1] = '=' .. earlier
  else
    offset = offset + 1
    local place = number(offset)
    local kind = mark == 116 and 'text' or 'base64'
    if key then
      redis.call('HSET', KEYS[3], key, place)
      redis.call('ZADD', KEYS[4], offset, key)
    end
    local added = add(place .. '-0', kind, data, key)
    if type(added) == 'table' and added.err then
      if not string.find(added.err, 'equal or smaller') then return redis.error_reply(added.err) end
      -- Somebody wrote to the stream, or restored it without the topic's hash.
      redis.call('DEL', KEYS[2])
      epoch, bytes = ARGV[1], 0
      add(place .. '-0', kind, data, key)
    end
    bytes = bytes + (mark == 116 and #data or size({kind, data}))
    answer[#answer + 1] = place
  end
end
bytes = trim(bytes, tonumber(ARGV[5]), tonumber(ARGV[7]), tonumber(ARGV[6]))
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('HSET', KEYS[1], 'epoch', epoch, 'offset', number(offset), 'bytes', number(bytes), 'ms', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if keyed then
  local over = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[8])
  if over > 0 then
    for _, key in ipairs(redis.call('ZRANGE', KEYS[4], 0, over - 1)) do redis.call('HDEL', KEYS[3], key) end
    redis.call('ZREMRANGEBYRANK', KEYS[4], 0, over - 1)
  end
  redis.call('PEXPIRE', KEYS[3], ARGV[9])
  redis.call('PEXPIRE', KEYS[4], ARGV[9])
else
  answer = {number(first) .. '-' .. number(offset)}
end
redis.call('SET', KEYS[5], epoch .. ' ' .. table.concat(answer, ' '), 'PX', ARGV[10])
table.insert(answer, 1, 'ok')
table.insert(answer, 2, epoch)
return answer
`;

/**
 * KEYS: call, topic. ARGV: ms to remember the call, seen epoch.
 * Answers the epoch and the offsets of a call, or "void" if it did not run, and then it never will on this server; and "1" if the topic still
 * is what the caller saw, in this run of the server, so that the call went to no other.
 */
const settle = `-- meshsocket history settle
${RUN}
redis.call('SET', KEYS[1], 'void', 'NX', 'PX', ARGV[1])
local found = redis.call('HMGET', KEYS[2], 'epoch', 'run')
local same = found[1] == ARGV[2] and found[2] == run()
return {redis.call('GET', KEYS[1]), same and '1' or '0'}
`;

/**
 * KEYS: topic, messages, keys, keyed.
 * ARGV: a random epoch, seen epoch, seen offset, ms to remember the topic, "all", "last", "ms" or "after", the number that goes with it,
 * the epoch of a position, the last offset or "", most messages, most bytes, "1" for newest first.
 * Answers `{epoch, last offset, recovered, more}`, then offset, ms, "text" or "base64", data, and key or "" of each message.
 */
const read = `-- meshsocket history read
${OPEN}${TRIM}
local epoch, last, bytes, windowMs = open(ARGV[1], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local left = trim(bytes, math.huge, math.huge, windowMs)
-- Refused by a full server, which must still be read; the next append counts again.
if left ~= bytes then redis.pcall('HSET', KEYS[1], 'bytes', number(left)) end
local function at(offset)
  local id = number(offset) .. '-0'
  local found = redis.call('XRANGE', KEYS[2], id, id)
  return found[1] and tonumber(found[1][2][4]) or 0
end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local first = oldest[1] and tonumber(string.match(oldest[1][1], '%d+')) or last + 1
local mode, amount = ARGV[5], tonumber(ARGV[6])
local after, recovered = 0, true
if mode == 'last' then
  after = math.max(0, last - amount)
elseif mode == 'ms' then
  local low, high = first, last + 1
  while low < high do
    local middle = math.floor((low + high) / 2)
    if at(middle) > now - amount then high = middle else low = middle + 1 end
  end
  after = low - 1
elseif mode == 'after' then
  recovered = ARGV[7] == epoch and amount <= last and amount + 1 >= first
  if ARGV[7] == epoch then after = math.min(amount, last) end
end
local to = ARGV[8] == '' and last or math.min(tonumber(ARGV[8]), last)
local limit, maxBytes, reverse = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11] == '1'
local answer, count, total, more = {epoch, number(last), '', ''}, 0, 0, false
local low, high = math.max(after + 1, first), to
while low <= high and limit > 0 and not more do
  local from, till = number(low) .. '-0', number(high) .. '-0'
  local page = reverse and redis.call('XREVRANGE', KEYS[2], till, from, 'COUNT', 16)
    or redis.call('XRANGE', KEYS[2], from, till, 'COUNT', 16)
  if #page == 0 then
    recovered = false
    break
  end
  for _, message in ipairs(page) do
    local offset, fields = tonumber(string.match(message[1], '%d+')), message[2]
    if offset ~= (reverse and high or low) then recovered = false end
    if reverse then high = offset - 1 else low = offset + 1 end
    total = total + #fields[2]
    more = count == limit or (count > 0 and total > maxBytes)
    if more then break end
    count = count + 1
    for _, value in ipairs({number(offset), fields[4], fields[1], fields[2], fields[6] or ''}) do
      answer[#answer + 1] = value
    end
  end
end
answer[3], answer[4] = recovered and '1' or '0', more and '1' or '0'
return answer
`;

/** KEYS: topic, messages, keys, keyed. Forgets the topic. */
const clear = `-- meshsocket history clear
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return {}
`;

/** Every script by its name. */
export const HISTORY_SCRIPTS: Readonly<Record<"append" | "settle" | "read" | "clear", string>> = {
  append,
  settle,
  read,
  clear,
};

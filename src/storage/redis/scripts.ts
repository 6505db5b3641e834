/**
 * The Lua that RedisStorage runs: static text, data only in KEYS and ARGV, every key in one slot.
 *
 * A value of the connections hash is `life claim host`, followed by ` life claim host` of the living holder that this claim
 * replaced, if there was one. A member of the leases is `life host`, its score the lease's end in ms of the server's clock;
 * score 0 says that a newer life of the same host ended it. A member of the topics is `bytes:topic` followed by `life host`.
 *
 * Networks repeat requests (Deno's fetch does when a reused connection breaks), so that each `set` leaves its claim numbers under a
 * key of its own for a while: a second run of the same call, even much later, changes nothing.
 */

/** `now` in ms of the server's clock, and whether a holder lives: `lives("life host")`. The leases are KEYS[1] in every script. */
const CLOCK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = {}
local function lives(holder)
  if known[holder] == nil then
    local ends = redis.call('ZSCORE', KEYS[1], holder)
    known[holder] = (ends and tonumber(ends) > now) and true or false
  end
  return known[holder]
end
`;

/** `entry(value)`: life, claim, host and the rest of a connection's value; nothing for a value that is not ours. */
const ENTRY = `
local function entry(value)
  if not value then return nil end
  return string.match(value, '^(%S+) (%d+) (%S+)(.*)$')
end
`;

/** `start(topic)`: the beginning of the members of a topic; `holders(key, topic)`: "ok", then its living holders. */
const TOPIC = `
local function start(topic) return #topic .. ':' .. topic end
local function holders(key, topic)
  local head = start(topic)
  local found = {'ok'}
  for _, member in ipairs(redis.call('ZRANGEBYLEX', key, '[' .. head, '(' .. head .. '\\255')) do
    local holder = string.sub(member, #head + 1)
    if lives(holder) then found[#found + 1] = holder end
  end
  return found
end
`;

/**
 * KEYS: leases, connections, meta, held of the life, call.
 * ARGV: life, host, "1" for ifAbsent, ms to remember the call, the latest time to run at (ms, 0: any), ids.
 * Answers `{"ok", claim and previous of each id…}`, `{"no lease"}`, `{"again"}` if this call ran before, or `{"late", now}`.
 * A claim's number is the larger of the counter and the clock in microseconds, so that claims keep growing when the store
 * was wiped or lost its last writes.
 */
const set = `-- meshsocket set
${CLOCK}${ENTRY}
local life, host, absent, latest = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[5])
if latest > 0 and now > latest then return {'late', string.format('%.0f', now)} end
if redis.call('EXISTS', KEYS[5]) == 1 then return {'again'} end
if not lives(life .. ' ' .. host) then return {'no lease'} end
local base = math.max(tonumber(redis.call('HGET', KEYS[3], 'claim') or 0), time[1] * 1000000 + time[2])
local answer = {'ok'}
for index = 6, #ARGV do
  local id = ARGV[index]
  local oldLife, oldClaim, oldHost, oldRest = entry(redis.call('HGET', KEYS[2], id))
  local previous = ''
  if oldLife and lives(oldLife .. ' ' .. oldHost) then previous = oldLife .. ' ' .. oldClaim .. ' ' .. oldHost end
  if absent and previous ~= '' and oldLife ~= life then
    answer[#answer + 1] = '- ' .. previous
  else
    local claim = string.format('%.0f', base + index - 5)
    local rest = previous == '' and '' or ' ' .. previous
    if oldLife == life and tonumber(oldClaim) > base then rest = oldRest end
    redis.call('HSET', KEYS[2], id, life .. ' ' .. claim .. ' ' .. host .. rest)
    redis.call('SADD', KEYS[4], 'i' .. id)
    answer[#answer + 1] = claim .. ' ' .. previous
  end
end
redis.call('HSET', KEYS[3], 'claim', string.format('%.0f', base + #ARGV - 5))
redis.call('SET', KEYS[5], string.format('%.0f', base), 'PX', ARGV[4])
return answer
`;

/**
 * KEYS: leases, connections, call. ARGV: ms to remember the call, ids.
 * Answers the number before the call's first claim and the value of each id, as `get` does;
 * or "void" first if the call did not run, and from now on it cannot.
 */
const recall = `-- meshsocket recall
${CLOCK}${ENTRY}
redis.call('SET', KEYS[3], 'void', 'NX', 'PX', ARGV[1])
local answer = {redis.call('GET', KEYS[3])}
for index = 2, #ARGV do
  local value = redis.call('HGET', KEYS[2], ARGV[index])
  local life, _, host = entry(value)
  answer[index] = (life and lives(life .. ' ' .. host)) and value or ''
end
return answer
`;

/** KEYS: leases, connections. ARGV: ids. Answers the value of each that a living holder has, else "". */
const get = `-- meshsocket get
${CLOCK}${ENTRY}
local answer = {}
for index, id in ipairs(ARGV) do
  local value = redis.call('HGET', KEYS[2], id)
  local life, _, host = entry(value)
  answer[index] = (life and lives(life .. ' ' .. host)) and value or ''
end
return answer
`;

/** KEYS: connections, held of each life. ARGV: number of the life's key, life, claim, id, for each entry. Answers 1 or 0 for each. */
const del = `-- meshsocket del
${ENTRY}
local answer = {}
for index = 1, #ARGV, 4 do
  local held, life, claim, id = KEYS[tonumber(ARGV[index])], ARGV[index + 1], ARGV[index + 2], ARGV[index + 3]
  local oldLife, oldClaim = entry(redis.call('HGET', KEYS[1], id))
  local same = oldLife == life
  local removed = same and oldClaim == claim
  if removed then redis.call('HDEL', KEYS[1], id) end
  if removed or not same then redis.call('SREM', held, 'i' .. id) end
  answer[#answer + 1] = removed and 1 or 0
end
return answer
`;

/**
 * KEYS: leases, connections, held of the life, subscribers, publishers, meta. ARGV: life, host, how many, "1" to end the life first.
 * Removes one slice of what a life left. Answers how many connections went and whether there is more (1) or not (0).
 */
const clear = `-- meshsocket clear
${CLOCK}${ENTRY}
local life, host = ARGV[1], ARGV[2]
local me = life .. ' ' .. host
if ARGV[4] == '1' then redis.call('ZADD', KEYS[1], 'XX', 0, me) elseif lives(me) then return {0, 0} end
local removed = 0
for _, member in ipairs(redis.call('SPOP', KEYS[3], ARGV[3])) do
  local kind, name = string.sub(member, 1, 1), string.sub(member, 2)
  if kind == 'i' then
    if entry(redis.call('HGET', KEYS[2], name)) == life then removed = removed + redis.call('HDEL', KEYS[2], name) end
  else
    redis.call('ZREM', kind == 's' and KEYS[4] or KEYS[5], #name .. ':' .. name .. me)
  end
end
if redis.call('EXISTS', KEYS[3]) == 1 then return {removed, 1} end
redis.call('ZREM', KEYS[1], me)
redis.call('HDEL', KEYS[6], 'tenure ' .. life)
return {removed, 0}
`;

/** KEYS: leases, connections. ARGV: cursor, how many. Answers the next cursor, then `value`, newline, id, for each living one. */
const all = `-- meshsocket all
${CLOCK}${ENTRY}
local page = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
local answer = {page[1]}
for index = 1, #page[2], 2 do
  local value = page[2][index + 1]
  local life, _, host = entry(value)
  if life and lives(life .. ' ' .. host) then answer[#answer + 1] = value .. '\\n' .. page[2][index] end
end
return answer
`;

/** `evicting()`: the policy by which this server drops keys when its memory is full; nil if it does not, or does not tell. */
const POLICY = `
local function evicting()
  local info = redis.pcall('INFO', 'memory')
  if type(info) ~= 'string' then return nil end
  local max, policy = string.match(info, '\\nmaxmemory:(%d+)'), string.match(info, '\\nmaxmemory_policy:(%S+)')
  if max and tonumber(max) > 0 and policy and policy ~= 'noeviction' then return policy end
  return nil
end
`;

/**
 * KEYS: leases, meta, connections.
 * ARGV: life, host, ttl in ms, a random name, ms after which a dead life is an orphan, "1" to look at the policy first, ids.
 * Answers `{"evicting", policy}` and does nothing if that look shows a server that would drop claims. Else:
 * The random name becomes the generation of an empty store and the tenure of a lease that is taken: an unknown tenure tells of a lapse
 * even if the first answer that told of it was lost. Answers the tenure, the generation, now, then the value of each id, as `get` does, then `+holder` for
 * each living one and `-holder` for up to eight dead ones to clear.
 */
const renew = `-- meshsocket renew
${CLOCK}${ENTRY}${POLICY}
local policy = ARGV[6] == '1' and evicting()
if policy then return {'evicting', policy} end
local host = ARGV[2]
local me = ARGV[1] .. ' ' .. host
if not lives(me) then redis.call('HSET', KEYS[2], 'tenure ' .. ARGV[1], ARGV[4]) end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[3])), me)
redis.call('HSETNX', KEYS[2], 'generation', ARGV[4])
local answer = redis.call('HMGET', KEYS[2], 'tenure ' .. ARGV[1], 'generation')
answer[3] = string.format('%.0f', now)
local leases = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local holders, dead = {}, 0
for index = 1, #leases, 2 do
  local holder, ends = leases[index], tonumber(leases[index + 1])
  local older = holder ~= me and string.match(holder, ' (%S+)$') == host
  if older and ends > 0 then redis.call('ZADD', KEYS[1], 0, holder) end
  known[holder] = ends > now and not older
  if known[holder] then
    holders[#holders + 1] = '+' .. holder
  elseif dead < 8 and (older or ends <= now - tonumber(ARGV[5])) then
    dead = dead + 1
    holders[#holders + 1] = '-' .. holder
  end
end
for index = 7, #ARGV do
  local value = redis.call('HGET', KEYS[3], ARGV[index])
  local life, _, host = entry(value)
  answer[#answer + 1] = (life and lives(life .. ' ' .. host)) and value or ''
end
for _, holder in ipairs(holders) do answer[#answer + 1] = holder end
return answer
`;

/** KEYS: a key that is written for a second. Answers the policy or "", what Redis says of itself, and why it refused the write or "". */
const check = `-- meshsocket check
${POLICY}
local info = redis.pcall('INFO')
local written = redis.pcall('SET', KEYS[1], '1', 'PX', 1000)
return {evicting() or '', type(info) == 'string' and info or '', written.err or ''}
`;

/** KEYS: leases. Answers `life host` of each living one. */
const living = `-- meshsocket living
${CLOCK}
return redis.call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now), '+inf')
`;

/** KEYS: leases, held of the life, subscribers, publishers. ARGV: life, host, topic. Answers `{"ok", publishers…}` or `{"no lease"}`. */
const subscribe = `-- meshsocket subscribe
${CLOCK}${TOPIC}
local me, topic = ARGV[1] .. ' ' .. ARGV[2], ARGV[3]
if not lives(me) then return {'no lease'} end
redis.call('ZADD', KEYS[3], 0, start(topic) .. me)
redis.call('SADD', KEYS[2], 's' .. topic)
return holders(KEYS[4], topic)
`;

/** KEYS: held of the life, subscribers. ARGV: life, host, topic. Answers nothing. */
const unsubscribe = `-- meshsocket unsubscribe
local topic = ARGV[3]
redis.call('ZREM', KEYS[2], #topic .. ':' .. topic .. ARGV[1] .. ' ' .. ARGV[2])
redis.call('SREM', KEYS[1], 's' .. topic)
return {}
`;

/** KEYS: leases, held of the publisher, subscribers, publishers. ARGV: life ("" for no mark), host, topic. Answers as subscribe does. */
const subscribers = `-- meshsocket subscribers
${CLOCK}${TOPIC}
local topic = ARGV[3]
if ARGV[1] ~= '' then
  local me = ARGV[1] .. ' ' .. ARGV[2]
  if not lives(me) then return {'no lease'} end
  redis.call('ZADD', KEYS[4], 0, start(topic) .. me)
  redis.call('SADD', KEYS[2], 'p' .. topic)
end
return holders(KEYS[3], topic)
`;

/** The name of a script. */
export type RedisScriptName =
  | "set"
  | "recall"
  | "get"
  | "del"
  | "clear"
  | "all"
  | "renew"
  | "check"
  | "living"
  | "subscribe"
  | "unsubscribe"
  | "subscribers";

/** Every script by its name. */
export const REDIS_SCRIPTS: Readonly<Record<RedisScriptName, string>> = {
  set,
  recall,
  get,
  del,
  clear,
  all,
  renew,
  check,
  living,
  subscribe,
  unsubscribe,
  subscribers,
};

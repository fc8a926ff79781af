// What happens inside Redis: one Lua script per operation, so that an attempt is one round trip and two processes never
// see each other half done. What is counted, and for how long, is what memory-throttle.ts counts.
//
// Keys, under the prefix. <pair> is a network, a space and a user; neither can hold a space.
//
//   block:network:<network>            "<until> <length>", in milliseconds: the latest block. It stays for as long as it
//   block:attempts:<network>             would make a next one longer.
//   block:network_and_user:<pair>
//   guesses:<network>, guesses:<pair>  sorted set: fingerprint → when it was last seen; never more than `distinct`
//   attempts:<network>                 hash: since, count
//   index:networks                     sorted set: network → when it was last seen
//   index:pairs                        sorted set: pair → when it was last seen
//   index:users:<network>              the same for the users of one network
//   index:blocks:<kind>                sorted set: network or pair → until
//
// The indexes are what bounds the number of keys: a new entry in a full one pushes out an old one with its key. Every key
// has a time to live, a minute more than it counts, so that none is gone a moment too early.

import type { MemoryThrottleSettings } from './memory-throttle.ts';

/** Entries of each index. */
export const MOST = 100_000;
/** Users that one network may have counts for. */
const MOST_PER_NETWORK = 1000;
const DAY = 86_400_000;
/** No block is longer, unless the first is. */
const LONGEST_BLOCK = DAY;

export interface ScriptSettings {
  readonly limits: MemoryThrottleSettings;
  /** What all keys begin with. */
  readonly prefix: string;
  /** Entries of each index. */
  readonly most: number;
}

/** The scripts, by the operation. Each takes the time in milliseconds, or an empty text for Redis's own, first. */
export function redisScripts(
  settings: ScriptSettings,
): Record<'guess' | 'attempt' | 'success' | 'forget', string> {
  const prelude = `${values(settings)}\n${PRELUDE}`;
  return {
    guess: `${prelude}\n${GUESS}`,
    attempt: `${prelude}\n${ATTEMPT}`,
    success: `${prelude}\n${SUCCESS}`,
    forget: `${prelude}\n${FORGET}`,
  };
}

/** What the configuration says, as Lua. */
function values({ limits, prefix, most }: ScriptSettings): string {
  const { network, networkAndUser, attempts } = limits;
  const guessLimit = ({ distinct, window, block }: typeof network) =>
    `{ distinct = ${distinct}, window = ${window}, block = ${block}, longest = ${Math.max(block, LONGEST_BLOCK)} }`;
  return `
local prefix = '${luaString(prefix)}'
local most, mostPerNetwork = ${most}, ${MOST_PER_NETWORK}
local limits = {
  network = ${guessLimit(network)},
  network_and_user = ${guessLimit(networkAndUser)},
  attempts = { most = ${attempts.most}, window = ${attempts.window}, block = ${attempts.window}, longest = ${attempts.window} }
}`;
}

/** The inside of a Lua string: every byte that is not a letter, a digit or one of a few signs as its number. */
function luaString(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) => String.fromCharCode(byte))
    .map((character) =>
      /[\w:.-]/.test(character) ? character : `\\${String(character.charCodeAt(0)).padStart(3, '0')}`,
    )
    .join('');
}

const PRELUDE = `
local DAY, SLACK = ${DAY}, 60000
local now = tonumber(ARGV[1])
if now == nil then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A block may have been halved to a fraction of a millisecond.
local function text(number) return string.format('%.17g', number) end
local function keep(key, milliseconds) redis.call('PEXPIRE', key, math.ceil(milliseconds) + SLACK) end

local function blockKey(kind, subject) return prefix .. 'block:' .. kind .. ':' .. subject end
local function blockIndex(kind) return prefix .. 'index:blocks:' .. kind end

-- When the latest block ends or ended and how long it is; nil if there is none to remember.
local function blockOf(kind, subject)
  local held = redis.call('GET', blockKey(kind, subject))
  if not held then return nil end
  local ends, length = string.match(held, '^(%S+) (%S+)$')
  return tonumber(ends), tonumber(length)
end

local function remaining(kind, subject)
  local ends = blockOf(kind, subject)
  return ends and math.max(0, ends - now) or 0
end

local function lift(kind, subject)
  local was = remaining(kind, subject) > 0
  redis.call('DEL', blockKey(kind, subject))
  redis.call('ZREM', blockIndex(kind), subject)
  return was
end

-- How long a block is remembered after its end: until the next one would be no longer than the first.
local function memory(length, limit)
  local days, after = 0, length * 2
  while limit.longest > limit.block and after > limit.block do
    after = after / 2
    days = days + 1
  end
  return days * DAY
end

local function impose(kind, subject)
  local limit, index = limits[kind], blockIndex(kind)
  local ends, length = blockOf(kind, subject)
  if ends then
    local quiet = math.max(0, math.floor((now - ends) / DAY))
    length = math.min(limit.longest, math.max(limit.block, length * 2 / 2 ^ quiet))
  else
    length = limit.block
  end
  ends = now + length
  for _, other in ipairs(redis.call('ZRANGE', index, 0, 3)) do
    if redis.call('EXISTS', blockKey(kind, other)) == 0 then redis.call('ZREM', index, other) end
  end
  if not redis.call('ZSCORE', index, subject) and redis.call('ZCARD', index) >= most then
    redis.call('DEL', blockKey(kind, redis.call('ZPOPMIN', index)[1]))
  end
  redis.call('SET', blockKey(kind, subject), text(ends) .. ' ' .. text(length),
    'PX', math.ceil(length + memory(length, limit)) + SLACK)
  redis.call('ZADD', index, text(ends), subject)
  keep(index, limit.longest + memory(limit.longest, limit))
end

local function forgetNetwork(network)
  redis.call('DEL', prefix .. 'attempts:' .. network, prefix .. 'guesses:' .. network)
  redis.call('ZREM', prefix .. 'index:networks', network)
end

-- Notes the network as the one seen last, and makes room.
local function touchNetwork(network)
  local index = prefix .. 'index:networks'
  local window = math.max(limits.attempts.window, limits.network.window)
  redis.call('ZADD', index, now, network)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now - window, 'LIMIT', 0, 2)) do
    forgetNetwork(old)
  end
  if redis.call('ZCARD', index) > most then forgetNetwork(redis.call('ZRANGE', index, 0, 0)[1]) end
  keep(index, window)
end

local function forgetPair(network, user)
  local pair = network .. ' ' .. user
  redis.call('DEL', prefix .. 'guesses:' .. pair)
  redis.call('ZREM', prefix .. 'index:pairs', pair)
  redis.call('ZREM', prefix .. 'index:users:' .. network, user)
end

local function forgetPairNamed(pair)
  local network, user = string.match(pair, '^(%S+) (%S+)$')
  if network then forgetPair(network, user) else redis.call('ZREM', prefix .. 'index:pairs', pair) end
end

-- Notes the pair as the one seen last, and makes room: a network gives up what it has caused itself first.
local function touchPair(network, user)
  local index, own = prefix .. 'index:pairs', prefix .. 'index:users:' .. network
  local window = limits.network_and_user.window
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', own, '-inf', now - window, 'LIMIT', 0, 2)) do
    forgetPair(network, old)
  end
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now - window, 'LIMIT', 0, 2)) do
    forgetPairNamed(old)
  end
  if not redis.call('ZSCORE', own, user) then
    local mine, all = redis.call('ZCARD', own), redis.call('ZCARD', index)
    if mine > 0 and (mine >= mostPerNetwork or all >= most) then
      forgetPair(network, redis.call('ZRANGE', own, 0, 0)[1])
    elseif all >= most then
      forgetPairNamed(redis.call('ZRANGE', index, 0, 0)[1])
    end
  end
  redis.call('ZADD', own, now, user)
  redis.call('ZADD', index, now, network .. ' ' .. user)
  keep(own, window)
  keep(index, window)
end

-- Counts an attempt of the network, unless attempts are blocked already.
local function countAttempt(network)
  touchNetwork(network)
  if remaining('attempts', network) > 0 then return end
  local key, limit = prefix .. 'attempts:' .. network, limits.attempts
  local held = redis.call('HMGET', key, 'since', 'count')
  local since, count = tonumber(held[1] or nil), tonumber(held[2] or nil)
  if not since or not count or now - since >= limit.window then since, count = now, 0 end
  count = count + 1
  if count >= limit.most then
    count = 0
    impose('attempts', network)
  end
  redis.call('HSET', key, 'since', text(since), 'count', count)
  keep(key, limit.window)
end

-- Notes a fingerprint; true when it is the one that makes the limit full, and then they are all forgotten.
local function isOneTooMany(subject, fingerprint, limit)
  local key = prefix .. 'guesses:' .. subject
  redis.call('ZADD', key, now, fingerprint)
  if redis.call('ZCARD', key) >= limit.distinct then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - limit.window)
    if redis.call('ZCARD', key) >= limit.distinct then
      redis.call('DEL', key)
      return true
    end
  end
  keep(key, limit.window)
  return false
end
`;

/** ARGV: now, network, user, fingerprint. Gives the kind and the remaining milliseconds of the block that held longest, or nil. */
const GUESS = `
local network, user, fingerprint = ARGV[2], ARGV[3], ARGV[4]
local pair = network .. ' ' .. user
local kind, left = 'network', remaining('network', network)
local attempts, both = remaining('attempts', network), remaining('network_and_user', pair)
if attempts > left then kind, left = 'attempts', attempts end
if both > left then kind, left = 'network_and_user', both end
countAttempt(network)
if left > 0 then return { kind, text(left) } end
if isOneTooMany(network, fingerprint, limits.network) then impose('network', network) end
touchPair(network, user)
if isOneTooMany(pair, fingerprint, limits.network_and_user) then
  forgetPair(network, user)
  impose('network_and_user', pair)
end
return nil
`;

/** ARGV: now, network. Gives the remaining milliseconds of the block on attempts, or nil. */
const ATTEMPT = `
local network = ARGV[2]
local left = remaining('attempts', network)
countAttempt(network)
if left > 0 then return text(left) end
return nil
`;

/** ARGV: now, network, user. */
const SUCCESS = `
local network, user = ARGV[2], ARGV[3]
forgetPair(network, user)
lift('network_and_user', network .. ' ' .. user)
`;

/** ARGV: now, what (a kind of block, `networks` or `pairs`), and the networks or pairs. Gives how many blocks it ended. */
const FORGET = `
local what, ended = ARGV[2], 0
for n = 3, #ARGV do
  if what == 'networks' then forgetNetwork(ARGV[n])
  elseif what == 'pairs' then forgetPairNamed(ARGV[n])
  elseif lift(what, ARGV[n]) then ended = ended + 1 end
end
return ended
`;

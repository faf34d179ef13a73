//! The Lua scripts that Redis runs. Each one reads Redis's own clock, so that the servers' clocks need not agree, and
//! every key that it writes expires.

/// A frequently used script, called by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitScript {
    /// Takes a token from a bucket ([`TAKE`]).
    Take,
    /// Takes slots of a concurrency limit ([`ACQUIRE`]).
    Acquire,
}

impl LimitScript {
    /// The scripts in the order in which they are loaded.
    pub const ALL: [Self; 2] = [Self::Take, Self::Acquire];

    /// Returns the script's Lua source.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Take => TAKE,
            Self::Acquire => ACQUIRE,
        }
    }
}

/// Takes a token. Key: the bucket. Arguments: its capacity, and its gain per millisecond, both in units (60,000 per
/// token). Returns two numbers: 1 if there was a token and 0 otherwise, and the level that remains, in units. Follows
/// the same rule as `domain::token_bucket`. The key expires when the bucket is full.
const TAKE: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local capacity, gain = tonumber(ARGV[1]), tonumber(ARGV[2])
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, taken = capacity, 0
if kept[1] then
  level = math.min(capacity, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * gain)
end
if level >= 60000 then
  level, taken = level - 60000, 1
end
redis.call('HSET', KEYS[1], 'level', string.format('%.0f', level), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((capacity - level) / gain) + 1000))
return {taken, level}";

/// Returns a token to a bucket. Key: the bucket. Argument: its capacity.
pub(super) const REFUND: &str = "\
local level = redis.call('HGET', KEYS[1], 'level')
if level then
  level = math.min(tonumber(ARGV[1]), tonumber(level) + 60000)
  redis.call('HSET', KEYS[1], 'level', string.format('%.0f', level))
end";

/// Takes slots. Keys: the sorted set of the slots, then the names that may be blocked. Arguments: the limit (0 for
/// none), the length of a lease in milliseconds, and the names of the new slots. Returns 1 if enough slots were free
/// and 0 otherwise, followed by how much longer each name is blocked, in milliseconds (negative if it is not blocked).
/// Removes expired slots, and slots that would expire later than a new one: they date from before the clock was set
/// back.
const ACQUIRE: &str = "\
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local reply = {1}
if limit > 0 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = string.format('%.0f', now + lease)
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. last, '+inf')
  if redis.call('ZCARD', KEYS[1]) + #ARGV - 2 > limit then
    reply[1] = 0
  else
    for index = 3, #ARGV do
      redis.call('ZADD', KEYS[1], last, ARGV[index])
    end
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  end
end
for index = 2, #KEYS do
  reply[index] = redis.call('PTTL', KEYS[index])
end
return reply";

/// Renews slots, including those that Redis has lost. Key: the sorted set of the slots. Arguments: the length of a
/// lease in milliseconds, and the names of the slots.
pub(super) const RENEW: &str = "\
local time = redis.call('TIME')
local last = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1])
for index = 2, #ARGV do
  redis.call('ZADD', KEYS[1], last, ARGV[index])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])";

/// Blocks a name, unless it is already blocked for longer. Key: the name. Argument: how long, in milliseconds.
pub(super) const BLOCK: &str = "\
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
end";

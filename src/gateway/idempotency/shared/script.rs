//! The two steps of the server. Each is atomic, and uses the server's clock.

use crate::upstream::redis::Script;

/// Claims a key, or says what is known of it.
///
/// `KEYS[1]` is the key; `ARGV` is fingerprint, token, lease and time to live in milliseconds. Answers a state and what
/// follows the head of the record. `C`: it is claimed. `O`: another request has it. `X`: this token was given up.
const CLAIM: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local record = redis.call('GET', KEYS[1])
if record then
  local state = string.sub(record, 1, 1)
  if state ~= 'F' then
    if string.sub(record, 2, 33) ~= ARGV[1] then return {'O', ''} end
    if state == 'I' and now >= tonumber(string.sub(record, 50)) then return {'U', ''} end
    return {state, string.sub(record, 50)}
  end
  if string.sub(record, 34, 49) == ARGV[2] then return {'X', ''} end
end
local lease = string.format('%.0f', now + ARGV[3])
redis.call('SET', KEYS[1], 'I' .. ARGV[1] .. ARGV[2] .. lease, 'PX', ARGV[4])
return {'C', ''}
";

/// Replaces the record of a token in flight.
///
/// `KEYS[1]` is the key; `ARGV` is token, record and time to live in milliseconds. A missing record is written too: the
/// server has lost it, or a claim is still on its way. Answers `S`: it is stored. `D`: it was before. `L`: another token
/// has claimed the key.
const SETTLE: &str = "\
local record = redis.call('GET', KEYS[1])
if record and string.sub(record, 1, 1) ~= 'F' then
  if string.sub(record, 34, 49) ~= ARGV[1] then return 'L' end
  if string.sub(record, 1, 1) ~= 'I' then return 'D' end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 'S'
";

/// The scripts with their digests.
pub(super) struct Scripts {
    pub(super) claim: Script,
    pub(super) settle: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self { claim: Script::new(CLAIM), settle: Script::new(SETTLE) }
    }
}

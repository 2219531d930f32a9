//! Counts that several gateways share, in a server of Redis or Valkey.
//!
//! All shared limits of a request take one round trip: a script reads the states, decides, and writes. The server executes
//! scripts one after the other and its clock counts, so gateways together allow exactly the quota. Times are in units of
//! 100 ns since 2026: numbers in Lua are floating point, and exact up to 2^53.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use tokio::time::timeout;

use crate::limits::rate::{Exceeded, Quota};
use crate::observe::seldom::Seldom;
use crate::upstream::redis::{Redis, Script, Value};

/// The generic cell rate algorithm for each key, as in `limits::rate::Quota`. Arguments of each key: interval, burst, cost,
/// and whether the limit is enforced. Answers of each key: whether it is allowed; the time until the key is as good as new,
/// or until the request is allowed; and what remains. If an enforced limit is exceeded, nothing is written.
const SCRIPT: &str = "\
local time = redis.call('TIME')
local now = (tonumber(time[1]) - 1767225600) * 10000000 + tonumber(time[2]) * 10
local states, answer = {}, {}
for i = 1, #KEYS do
  local interval, burst = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local before = math.max(tonumber(redis.call('GET', KEYS[i]) or '0') or 0, now)
  local after, most = before + interval * tonumber(ARGV[4 * i - 1]), now + interval * burst
  if after <= most then
    states[i] = after
    answer[3 * i - 2], answer[3 * i - 1], answer[3 * i] = 1, after - now, 0
  else
    local remaining = math.max(math.floor((most - before) / interval), 0)
    answer[3 * i - 2], answer[3 * i - 1], answer[3 * i] = 0, after - most, remaining
    if ARGV[4 * i] == '1' then
      return answer
    end
  end
end
for i, after in pairs(states) do
  redis.call('SET', KEYS[i], string.format('%.0f', after), 'PX', math.ceil((after - now) / 10000) + 1000)
end
return answer
";
/// One unit of time of the script, in nanoseconds.
const UNIT: u64 = 100;
/// How long the server is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The way to the shared counts.
#[derive(Debug)]
pub(super) struct SharedCounts {
    script: Script,
    begun: Instant,
    /// Until when the server is left alone, in nanoseconds after `begun`. One request then tries it again.
    paused: AtomicU64,
    /// Limits the log lines about a server that is away.
    told: Seldom,
}

/// The hash of a limit and of what it counts separately, which is the same in all gateways.
pub(super) struct SharedKey(Vec<u8>);

/// A request to one limit.
pub(super) struct SharedAsk {
    pub(super) key: SharedKey,
    pub(super) quota: Quota,
    pub(super) cost: u64,
    pub(super) is_enforced: bool,
}

/// What the server decided about one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It allows the request. The key is as good as new after this time.
    Allowed(Duration),
    Exceeded(Exceeded),
}

/// There are no verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away;

impl SharedKey {
    pub(super) fn of(parts: &impl Hash) -> Self {
        let mut hasher = Sha256Hasher(Context::new(&SHA256));
        parts.hash(&mut hasher);
        let digest = hasher.0.finish();
        let hex = digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Self(format!("towbar:limit:{hex}").into_bytes())
    }
}

struct Sha256Hasher(Context);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// The digest is read from the context.
    fn finish(&self) -> u64 {
        0
    }
}

impl SharedCounts {
    pub(super) fn new() -> Self {
        let script = Script::new(SCRIPT);
        Self { script, begun: Instant::now(), paused: AtomicU64::new(0), told: Seldom::default() }
    }

    /// Asks the server, in one round trip within this time. The verdicts are in the order of `asks`; behind the first
    /// enforced limit that is exceeded there are none.
    ///
    /// # Errors
    /// The server did not answer, or was left alone.
    pub(super) async fn ask(
        &self,
        store: Option<&Redis>,
        asks: &[SharedAsk],
        within: Duration,
    ) -> Result<Vec<Verdict>, Away> {
        let store = store.filter(|_| self.may_try()).ok_or(Away)?;
        let keys: Vec<&[u8]> = asks.iter().map(|ask| ask.key.0.as_slice()).collect();
        let arguments: Vec<String> = asks.iter().flat_map(arguments).collect();
        let arguments: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
        let answer = match timeout(within, store.script(&self.script, &keys, &arguments)).await {
            Ok(Ok(answer)) => verdicts(&answer).ok_or_else(|| "its answer is not of the expected form".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {within:?}")),
        };
        match answer {
            Ok(verdicts) => {
                self.paused.store(0, Ordering::Relaxed);
                Ok(verdicts)
            }
            Err(reason) => {
                self.paused.store(self.now().saturating_add(nanos(PAUSE)), Ordering::Relaxed);
                if let Some(left_out) = self.told.line() {
                    tracing::warn!("the store of shared limits is away: {reason}{left_out}");
                }
                Err(Away)
            }
        }
    }

    /// Whether the server is asked: always while it answers, and otherwise by one request in each pause.
    fn may_try(&self) -> bool {
        let (paused, now) = (self.paused.load(Ordering::Relaxed), self.now());
        let next = now.saturating_add(nanos(PAUSE));
        paused == 0
            || now >= paused && self.paused.compare_exchange(paused, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn now(&self) -> u64 {
        nanos(self.begun.elapsed())
    }
}

fn arguments(ask: &SharedAsk) -> [String; 4] {
    let interval = nanos(ask.quota.interval()).div_ceil(UNIT);
    [interval, ask.quota.burst(), ask.cost, u64::from(ask.is_enforced)].map(|number| number.to_string())
}

fn verdicts(answer: &Value) -> Option<Vec<Verdict>> {
    let Value::Array(numbers) = answer else { return None };
    let number = |value: &Value| match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let numbers: Vec<u64> = numbers.iter().map(number).collect::<Option<_>>()?;
    let verdict = |verdict: &[u64]| {
        let [is_allowed, time, remaining] = *verdict else { return None };
        let wait = Duration::from_nanos(time.saturating_mul(UNIT));
        Some(if is_allowed == 1 { Verdict::Allowed(wait) } else { Verdict::Exceeded(Exceeded { wait, remaining }) })
    };
    numbers.chunks(3).map(verdict).collect()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_in_all_gateways() {
        let SharedKey(key) = SharedKey::of(&Named("payments"));
        assert_eq!(String::from_utf8(key).unwrap(), "towbar:limit:d7361bbc5fafc5d0f80c5b3414a2cd83");
    }

    struct Named(&'static str);

    impl Hash for Named {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write_u8(b'n');
            state.write_u64(self.0.len() as u64);
            state.write(self.0.as_bytes());
        }
    }

    #[test]
    fn after_a_failure_one_request_in_each_pause_asks_the_server_again() {
        let counts = SharedCounts::new();
        assert!(counts.may_try() && counts.may_try());
        counts.paused.store(1, Ordering::Relaxed);
        assert!(counts.may_try() && !counts.may_try());
        counts.paused.store(1, Ordering::Relaxed);
        assert_eq!([(); 3].map(|()| counts.may_try()), [true, false, false]);
    }

    #[test]
    fn an_answer_that_is_not_of_the_expected_form_gives_no_verdicts() {
        let array = |numbers: &[i64]| Value::Array(numbers.iter().map(|number| Value::Integer(*number)).collect());
        let exceeded = Exceeded { wait: Duration::from_secs(1), remaining: 2 };
        let both = vec![Verdict::Allowed(Duration::from_micros(3)), Verdict::Exceeded(exceeded)];
        assert_eq!(verdicts(&array(&[1, 30, 0, 0, 10_000_000, 2])), Some(both));
        for wrong in [array(&[1, 2]), array(&[1, -2, 0]), Value::Nil, Value::Array(vec![Value::Nil; 3])] {
            assert_eq!(verdicts(&wrong), None, "{wrong:?}");
        }
    }
}

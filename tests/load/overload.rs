//! A backend that slows down under load, with a limit of calls in flight that is fixed and with one that adapts.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::uri::PathAndQuery;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tonic::Request;
use towbar::config::Overrides;

use super::turns::alone;
use crate::support::grpc::{Plain, runtime, tonic_client};
use crate::support::talk::{backend, note, schema};
use crate::support::{Backend, Gateway};

/// The backend answers so many calls at one time as fast as it can.
const PARALLEL: f64 = 8.0;
/// And takes so long for each: 200 calls a second.
const SERVICE: f64 = 0.04;
const TICK: Duration = Duration::from_millis(10);
/// Twice as much is asked for.
const PERIOD: Duration = Duration::from_micros(2500);
/// How long callers wait for an answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Until the limit has adapted.
const WARM_UP: Duration = Duration::from_secs(6);
const MEASURED: Duration = Duration::from_secs(6);
/// A connection has at most 100 calls in flight.
const CONNECTIONS: usize = 16;

struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// With n times as many calls as it can answer at one time, each goes on n to the power of 1.5 times as slowly.
fn slowing() -> Backend {
    let calls = Arc::<AtomicUsize>::default();
    backend(move |_, mut requests, replies| {
        let in_flight = InFlight(calls.clone());
        async move {
            in_flight.0.fetch_add(1, Ordering::SeqCst);
            requests.all().await;
            let mut done = 0.0;
            while done < SERVICE {
                if timeout(TICK, replies.given_up()).await.is_ok() {
                    return;
                }
                let count = u32::try_from(in_flight.0.load(Ordering::SeqCst)).unwrap();
                done += TICK.as_secs_f64() / (f64::from(count) / PARALLEL).max(1.0).powf(1.5);
            }
            drop(in_flight);
            replies.send(&note("done", 1)).await;
            replies.end("0", "").await;
        }
    })
}

/// What callers got in the measured time.
#[derive(Default)]
struct Figures {
    answered: Vec<Duration>,
    refused: usize,
    given_up: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, refused, given_up } = self;
        let mut times = answered.clone();
        times.sort_unstable();
        let quantile = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
        write!(
            f,
            "answered {:.0}/s, in {:?} (median) and {:?} (p99); refused {refused}, given up {given_up}",
            times.len() as f64 / MEASURED.as_secs_f64(),
            quantile(50),
            quantile(99)
        )
    }
}

fn overload(limit: &str) -> Figures {
    let backend = slowing();
    let config = format!(
        "listen: {{address: '127.0.0.1:0', protocols: [rest, grpc]}}\nschema: talk.proto\n\
         upstream: {{address: 'http://{}', limit: {{in_flight: 100, wait: 200ms{limit}}}}}\n",
        backend.address
    );
    let gateway = Gateway::with(&config, &Overrides::default(), Ok(schema()), None);
    let figures = Arc::<Mutex<Figures>>::default();
    runtime().block_on(async {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(tonic_client(gateway.address).await);
        }
        let (began, mut ticks) = (Instant::now(), interval(PERIOD));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0.. {
            ticks.tick().await;
            let asked = Instant::now();
            if asked - began > WARM_UP + MEASURED {
                break;
            }
            let (mut client, figures) = (clients[number % CONNECTIONS].clone(), figures.clone());
            tokio::spawn(async move {
                let call = async {
                    client.ready().await.map_err(|_| ())?;
                    let path = PathAndQuery::from_static("/talk.Talk/Ask");
                    client.unary(Request::new(Vec::new()), path, Plain).await.map_err(|_| ())
                };
                let answer = timeout(PATIENCE, call).await;
                if asked - began < WARM_UP {
                    return;
                }
                let mut figures = figures.lock().unwrap();
                match answer {
                    Ok(Ok(_)) => figures.answered.push(asked.elapsed()),
                    Ok(Err(())) => figures.refused += 1,
                    Err(_) => figures.given_up += 1,
                }
            });
        }
        sleep(PATIENCE).await;
    });
    std::mem::take(&mut *figures.lock().unwrap())
}

#[test]
fn a_limit_that_adapts_keeps_a_backend_that_slows_down_under_load_at_work() {
    let _turn = alone();
    let (fixed, adaptive) = (overload(""), overload(", adaptive: {latency: 100ms, min: 4}"));
    println!("fixed:    {fixed}\nadaptive: {adaptive}");
    assert!(adaptive.answered.len() > 3 * fixed.answered.len(), "fixed: {fixed}; adaptive: {adaptive}");
    // A hundred in a second: half of what the backend can do.
    assert!(adaptive.answered.len() > 600, "{adaptive}");
    assert!(adaptive.given_up < adaptive.answered.len() / 20, "{adaptive}");
}

//! How far a stop has come, for all who have to know of it: who accepts, who answers, and who says whether calls are welcome.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How far it has come. It only goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nobody has asked for a stop.
    Serving,
    /// Whoever sends calls is told to send them elsewhere. Connections are still accepted, and calls answered.
    Notice,
    /// No connection is accepted any more, and those without a call close. Calls in flight go on.
    Draining,
    /// What is still there is cut.
    Over,
}

impl Phase {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Serving => Self::Notice,
            Self::Notice => Self::Draining,
            Self::Draining | Self::Over => Self::Over,
        }
    }
}

/// How long the phases last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// [`Phase::Notice`].
    pub notice: Duration,
    /// [`Phase::Draining`], at most.
    pub timeout: Duration,
}

impl Default for Drain {
    /// Who balances needs a moment to learn that a gateway goes: 5 s are five health checks a second apart, and what the nodes
    /// of a cluster take to hear of it. Calls in flight have the 25 s that a call has.
    fn default() -> Self {
        Self { notice: Duration::from_secs(5), timeout: Duration::from_secs(25) }
    }
}

/// The stop of everything that has a clone of it.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Phase>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }
}

impl Stop {
    /// Goes on to a phase, unless it is there or further already.
    pub fn raise(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let goes_on = *now < phase;
            *now = phase.max(*now);
            goes_on
        });
    }

    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits for a phase, or one after it.
    pub async fn reached(&self, phase: Phase) {
        reached(&mut self.phases(), phase).await;
    }

    /// The same, until a time has gone by.
    pub(super) async fn reached_within(&self, phase: Phase, time: Duration) {
        let _ = tokio::time::timeout(time, self.reached(phase)).await;
    }

    pub(super) fn phases(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }
}

/// Waits for a phase, or one after it. Where nobody is left who could stop anything, all is over.
pub(super) async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    let _ = phases.wait_for(|now| *now >= phase).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_goes_on_and_never_back() {
        let stop = Stop::default();
        let seen = [Phase::Notice, Phase::Serving, Phase::Draining, Phase::Notice].map(|phase| {
            stop.raise(phase);
            stop.phase()
        });
        assert_eq!(seen, [Phase::Notice, Phase::Notice, Phase::Draining, Phase::Draining]);
        let next = [Phase::Serving, Phase::Notice, Phase::Draining, Phase::Over].map(Phase::next);
        assert_eq!(next, [Phase::Notice, Phase::Draining, Phase::Over, Phase::Over]);
    }
}

//! The phases of a stop, for everything that has to know them: listeners, services and readiness checks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// The phase of a stop. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No stop was requested.
    Serving,
    /// Callers and load balancers are told to send calls elsewhere. Connections are still accepted, and calls answered.
    Notice,
    /// No connection is accepted any more, and connections without a call are closed. Calls in flight continue.
    Draining,
    /// Everything that is left is cut.
    Over,
}

impl Phase {
    /// The phase after this one.
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
    /// The duration of [`Phase::Notice`].
    pub notice: Duration,
    /// The longest duration of [`Phase::Draining`].
    pub timeout: Duration,
}

impl Default for Drain {
    /// Load balancers need a moment to learn that a gateway stops: 5 s are five health checks one second apart, and
    /// what the nodes of a cluster take to hear of it. Calls in flight have 25 s, which is the default deadline of a
    /// call.
    fn default() -> Self {
        Self { notice: Duration::from_secs(5), timeout: Duration::from_secs(25) }
    }
}

/// The stop of everything that holds a clone of it.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<Phase>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Serving)))
    }
}

impl Stop {
    /// Moves to a phase, unless it is already reached.
    pub fn raise(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let goes_on = *now < phase;
            *now = phase.max(*now);
            goes_on
        });
    }

    /// The current phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Waits for a phase, or a later one.
    pub async fn reached(&self, phase: Phase) {
        reached(&mut self.phases(), phase).await;
    }

    /// Waits for a phase or a later one, but no longer than `time`.
    pub(super) async fn reached_within(&self, phase: Phase, time: Duration) {
        let _ = tokio::time::timeout(time, self.reached(phase)).await;
    }

    pub(super) fn phases(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }
}

/// Waits for a phase, or a later one. Also returns if every [`Stop`] was dropped, because then the phase cannot change.
pub(super) async fn reached(phases: &mut watch::Receiver<Phase>, phase: Phase) {
    let _ = phases.wait_for(|now| *now >= phase).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phase_of_a_stop_never_goes_back() {
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

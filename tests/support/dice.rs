//! Numbers that look random, and are the same for the same seed. A test says its seed when it fails; `TOWBAR_SEED` repeats it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::time::{Duration, SystemTime};

/// `TOWBAR_SEED`, or another one each time.
pub fn seed() -> u64 {
    let given = std::env::var("TOWBAR_SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = given.unwrap_or_else(clock);
    eprintln!("TOWBAR_SEED={seed}");
    seed
}

/// The number of a text.
pub fn number(seed: u64, text: &str) -> usize {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix);
    (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) as usize >> 7
}

/// One number after the other.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, name: &str) -> Self {
        Self(number(seed, name) as u64)
    }

    /// Others for each number.
    pub fn for_each(&self, number: u64) -> Self {
        Self(self.0 ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// A number below this one; zero below zero.
    pub fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end.max(1)
    }

    /// A time from `least` to `most`.
    pub fn time(&mut self, least: Duration, most: Duration) -> Duration {
        least + Duration::from_micros(self.below((most - least).as_micros() as u64))
    }
}

//! A short list of cells by key that only grows, read and appended to without a lock.

use std::sync::OnceLock;

/// The first link of the list, or of the rest of it.
#[derive(Debug)]
pub(super) struct Chain<K, V>(OnceLock<Box<Link<K, V>>>);

#[derive(Debug)]
struct Link<K, V> {
    key: K,
    value: V,
    next: Chain<K, V>,
}

impl<K, V> Default for Chain<K, V> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<K: Copy + PartialEq, V: Default> Chain<K, V> {
    /// The cell of `key`; the cell of `other` if there are `most` other keys already.
    pub(super) fn cell(&self, key: K, most: usize, other: K) -> &V {
        let (mut chain, mut key, mut place) = (self, key, 0);
        loop {
            if place == most {
                key = other;
            }
            // The first thread to come here creates the link, possibly with a different key.
            let link = chain.0.get_or_init(|| Box::new(Link { key, value: V::default(), next: Self::default() }));
            if link.key == key {
                return &link.value;
            }
            (chain, place) = (&link.next, place + 1);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let mut chain = self;
        std::iter::from_fn(move || {
            let link = chain.0.get()?;
            chain = &link.next;
            Some((link.key, &link.value))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn each_key_has_one_cell_and_keys_beyond_the_limit_share_one() {
        let chain = Chain::<u16, AtomicU64>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for key in (1..=6).cycle().take(600) {
                        chain.cell(key, 4, 0).fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let mut cells: Vec<(u16, u64)> =
            chain.iter().map(|(key, count)| (key, count.load(Ordering::Relaxed))).collect();
        cells.sort_unstable();
        assert_eq!(cells.iter().map(|(_, count)| count).sum::<u64>(), 2400);
        assert!(cells.len() == 5 && cells[0].0 == 0, "four keys, and all others together: {cells:?}");
        assert!(cells[1..].iter().all(|(_, count)| *count == 400), "{cells:?}");
    }
}

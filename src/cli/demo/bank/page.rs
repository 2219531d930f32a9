//! Paged queries: cuts one [`Page`] out of all items, by offset and limit.
//!
//! The document says "The offset could be the ID of the last transaction returned", and so it is here. A page begins
//! after that item, and returns the id of its own last item when more items follow.

use super::refusal::Refusal;

/// The page size if the caller sets none, and the largest page size.
const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 100;

/// The fields `offset` and `limit` of a request.
pub(super) struct Window<'a> {
    pub(super) offset: &'a str,
    pub(super) limit: i32,
}

pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// The offset of the next page; empty on the last page.
    pub(super) offset: String,
}

impl Window<'_> {
    /// The page of `items`, which must be sorted from the most recent to the oldest.
    pub(super) fn of<'i, T, I>(&self, items: I, id: impl Fn(&T) -> &str) -> Result<Page<T>, Refusal>
    where
        T: Clone + 'i,
        I: IntoIterator<Item = &'i T>,
    {
        let limit = self.limit()?;
        let mut rest = items.into_iter();
        if !self.offset.is_empty() && !rest.any(|item| id(item) == self.offset) {
            return Err(Refusal::invalid("offset", "the offset of an earlier page"));
        }
        let items: Vec<T> = rest.by_ref().take(limit).cloned().collect();
        let offset = match (items.last(), rest.next()) {
            (Some(last), Some(_)) => id(last).to_owned(),
            _ => String::new(),
        };
        Ok(Page { items, offset })
    }

    fn limit(&self) -> Result<usize, Refusal> {
        match usize::try_from(self.limit) {
            Ok(0) => Ok(DEFAULT_LIMIT),
            Ok(limit) => Ok(limit.min(MAX_LIMIT)),
            Err(_) => Err(Refusal::invalid("limit", "a number not below zero")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(count: usize, offset: &str, limit: i32) -> Result<Page<String>, Refusal> {
        let items: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
        Window { offset, limit }.of(&items, |item| item)
    }

    #[test]
    fn a_page_begins_after_its_offset() {
        for (count, offset, limit, items, next) in [
            (0, "", 5, "", ""),
            (3, "", 5, "1 2 3", ""),
            (3, "", 3, "1 2 3", ""),
            (3, "", 2, "1 2", "2"),
            (3, "2", 2, "3", ""),
            (3, "3", 2, "", ""),
            (12, "", 0, "1 2 3 4 5 6 7 8 9 10", "10"),
        ] {
            let Ok(page) = page(count, offset, limit) else {
                panic!("{count} items, offset {offset}, limit {limit}: refused");
            };
            let found = (page.items.join(" "), page.offset);
            assert_eq!(found, (items.to_owned(), next.to_owned()), "{count} items, offset {offset}, limit {limit}");
        }
    }

    #[test]
    fn a_limit_is_capped() {
        assert_eq!(page(250, "", i32::MAX).map(|page| page.items.len()).ok(), Some(MAX_LIMIT));
    }

    #[test]
    fn pages_neither_repeat_nor_lose_an_item() {
        let (mut offset, mut seen) = (String::new(), Vec::new());
        loop {
            let Ok(page) = page(25, &offset, 4) else { panic!("offset {offset}: refused") };
            seen.extend(page.items);
            offset = page.offset;
            if offset.is_empty() {
                break;
            }
        }
        let all: Vec<String> = (1..=25).map(|number| number.to_string()).collect();
        assert_eq!(seen, all);
    }

    #[test]
    fn a_negative_limit_or_an_unknown_offset_is_refused() {
        for (offset, limit, message) in [
            ("", -1, "limit: expected a number not below zero"),
            ("", i32::MIN, "limit: expected a number not below zero"),
            ("4", 1, "offset: expected the offset of an earlier page"),
        ] {
            let refusal = page(3, offset, limit).err().map(|refusal| refusal.to_string());
            assert_eq!(refusal.as_deref(), Some(message), "offset {offset}, limit {limit}");
        }
    }
}

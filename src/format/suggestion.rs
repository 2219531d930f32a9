//! Finds the name that a caller probably meant, for "did you mean".

use std::borrow::Cow;

/// Longer names, and names beyond this many, are not compared, so that rejecting a request stays cheap.
const LONGEST: usize = 64;
const MOST: usize = 256;

/// The name in `known` closest to `name`, if it is close enough for a misspelling. Case, `_` and `-` do not count.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let plain = plain(name);
    // One character in three may be wrong.
    let most = (plain.chars().count() / 3).max(1);
    let distance = |known: &str| match self::plain(known) {
        // Enum values often begin with the name of the enum, which callers leave out.
        known if plain.len() >= 3 && known.ends_with(&*plain) => 0,
        known => strsim::osa_distance(&plain, &known),
    };
    // `name` itself may be in `known` but not allowed here.
    let known = known.into_iter().filter(|known| known.len() <= LONGEST && *known != name).take(MOST);
    let (distance, nearest) = known.map(|known| (distance(known), known)).min_by_key(|(distance, _)| *distance)?;
    (distance <= most && distance < plain.chars().count()).then_some(nearest)
}

/// ` (did you mean "limit"?)`, or an empty text.
#[must_use]
pub fn did_you_mean(nearest: Option<&str>) -> Cow<'static, str> {
    match nearest {
        Some(nearest) => Cow::Owned(format!(" (did you mean \"{nearest}\"?)")),
        None => Cow::Borrowed(""),
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_is_near_is_suggested() {
        let known = ["limit", "transferId", "STATUS_PENDING", "a", "account"];
        for (name, expected) in [
            ("limt", Some("limit")),
            ("limits", Some("limit")),
            ("transfer_id", Some("transferId")),
            ("Transfer-ID", Some("transferId")),
            ("pending", Some("STATUS_PENDING")),
            ("acount", Some("account")),
            ("acocunt", Some("account")),
            ("colour", None),
            ("account", None),
            ("b", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest(&"limit".repeat(20), known), None);
        assert_eq!(did_you_mean(Some("limit")), " (did you mean \"limit\"?)");
        assert_eq!(did_you_mean(None), "");
    }
}

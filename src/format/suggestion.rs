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

/// The dotted name in `known` that `name` is a misspelling of: an rpc or a service. One of its parts may be wrong, as
/// others of the same package are not what was meant. A `name` without dots is compared with the last parts.
#[must_use]
pub fn nearest_dotted<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let (above, last) = parts(name);
    let beside = || known.iter().copied().filter(|known| above.is_empty() || parts(known).0 == above);
    if let Some(near) = nearest(last, beside().map(|known| parts(known).1)) {
        return beside().find(|known| parts(known).1 == near);
    }
    let same: Vec<&str> = known.iter().copied().filter(|known| parts(known).1 == last).collect();
    let parents: Vec<&str> = same.iter().map(|known| parts(known).0).collect();
    let parent = if above.is_empty() { None } else { nearest_dotted(above, &parents) }?;
    same.into_iter().find(|known| parts(known).0 == parent)
}

/// A dotted name without its last part, and that part.
fn parts(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// ``; did you mean `limit`?``, or an empty text: for problems of the configuration.
#[must_use]
pub fn or_meant(nearest: Option<&str>) -> Cow<'static, str> {
    match nearest {
        Some(nearest) => Cow::Owned(format!("; did you mean `{nearest}`?")),
        None => Cow::Borrowed(""),
    }
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
    fn only_a_similar_name_is_suggested() {
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

    #[test]
    fn a_dotted_name_is_suggested_if_only_one_of_its_parts_is_wrong() {
        let known = ["shop.v1.Orders", "shop.v1.Orders.Get", "shop.v1.Orders.List", "shop.v1.Cards.Get", "bank.Get"];
        for (name, expected) in [
            ("shop.v1.Orders.Got", Some("shop.v1.Orders.Get")),
            ("shop.v1.Order.List", Some("shop.v1.Orders.List")),
            ("shop.v2.Cards.Get", Some("shop.v1.Cards.Get")),
            ("shop.v1.Order", Some("shop.v1.Orders")),
            ("Lst", Some("shop.v1.Orders.List")),
            ("shop.v1.Orders.Delete", None),
            ("shop.v2.Order.Gett", None),
            ("other.Get", None),
            ("Delete", None),
            ("", None),
        ] {
            assert_eq!(nearest_dotted(name, &known), expected, "{name}");
        }
        assert_eq!(or_meant(Some("a.B")), "; did you mean `a.B`?");
        assert_eq!(or_meant(None), "");
    }
}

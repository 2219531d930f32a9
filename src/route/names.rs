//! Translates a field name that a backend reports, in terms of the proto file, into the caller's terms: path, query and
//! body.

use super::entry::{BodyRule, Route};
use super::query::Query;
use crate::format::json::{JsonKind, Scanner};
use crate::schema::{Field, FieldPath, Message, Shape};

/// How many levels deep a body is searched for the spelling of a name.
const DEEPEST: usize = 100;

/// One name of a dotted path, and the list index or map key behind it, with its brackets.
struct Step<'a> {
    field: Field,
    suffix: &'a str,
}

impl Route {
    /// The name by which a caller of this route knows `field`, which is a path from the request message in either
    /// spelling: `transfer_id`, `destinations[0].account_id`. A path variable is named as in the template, a query
    /// parameter by its key. A field of the body is named as the body spells it, or else by its JSON name.
    ///
    /// `None` if the message has no such field.
    #[must_use]
    pub fn callers_name(&self, field: &str, query: &Query, body: Option<&[u8]>) -> Option<String> {
        let steps = steps(&self.rpc.input, field)?;
        let suffix = steps.last().map_or("", |step| step.suffix);
        let path = path(&self.rpc.input, &steps);
        if let Some(path) = &path {
            if self.captured.contains(path) {
                return Some(path.to_string());
            }
            if let Some(key) = self.key_of(path, query) {
                return Some(format!("{key}{suffix}"));
            }
        }
        let steps = match (&self.body, path) {
            (BodyRule::Field(body), Some(path)) if path.is_within(body) && path != *body => {
                steps.get(body.fields().len()..)?
            }
            (BodyRule::Field(body), None) if starts_with(&steps, body) => steps.get(body.fields().len()..)?,
            _ => &steps,
        };
        Some(spelled(steps, body))
    }

    /// The query key for a field: the one that the caller used, or else the one that the template declares.
    fn key_of<'q>(&'q self, path: &FieldPath, query: &'q Query) -> Option<&'q str> {
        let without_entry = |key: &'q str| key.split_once('[').map_or(key, |(key, _)| key);
        let mut given = query.pairs().map(|(key, _)| without_entry(key));
        let given = given.find(|key| self.resolve_key(key).as_ref() == Some(path));
        let declared = || self.declared.iter().find(|(_, declared)| declared == path).map(|(key, _)| key.as_str());
        given.or_else(declared)
    }
}

fn steps<'a>(input: &Message, dotted: &'a str) -> Option<Vec<Step<'a>>> {
    let mut here = Some(input.clone());
    let mut steps = Vec::new();
    for part in split(dotted) {
        let (name, suffix) = part.split_at(part.find('[').unwrap_or(part.len()));
        let field = here.take()?.field(name)?;
        if !suffix.is_empty() && !field.is_repeated() {
            return None;
        }
        here = match field.table().shape {
            Shape::Map => field.message().and_then(|entry| entry.field("value")?.message()),
            _ => field.message(),
        };
        steps.push(Step { field, suffix });
    }
    Some(steps)
}

/// Splits at dots, except for dots inside the brackets of a map key.
fn split(dotted: &str) -> impl Iterator<Item = &str> {
    let mut open = false;
    dotted.split(move |character| {
        open = if open { character != ']' } else { character == '[' };
        character == '.' && !open
    })
}

/// The field path of these steps; `None` if a list or map lies on the way.
fn path(input: &Message, steps: &[Step<'_>]) -> Option<FieldPath> {
    let names: Vec<&str> = steps.iter().map(|step| step.field.name()).collect();
    FieldPath::resolve(input, &names.join(".")).ok()
}

fn starts_with(steps: &[Step<'_>], body: &FieldPath) -> bool {
    steps.len() > body.fields().len() && body.fields().iter().zip(steps).all(|(field, step)| *field == step.field)
}

/// Joins the names: each as the body spells it, or by its JSON name if the body does not have it.
fn spelled(steps: &[Step<'_>], body: Option<&[u8]>) -> String {
    let mut scanner = body.and_then(|body| Scanner::new(body, DEEPEST).ok());
    let mut text = String::new();
    for step in steps {
        let found = scanner.take().and_then(|scanner| member(scanner, &step.field));
        let (name, within) = found.map_or((None, None), |(name, within)| (Some(name), Some(within)));
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(name.as_deref().unwrap_or(&step.field.table().json_name));
        text.push_str(step.suffix);
        scanner = within.and_then(|within| into_entry(within, step.suffix));
    }
    text
}

/// Finds the member that is this field. Returns its name and the scanner, placed before its value.
fn member<'a>(mut scanner: Scanner<'a>, field: &Field) -> Option<(String, Scanner<'a>)> {
    let message = field.tables().message(field.owner());
    scanner.begin_object().ok()?;
    let mut first = true;
    while let Some(name) = scanner.member(&mut first).ok()? {
        if message.by_name(&name) == Some(field.index()) {
            return Some((name.into_owned(), scanner));
        }
        scanner.skip().ok()?;
    }
    None
}

/// Places the scanner before the value that `[index]` or `[key]` names.
fn into_entry<'a>(mut scanner: Scanner<'a>, suffix: &str) -> Option<Scanner<'a>> {
    let Some(entry) = suffix.strip_prefix('[').and_then(|suffix| suffix.strip_suffix(']')) else {
        return Some(scanner);
    };
    let mut first = true;
    if scanner.peek().ok()? == JsonKind::Object {
        scanner.begin_object().ok()?;
        while let Some(key) = scanner.member(&mut first).ok()? {
            if key == entry.trim_matches('"') {
                return Some(scanner);
            }
            scanner.skip().ok()?;
        }
        return None;
    }
    let index: usize = entry.parse().ok()?;
    scanner.begin_array().ok()?;
    let mut passed = 0;
    while scanner.element(&mut first).ok()? {
        if passed == index {
            return Some(scanner);
        }
        scanner.skip().ok()?;
        passed += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use http::Method;

    use crate::route::{Defaults, Query, Routes};
    use crate::schema::schema_of;

    const PROTO: &str = r#"
        syntax = "proto3";
        package shop.v1;
        import "google/api/annotations.proto";
        service Orders {
          rpc Put(Order) returns (Order) {
            option (google.api.http) = { put: "/orders/{order_id}?page={page_token}" body: "the_item" };
          }
          rpc Post(Order) returns (Order) {
            option (google.api.http) = { post: "/orders" body: "*" };
          }
        }
        message Order {
          string order_id = 1;
          string page_token = 2;
          Item the_item = 3;
          repeated Item more_items = 4;
          map<string, Item> named_items = 5;
          repeated string all_tags = 6;
        }
        message Item { string item_name = 1; repeated Item sub_items = 2; }
    "#;

    #[test]
    fn a_field_named_by_the_backend_is_shown_under_the_name_the_caller_used() {
        let routes = Routes::build(&schema_of(PROTO).unwrap(), &[], &Defaults::default()).unwrap();
        for (method, target, body, field, name) in [
            ("PUT", "/orders/1", "{}", "order_id", Some("order_id")),
            ("PUT", "/orders/1", "{}", "orderId", Some("order_id")),
            ("PUT", "/orders/1", "{}", "page_token", Some("page")),
            ("PUT", "/orders/1?pageToken=a", "{}", "page_token", Some("pageToken")),
            ("PUT", "/orders/1?page=a", "{}", "page_token", Some("page")),
            ("PUT", "/orders/1", "{}", "all_tags[1]", Some("allTags[1]")),
            ("PUT", "/orders/1?all_tags=a&all_tags=b", "{}", "all_tags[1]", Some("all_tags[1]")),
            // The body is the value of `the_item`, so its caller sees no member of that name.
            ("PUT", "/orders/1", r#"{"itemName":"a"}"#, "the_item.item_name", Some("itemName")),
            ("PUT", "/orders/1", r#"{"item_name":"a"}"#, "the_item.item_name", Some("item_name")),
            ("PUT", "/orders/1", "{}", "the_item.sub_items[0].item_name", Some("subItems[0].itemName")),
            ("PUT", "/orders/1", "{}", "the_item", Some("theItem")),
            ("POST", "/orders", "{}", "order_id", Some("orderId")),
            ("POST", "/orders", r#"{"order_id":"a"}"#, "order_id", Some("order_id")),
            ("POST", "/orders", "not JSON", "order_id", Some("orderId")),
            (
                "POST",
                "/orders",
                r#"{"more_items":[{"itemName":"a"},{"item_name":""}]}"#,
                "more_items[1].item_name",
                Some("more_items[1].item_name"),
            ),
            ("POST", "/orders", r#"{"moreItems":[]}"#, "more_items[7].item_name", Some("moreItems[7].itemName")),
            (
                "POST",
                "/orders",
                r#"{"namedItems":{"a.b":{"item_name":""}}}"#,
                r#"named_items["a.b"].item_name"#,
                Some(r#"namedItems["a.b"].item_name"#),
            ),
            ("POST", "/orders", "{}", "order_id[0]", None),
            ("POST", "/orders", "{}", "order_id.x", None),
            ("POST", "/orders", "{}", "colour", None),
            ("POST", "/orders", "{}", "the_item..item_name", None),
            ("POST", "/orders", "{}", "", None),
            ("POST", "/orders", "{}", "order_id ", None),
        ] {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let query = Query::parse(query).unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = routes.find(&method, path, &query).unwrap();
            let given = found.route.callers_name(field, &query, Some(body.as_bytes()));
            assert_eq!(given.as_deref(), name, "{method} {target} {body} {field}");
        }
    }
}

//! `compatibility`: presets that make Towbar answer like another gateway, for callers that were written for it.
//!
//! A preset is a piece of configuration, merged under the file: a key in the file wins over the preset's.
//! Every value is then read as if the file contained it, so a preset can do nothing that single keys cannot.

use super::yaml::{Entry, Node, Shape, Spot, parse};

/// The gateways that `compatibility` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// grpc-ecosystem's grpc-gateway: what versions 1 and 2 have in common, with the error bodies of version 2.
    GrpcGateway,
    /// Envoy's filter `grpc_json_transcoder` with default options.
    Envoy,
}

/// A key that a preset sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetKey {
    /// The full key, such as `requests.empty_body`.
    pub key: String,
    /// The preset's value, written as in a file.
    pub value: String,
    /// The value in the file, if the file sets this key too; it wins.
    pub file: Option<String>,
}

const GRPC_GATEWAY: &str = "\
requests:
  json_without_type: true
  json_types: [application/x-www-form-urlencoded, text/plain, application/octet-stream]
  empty_body: object
  ignore_members: all
  ignore_query: all
json:
  base64_line_breaks: true
metadata:
  grpc_metadata_prefix: true
streams:
  format: grpc_gateway
errors:
  form: grpc_gateway_v2
";

const ENVOY: &str = "\
requests:
  json_without_type: true
  json_types: [application/x-www-form-urlencoded, text/plain, application/octet-stream]
  empty_body: object
  ignore_members: all
json:
  base64_line_breaks: true
streams:
  format: array
errors:
  form: status
status_headers:
  status: grpc-status
  message: grpc-message
";

impl Preset {
    pub const ALL: [Self; 2] = [Self::GrpcGateway, Self::Envoy];

    /// The value of `compatibility` that selects it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GrpcGateway => "grpc_gateway",
            Self::Envoy => "envoy",
        }
    }

    /// The preset as YAML.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::GrpcGateway => GRPC_GATEWAY,
            Self::Envoy => ENVOY,
        }
    }

    pub(super) fn named(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == text);
        found.ok_or_else(|| format!("expected `grpc_gateway` or `envoy`, found `{text}`"))
    }

    /// The keys that the preset sets, each with the file's value if there is one.
    fn keys(self, file: &Node) -> Vec<PresetKey> {
        let mut keys = Vec::new();
        list(&tree(self, file.spot), Some(file), "", &mut keys);
        keys
    }
}

/// Merges the preset that the file names under the file. Returns the preset and its keys, or `None` if it names none.
pub(super) fn lay_under(file: &mut Node) -> Option<(Preset, Vec<PresetKey>)> {
    let (preset, spot) = named_in(file)?;
    spread_errors(file);
    let keys = preset.keys(file);
    merge(file, tree(preset, spot));
    Some((preset, keys))
}

/// `None` also for an unknown name: the problem is reported where the other keys are read.
fn named_in(file: &Node) -> Option<(Preset, Spot)> {
    let value = &entries(file).iter().find(|entry| entry.key == "compatibility")?.value;
    match &value.shape {
        Shape::Text(text) => Some((Preset::named(text).ok()?, value.spot)),
        _ => None,
    }
}

/// Replaces the short form `errors: FORM` by `errors: {form: FORM}`, so that it can be merged.
fn spread_errors(file: &mut Node) {
    let Shape::Map(entries) = &mut file.shape else { return };
    let Some(errors) = entries.iter_mut().find(|entry| entry.key == "errors") else { return };
    if matches!(errors.value.shape, Shape::Text(_)) {
        let spot = errors.value.spot;
        let form = std::mem::replace(&mut errors.value, Node { spot, shape: Shape::Nothing });
        errors.value.shape = Shape::Map(vec![Entry { key: "form".to_owned(), spot, value: form }]);
    }
}

/// The preset as a tree. Every node gets the place of `compatibility`, so that problems point there.
fn tree(preset: Preset, spot: Spot) -> Node {
    let (mut node, _) = parse(preset.text()).expect("a preset is YAML");
    place(&mut node, spot);
    node
}

fn place(node: &mut Node, spot: Spot) {
    node.spot = spot;
    match &mut node.shape {
        Shape::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.spot = spot;
            place(&mut entry.value, spot);
        }),
        Shape::List(items) => items.iter_mut().for_each(|item| place(item, spot)),
        Shape::Nothing | Shape::Text(_) => {}
    }
}

/// Adds the preset's keys to the file's. A key with nothing under it counts as an empty map.
fn merge(file: &mut Node, preset: Node) {
    let Shape::Map(new) = preset.shape else { return };
    if file.shape == Shape::Nothing {
        file.shape = Shape::Map(Vec::new());
    }
    let Shape::Map(entries) = &mut file.shape else { return };
    for entry in new {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => merge(&mut known.value, entry.value),
            None => entries.push(entry),
        }
    }
}

fn list(preset: &Node, file: Option<&Node>, above: &str, keys: &mut Vec<PresetKey>) {
    for entry in entries(preset) {
        let key = format!("{above}{}", entry.key);
        let file = file.and_then(|file| entries(file).iter().find(|known| known.key == entry.key));
        let file = file.map(|entry| &entry.value);
        match entry.value.shape {
            Shape::Map(_) => list(&entry.value, file, &format!("{key}."), keys),
            _ => keys.push(PresetKey { key, value: shown(&entry.value), file: file.map(shown) }),
        }
    }
}

fn entries(node: &Node) -> &[Entry] {
    match &node.shape {
        Shape::Map(entries) => entries,
        _ => &[],
    }
}

fn shown(node: &Node) -> String {
    match &node.shape {
        Shape::Nothing => "nothing".to_owned(),
        Shape::Text(text) => text.clone(),
        Shape::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Shape::Map(_) => "a map".to_owned(),
    }
}

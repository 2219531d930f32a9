//! The configuration as YAML for operators: as it was read, without secrets.

use std::fmt::Write as _;

use super::overrides::Overrides;
use super::secret::Reference;
use super::yaml::{Node, Shape};
use crate::tls::pem;

/// Printed in place of a secret.
const MASK: &str = "\"***\"";

/// A key whose name contains one of these words holds a secret, unless its value names a file.
const SECRET_WORDS: [&str; 6] = ["password", "secret", "token", "credential", "authorization", "encryption_key"];

/// The file, and the flags that replace sections of it.
pub(super) fn shown(root: &Node, overrides: &Overrides) -> String {
    let mut text = String::new();
    let flags = [
        ("listen", "--listen", overrides.listen.clone()),
        ("upstream", "--backend", overrides.backend.clone()),
        ("schema", "--proto", (!overrides.proto.is_empty()).then(|| list(&overrides.proto))),
    ];
    for (section, flag, value) in flags.into_iter().filter_map(|(section, flag, value)| Some((section, flag, value?))) {
        let _ = writeln!(text, "# {section}: {} (by {flag}, in place of what the file says)", masked(&value));
    }
    if let Shape::Map(_) = &root.shape {
        map(root, 0, false, &mut text);
    }
    text
}

fn list(paths: &[std::path::PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}

/// The entries of a map or the items of a list, one per line.
fn map(node: &Node, depth: usize, is_secret: bool, text: &mut String) {
    let indent = "  ".repeat(depth);
    match &node.shape {
        Shape::Map(entries) => {
            for entry in entries {
                let is_secret = is_secret || is_secret_key(&entry.key);
                let _ = write!(text, "{indent}{}:", plain(&entry.key));
                value(&entry.value, depth + 1, is_secret, text);
            }
        }
        Shape::List(items) => {
            for item in items {
                let _ = write!(text, "{indent}-");
                value(item, depth + 1, is_secret, text);
            }
        }
        Shape::Nothing | Shape::Text(_) => {}
    }
}

fn value(node: &Node, depth: usize, is_secret: bool, text: &mut String) {
    match &node.shape {
        Shape::Map(entries) if entries.is_empty() => text.push_str(" {}\n"),
        Shape::List(items) if items.is_empty() => text.push_str(" []\n"),
        Shape::Map(_) | Shape::List(_) => {
            text.push('\n');
            map(node, depth, is_secret, text);
        }
        Shape::Nothing => text.push('\n'),
        // What refers to a secret is none.
        Shape::Text(scalar) if is_secret && Reference::of(scalar).is_none() => {
            let _ = writeln!(text, " {MASK}");
        }
        Shape::Text(scalar) => {
            let _ = writeln!(text, " {}", masked(scalar));
        }
    }
}

fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word)) && !key.ends_with("_file") && key != "secret_files"
}

/// The text with private keys, certificates, and the user and password of a URL masked.
fn masked(scalar: &str) -> String {
    if pem::is_secret(scalar) || pem::is_file(scalar) {
        return MASK.to_owned();
    }
    match scalar.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, host)) => plain(&format!("{scheme}://***@{host}")),
        None => plain(scalar),
    }
}

/// A text as a YAML scalar, quoted unless YAML would read it as plain text.
fn plain(text: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '.');
    if begins && text.bytes().all(is_safe) { text.to_owned() } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load_text;

    #[test]
    fn the_configuration_is_shown_with_its_flags_and_without_secrets() {
        let file = "listen: 127.0.0.1:0\nupstream:\n  address: http://bank:9\n  proxy: http://user:pass@proxy:3128\n\
            admin: {address: '127.0.0.1:1', token: abc}\nrpcs: {}\nmetadata: {request: [a, b]}\nother: {password: x, password_file: /p}\n\
            store: {password: '${STORE}', encryption_keys: [abc, 'file:/k']}\n";
        let overrides = Overrides { listen: Some("127.0.0.1:5".to_owned()), ..Overrides::default() };
        let (config, _) = load_text(file, Path::new("t.yaml"), &overrides);
        assert_eq!(
            config.shown,
            "# listen: \"127.0.0.1:5\" (by --listen, in place of what the file says)\n\
             listen: \"127.0.0.1:0\"\nupstream:\n  address: \"http://bank:9\"\n  proxy: \"http://***@proxy:3128\"\n\
             admin:\n  address: \"127.0.0.1:1\"\n  token: \"***\"\nrpcs: {}\nmetadata:\n  request:\n    - a\n    - b\n\
             other:\n  password: \"***\"\n  password_file: /p\n\
             store:\n  password: \"${STORE}\"\n  encryption_keys:\n    - \"***\"\n    - \"file:/k\"\n"
        );
    }
}

//! The rows hold: a module uses only modules of rows above its own, and only its owners name a library.

use std::fs;
use std::path::Path;

pub(crate) const ROWS: &[&[&str]] = &[
    &["format"],
    &["limits", "observe"],
    &["schema"],
    &["codec"],
    &["route"],
    &["tls", "caller"],
    &["upstream", "server"],
    &["gateway"],
    &["config"],
    &["app"],
    &["cli"],
];

/// A library and the modules that may name it, each with those inside. One that is not here may be named anywhere.
const OWNERS: &[(&str, &[&str])] = &[
    ("prost_reflect", &["schema", "codec"]),
    ("protox", &["schema"]),
    (
        "serde_json",
        &["codec", "gateway/error", "gateway/probe", "config/describe", "app/admin", "app/openapi", "cli/doctor"],
    ),
    ("serde_saphyr", &["config", "app/openapi/yaml"]),
    ("rustls", &["tls", "caller", "upstream", "server", "app", "cli/demo/bank", "cli/doctor"]),
    ("tokio_rustls", &["upstream", "server", "cli/doctor"]),
    ("rcgen", &["cli/demo/bank", "tls/certs"]),
    ("x509_parser", &["tls"]),
    ("jsonwebtoken", &["caller/token"]),
    (
        "aws_lc_rs",
        &[
            "tls",
            "upstream/redis/script",
            "caller/token",
            "caller/dpop/nonce",
            "gateway/idempotency",
            "gateway/rate/shared",
            "gateway/probe",
            "gateway/static_files",
            "gateway/rest/websocket",
            "app/reload",
            "cli/doctor",
        ],
    ),
    ("arc_swap", &["server", "caller/token"]),
    ("socket2", &["server"]),
    ("listenfd", &["server"]),
    ("sd_notify", &["cli"]),
    ("rustix", &["cli"]),
    ("mimalloc", &[]),
    ("hyper", &["server", "upstream/fetch", "cli/doctor"]),
    ("hyper_util", &["server", "upstream/fetch", "cli/doctor"]),
    ("httparse", &["upstream/dial/proxy"]),
    ("h2", &["upstream", "server/http2", "cli/doctor"]),
    ("hickory_resolver", &["upstream"]),
    ("tonic", &["upstream", "gateway", "app/trace_export", "cli/demo/bank", "cli/doctor"]),
    ("tokio_tungstenite", &["gateway/rest/websocket"]),
    ("futures_util", &["gateway/rest/websocket"]),
    ("axum", &["app/admin", "cli/demo/bank"]),
    ("tower_http", &["app/admin"]),
    ("flate2", &["format/compression"]),
    ("prometheus_client", &["observe/metrics"]),
    (
        "tokio",
        &[
            "limits",
            "observe/traces",
            "caller/token",
            "app/key_refresh",
            "app/trace_export",
            "upstream",
            "server",
            "gateway",
            "app/reload",
            "cli",
        ],
    ),
    ("ruzstd", &["format/compression"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli/completions"]),
    ("clap_mangen", &["cli/manual"]),
    ("wide", &["format/block"]),
    ("regex", &["codec/validate"]),
    ("cel", &["codec/validate/cel"]),
];

/// What quotes a file's contents in its errors, and the one module that may name it: the contents are secrets.
const QUOTING: &[(&str, &str)] =
    &[("pki_types::pem", "tls/pem"), ("PemObject", "tls/pem"), ("pem_slice", "tls/pem"), ("pem_file", "tls/pem")];

/// What sends without the admission of a caller, or gives it, and the modules that may name it: nothing else is forwarded.
const FORWARDING: &[(&str, &[&str])] = &[
    ("Outbound::new", &["gateway/forward", "gateway/lasting"]),
    ("Outbound::own", &["upstream/grpc/health", "upstream/reflection", "app/trace_export"]),
    ("Outbound {", &["upstream"]),
    ("Admitted {", &["caller/admission"]),
    ("admit(", &["caller/admission", "gateway/call"]),
];

const LONGEST_FILE: usize = 600;

#[test]
fn modules_use_only_modules_in_rows_above_and_only_owners_use_a_library() {
    let mut wrong = Vec::new();
    walk(Path::new("src"), &mut |path, text| check(path, text, &mut wrong));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_row() {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    for module in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(row_of(module).is_some(), "{module} stands in no row");
    }
}

fn check(path: &Path, text: &str, wrong: &mut Vec<String>) {
    let top = path.strip_prefix("src").unwrap().iter().next().unwrap().to_str().unwrap();
    let module = top.trim_end_matches(".rs");
    let Some(row) = row_of(module) else { return };
    let place = path.strip_prefix("src").unwrap().with_extension("").to_str().unwrap().to_owned();
    if text.lines().count() > LONGEST_FILE {
        wrong.push(format!("{}: longer than {LONGEST_FILE} lines", path.display()));
    }
    let product = text.lines().zip(1..).take_while(|(line, _)| *line != "mod tests {");
    for (line, number) in product.filter(|(line, _)| !line.trim_start().starts_with("//")) {
        for used in modules_in(line) {
            if used != module && row_of(&used).is_some_and(|used| used >= row) {
                wrong.push(format!("{}:{number}: `{module}` uses `{used}`", path.display()));
            }
        }
        for (name, owner) in QUOTING {
            if line.contains(name) && !is_in(&place, owner) {
                wrong.push(format!("{}:{number}: `{module}` names {name}, whose errors quote secrets", path.display()));
            }
        }
        for (name, owners) in FORWARDING {
            if is_named(line, name) && !owners.iter().any(|owner| is_in(&place, owner)) {
                wrong.push(format!("{}:{number}: `{module}` names {name}", path.display()));
            }
        }
        for (library, owners) in OWNERS {
            if names(line, library) && !owners.iter().any(|owner| is_in(&place, owner)) && !path.ends_with("tests.rs") {
                wrong.push(format!("{}:{number}: `{place}` names {library}", path.display()));
            }
        }
    }
}

/// The top modules behind each `crate::` of a line, those of `crate::{a, b::c}` too.
fn modules_in(line: &str) -> Vec<String> {
    let first_word = |text: &str| {
        text.trim().split(|c: char| c != '_' && !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    };
    let behind = line.split("crate::").skip(1);
    behind
        .flat_map(|text| match text.strip_prefix('{') {
            Some(list) => list.split(',').map(first_word).collect(),
            None => vec![first_word(text)],
        })
        .collect()
}

fn names(line: &str, library: &str) -> bool {
    starts_of(line, &format!("{library}::")).any(|before| before != Some(':'))
}

fn is_named(line: &str, name: &str) -> bool {
    starts_of(line, name).next().is_some()
}

/// What stands before each place where a name begins.
fn starts_of<'a>(line: &'a str, name: &'a str) -> impl Iterator<Item = Option<char>> + 'a {
    let before = line.match_indices(name).map(|(at, _)| line[..at].chars().next_back());
    before.filter(|before| before.is_none_or(|c| c != '_' && !c.is_alphanumeric()))
}

/// Whether a file is that of a module or of one inside it.
fn is_in(place: &str, module: &str) -> bool {
    place.strip_prefix(module).is_some_and(|inside| inside.is_empty() || inside.starts_with('/'))
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

pub(crate) fn walk(folder: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

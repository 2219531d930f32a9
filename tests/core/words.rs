//! Texts that callers read: plain words, and a reason from one table for each error.

use std::fs;
use std::path::{Path, PathBuf};

use towbar::gateway::error::{Reason, code_name};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where the texts are that can stand in an answer.
const CALLER_FACING: &[&str] = &[
    "src/caller",
    "src/codec",
    "src/format/compression.rs",
    "src/format/json",
    "src/format/multipart",
    "src/gateway",
    "src/limits",
    "src/route/choice.rs",
    "src/route/found.rs",
    "src/route/keys.rs",
    "src/route/plan/error.rs",
    "src/route/plan/forward.rs",
    "src/route/query.rs",
    "src/route/system.rs",
    "src/route/text.rs",
    "src/server",
];

/// Files among them whose texts are about the configuration: `expected`, `found`.
const CONFIGURATION: &[&str] = &[
    "caller/forwarded/network.rs",
    "gateway/probe.rs",
    "rate/config.rs",
    "validate/compile.rs",
    "validate/reading.rs",
];

/// Phrases that a caller had to read twice.
const RIDDLES: &[&str] = &[
    ", found ",
    "as many as it may",
    "as many as may",
    "broke off",
    "does not go with",
    "go together",
    "has no such field",
    "is given twice",
    "no call has",
    "none left for",
    "none of its",
    "that is none",
    "that there are",
    "there is no such",
    "which there is none",
];

/// The string literals of a file, but for those of its tests.
fn literals(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut literals = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, here) = rest.split_at(at);
        rest = match here.as_bytes() {
            [b'/', b'/', ..] => here.split_once('\n').map_or("", |(_, rest)| rest),
            [b'\'', b'\\', _, b'\'', ..] => &here[4..],
            [b'\'', b'"', b'\'', ..] => &here[3..],
            [b'"', ..] => {
                let raw = before.ends_with("r#");
                let end = if raw { here[1..].find("\"#") } else { end_of(&here[1..]) };
                let end = 1 + end.expect("a literal ends");
                literals.push(here[1..end].to_owned());
                &here[end + 1..]
            }
            _ => &here[1..],
        };
    }
    literals
}

/// Where the quote stands that ends a literal.
fn end_of(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.extension().is_some_and(|ext| ext == "rs") {
            files(&path, found);
        }
    }
}

#[test]
fn texts_for_callers_contain_no_banned_phrase() {
    let mut found = Vec::new();
    CALLER_FACING.iter().for_each(|path| files(&repository(path), &mut found));
    found.retain(|file| !file.ends_with("tests.rs") && !CONFIGURATION.iter().any(|name| file.ends_with(name)));
    let mut count = 0;
    let mut riddles = Vec::new();
    for file in &found {
        for literal in literals(&fs::read_to_string(file).unwrap()) {
            count += 1;
            let riddle = RIDDLES.iter().find(|riddle| literal.contains(**riddle));
            riddles.extend(riddle.map(|riddle| format!("{}: {riddle:?} in {literal:?}", file.display())));
        }
    }
    assert!(count > 300, "{count} literals: where are the texts?");
    assert!(riddles.is_empty(), "{}", riddles.join("\n"));
}

#[test]
fn literals_are_found_and_comments_are_not() {
    let text = "// \"no\"\nlet a = \"yes \\\" \"; let b = '\"'; let c = r#\"raw \" \"#; // don't\n#[cfg(test)]\nmod tests { \"no\" }";
    assert_eq!(literals(text), ["yes \\\" ", "raw \" "]);
}

#[test]
fn the_documentation_lists_exactly_the_existing_error_reasons() {
    let text = fs::read_to_string(repository("docs/errors.md")).unwrap();
    let head = "| reason | HTTP | gRPC code | message, for example | cause | what to do |\n|---|---|---|---|---|---|\n";
    let (_, table) = text.split_once(head).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches(['|', ' ']).split(" | ").collect())
        .collect();
    let row = |reason: &Reason, message: &str| {
        let facts = reason.facts();
        let (name, http, code) =
            (format!("`{}`", facts.name), facts.http.to_string(), code_name(facts.code).to_owned());
        [name, http, code, message.to_owned(), facts.cause.to_owned(), facts.remedy.to_owned()]
    };
    assert_eq!(rows.len(), Reason::ALL.len());
    let tests = texts_of_tests();
    for (found, reason) in rows.iter().zip(Reason::ALL) {
        let message = found[3];
        assert_eq!(found, &row(reason, message));
        // The table would otherwise show messages that nobody gets.
        let message = message.trim_matches('`').trim();
        assert!(message.len() > 20 && tests.contains(message), "no test expects the message of {reason:?}: {message}");
    }
}

/// The source of all tests, with its string literals as they read when they are printed.
fn texts_of_tests() -> String {
    let (mut paths, mut texts) = (Vec::new(), String::new());
    files(&repository("tests"), &mut paths);
    let outside = paths.len();
    files(&repository("src"), &mut paths);
    for (path, number) in paths.iter().zip(0..) {
        let text = fs::read_to_string(path).unwrap();
        let is_test = number < outside
            || path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
        let tests =
            if is_test { &text } else { text.split_once("#[cfg(test)]\nmod tests {").map_or("", |(_, tests)| tests) };
        // A literal may go on in the next line, behind a backslash.
        for line in tests.split_inclusive('\n') {
            match line.strip_suffix("\\\n") {
                Some(goes_on) => texts.push_str(goes_on.trim_start()),
                None => texts.push_str(line.trim_start()),
            }
        }
    }
    texts.replace('\\', "")
}

#[test]
fn every_error_reason_has_a_unique_upper_case_name() {
    let mut names: Vec<&str> = Reason::ALL.iter().map(|reason| reason.name()).collect();
    // google/rpc/error_details.proto, `ErrorInfo.reason`.
    let is_name = |name: &&str| {
        name.len() <= 63 && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    assert!(names.iter().all(is_name), "{names:?}");
    for reason in Reason::ALL {
        assert!(reason.http_status().is_client_error() || reason.http_status().is_server_error(), "{reason:?}");
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

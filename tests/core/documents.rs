//! What the documents name is there: tests, and the places that they link to.

use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(super) fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_default()
}

/// Every page of the documentation, by its path in the repository: README.md, and all of docs/.
pub(super) fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(repository(&folder)).unwrap().map(|entry| entry.unwrap()) {
            let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            let list = if entry.file_type().unwrap().is_dir() { &mut folders } else { &mut pages };
            list.push(path);
        }
    }
    pages.sort();
    pages
}

/// The module of this name in one of the executables of `tests/`. No two have the same name: `cargo test FILE::TEST` runs one test.
fn module(name: &str) -> String {
    let folders = fs::read_dir(repository("tests")).unwrap().map(|folder| folder.unwrap().path());
    let areas = folders.filter(|folder| folder.join("main.rs").is_file());
    let mut files = areas.map(|area| area.join(name).with_extension("rs")).filter(|file| file.is_file());
    let text = files.next().map(|file| fs::read_to_string(file).unwrap()).unwrap_or_default();
    assert_eq!(files.next(), None, "{name}");
    text
}

/// Whether this is a test of that file.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    // Behind the name stands nothing, or what a property is tried with.
    let head = format!("fn {name}(");
    let is_head = |line: &str| line.trim_start_matches("async ").starts_with(&head);
    lines.windows(2).any(|pair| matches!(pair[0], "#[test]" | "#[tokio::test]") && is_head(pair[1]))
}

#[test]
fn every_test_named_in_a_document_exists() {
    for (document, least) in [("docs/security.md", 30), ("docs/features.md", 60)] {
        let text = read(document);
        let words = text.split('`').skip(1).step_by(2).filter_map(|word| word.split_once("::"));
        let mut count = 0;
        for (file, test) in words.filter(|(_, test)| *test != "test") {
            let text = if file.starts_with("src/") { read(&format!("{file}.rs")) } else { module(file) };
            assert!(is_test(&text, test), "{document}: {file}::{test}");
            count += 1;
        }
        assert!(count > least, "{document}: {count}: where are the tests?");
    }
}

/// Each row of a table of features says what Towbar does and shows it.
#[test]
fn every_feature_has_a_test() {
    let text = read("docs/features.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")).collect();
    assert!(rows.len() > 50, "{}", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [feature, towbar, tests] = cells[..] else { panic!("{} cells: {row}", cells.len()) };
        assert!(!feature.is_empty() && !towbar.is_empty() && tests.contains("::"), "{row}");
    }
}

/// The fragment that a heading is reached by.
fn fragment(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn every_link_has_an_existing_target() {
    let mut count = 0;
    for document in &pages().into_iter().chain(["CHANGELOG.md".to_owned()]).collect::<Vec<_>>() {
        let text = read(document);
        let folder = Path::new(document).parent().unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.starts_with("http") {
                continue;
            }
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { document.clone() } else { folder.join(path).display().to_string() };
            assert!(repository(&target).exists(), "{document}: {link}");
            let headings = read(&target);
            let is_there = headings
                .lines()
                .filter_map(|line| line.strip_prefix('#'))
                .any(|heading| fragment(heading.trim_start_matches('#').trim()) == place);
            assert!(place.is_empty() || is_there, "{document}: {link}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}: where are the links?");
}

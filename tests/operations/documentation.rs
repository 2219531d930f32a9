//! What the documentation shows is what a reader gets: every ```console block of README.md and docs/ is run, command by command.

use std::collections::BTreeMap;

use crate::support::documented::{examples, is_shown, pages};
use crate::support::folder::{Folder, authority};
use crate::support::process::Gateway;
use crate::support::programs::{Package, installed};

/// Its backend is that of `tests/gateway/streams_documented.rs`.
const STREAMS: &str = "docs/streams.md";

#[test]
fn every_command_of_the_documentation_prints_what_is_shown() {
    if installed("curl", Package::Debian("curl")).is_none() {
        return;
    }
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for page in pages().into_iter().filter(|page| page != STREAMS) {
        let examples = examples(&page);
        if examples.is_empty() {
            continue;
        }
        // Each page begins with a sample bank that nobody has used.
        let demo = Gateway::start(&["demo", "--listen", "127.0.0.1:0"]);
        let differences = examples.iter().filter_map(|example| example.difference(demo.address));
        wrong.extend(differences.map(|difference| format!("{page}: {difference}\n")));
        count.insert(page, examples.len());
    }
    assert!(wrong.is_empty(), "the commands print:\n{}", wrong.join("\n"));
    assert!(count.values().sum::<usize>() > 20, "where are the examples? {count:?}");
    for page in ["README.md", "docs/debugging.md", "docs/getting-started/for-tpps.md", "docs/requests.md"] {
        assert!(count.contains_key(page), "{page}: {count:?}");
    }
}

/// The page's own commands make the certificates; only what the bank and the firewall have is made here.
#[test]
fn the_documented_deployment_behind_a_firewall_passes_its_checks() {
    let page = include_str!("../../docs/getting-started/behind-a-waf.md");
    let config = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = Folder::new();
    folder.copy("proto", "proto").write("towbar.yaml", config);
    folder.write("tls/waf-ca.pem", authority("the firewall's").pem());
    folder.write("tls/trusted-certs.pem", authority("the bank's").pem());
    let commands = page.lines().filter_map(|line| line.strip_prefix("    towbar c"));
    let mut count = 0;
    for command in commands {
        let arguments: Vec<String> = format!("c{command}").split(' ').map(str::to_owned).collect();
        let ended = folder.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ended.code, Some(0), "{command}: {}{}", ended.stdout, ended.stderr);
        count += 1;
    }
    assert_eq!(count, 3, "certs new, certs check, check");
}

#[test]
fn three_dots_in_documented_output_match_any_lines() {
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    for (expected, printed, is_right) in [
        (&["a", "b"][..], &["a", "b"][..], true),
        (&["a"], &["a", "b"], false),
        (&["a", "...", "d"], &["a", "b", "c", "d"], true),
        (&["a", "..."], &["a"], true),
        (&["...", "d"], &["a", "b"], false),
    ] {
        assert_eq!(is_shown(&lines(expected), &lines(printed)), is_right, "{expected:?} {printed:?}");
    }
}

//! What the documentation shows is what a reader gets: every ```console block of README.md and docs/ is run, line by line.
//!
//! A line that begins with `$ ` is a command; what follows, up to the next one, is all that it prints. A line `...` stands for any
//! lines. `towbar` runs in the folder of the repository. `http://127.0.0.1:8080` is `towbar demo`.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::support::process::Gateway;
use crate::support::programs::{Package, installed};

/// Where `towbar demo` listens, as the documentation has it.
const DEMO: &str = "127.0.0.1:8080";

/// Examples with a backend of their own, which is that of another test.
const ELSEWHERE: [&str; 1] = ["docs/streams.md"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and the pages of docs/, by their paths.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    let mut folders = vec!["docs".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(repository().join(&folder)).unwrap().map(|entry| entry.unwrap()) {
            let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            let list = if entry.file_type().unwrap().is_dir() { &mut folders } else { &mut pages };
            list.push(path);
        }
    }
    pages.sort();
    pages
}

/// The commands of a page, each with what it prints.
fn examples(page: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(repository().join(page)).unwrap();
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let commands = blocks.flat_map(|block| block.split("$ ").skip(1));
    let whole = |example: &str| {
        let (command, output) = example.split_once('\n').unwrap();
        (command.to_owned(), output.to_owned())
    };
    commands.map(whole).collect()
}

/// What a command prints, on both outputs.
fn output(command: &str, demo: &Gateway) -> String {
    let address = demo.address.to_string();
    let text = match command.split_once(&format!(" | nc {DEMO}")) {
        Some((bytes, "")) => {
            let mut stream = TcpStream::connect(demo.address).unwrap();
            stream.write_all(shell(bytes).as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        }
        _ => shell(&command.replace(DEMO, &address)),
    };
    text.replace('\r', "").replace(&address, DEMO)
}

fn shell(command: &str) -> String {
    // Neither a progress bar nor silence about what went wrong.
    let command = match command.strip_prefix("curl ") {
        Some(arguments) => format!("curl --silent --show-error {arguments}"),
        None => command.to_owned(),
    };
    let folder = Path::new(env!("CARGO_BIN_EXE_towbar")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{{ {command}; }} 2>&1")]).env("PATH", path).current_dir(repository());
    String::from_utf8(shell.output().unwrap().stdout).unwrap()
}

/// Whether a command printed these lines, of which `...` is any number.
fn is_shown(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((&"...", rest)) => (0..=printed.len()).any(|skipped| is_shown(rest, &printed[skipped..])),
        Some((line, rest)) => printed.first() == Some(line) && is_shown(rest, &printed[1..]),
    }
}

#[test]
fn every_command_of_the_documentation_prints_what_is_shown() {
    if installed("curl", Package::Debian("curl")).is_none() {
        return;
    }
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for page in pages().into_iter().filter(|page| !ELSEWHERE.contains(&page.as_str())) {
        let examples = examples(&page);
        if examples.is_empty() {
            continue;
        }
        // Each page begins with a sample bank that nobody has used.
        let demo = Gateway::start(&["demo", "--listen", "127.0.0.1:0"]);
        for (command, expected) in examples {
            let printed = output(&command, &demo);
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (expected, printed) = (lines(&expected), lines(&printed));
            let is_right = is_shown(
                &expected.iter().map(String::as_str).collect::<Vec<_>>(),
                &printed.iter().map(String::as_str).collect::<Vec<_>>(),
            );
            if !is_right {
                wrong.push(format!("{page}: $ {command}\n{}\n", printed.join("\n")));
            }
            *count.entry(page.clone()).or_default() += 1;
        }
    }
    assert!(wrong.is_empty(), "the commands print:\n{}", wrong.join("\n"));
    assert!(count.values().sum::<usize>() > 20, "where are the examples? {count:?}");
    for page in
        ["README.md", "docs/debugging.md", "docs/getting-started/for-tpps.md", "docs/getting-started/with-curl.md"]
    {
        assert!(count.contains_key(page), "{page}: {count:?}");
    }
}

#[test]
fn three_dots_stand_for_any_lines() {
    for (expected, printed, is_right) in [
        (&["a", "b"][..], &["a", "b"][..], true),
        (&["a"], &["a", "b"], false),
        (&["a", "...", "d"], &["a", "b", "c", "d"], true),
        (&["a", "..."], &["a"], true),
        (&["...", "d"], &["a", "b"], false),
    ] {
        assert_eq!(is_shown(expected, printed), is_right, "{expected:?} {printed:?}");
    }
}

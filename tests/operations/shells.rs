//! `towbar completions` and `towbar man`: what a shell and `man` make of them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::folder::Folder;
use crate::support::process;
use crate::support::programs::{self, Package};

/// What a command prints when nothing is wrong.
fn printed(arguments: &[&str]) -> String {
    let ended = process::run(arguments);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}");
    ended.stdout
}

/// The words that bash offers behind these, the last of which is being typed.
fn offered(script: &str, words: &[&str]) -> Vec<String> {
    let [.., previous, typed] = words else { panic!("{words:?}") };
    let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let typing = format!("COMP_WORDS=({line}); COMP_CWORD={}; _towbar towbar '{typed}' '{previous}'", words.len() - 1);
    let offering = "printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &format!("{script}\n{typing}\n{offering}\n")]);
    let output = bash.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = printed(&["completions", "bash"]);
    for (words, expected) in [
        (&["towbar", "ch"][..], &["check"][..]),
        (&["towbar", "serve", "--pro"], &["--proto", "--proto-path"]),
        (&["towbar", "certs", "n"], &["new"]),
        (&["towbar", "certs", "new", "--key", "p"], &["p256", "p384"]),
        (&["towbar", "completions", "z"], &["zsh"]),
    ] {
        assert_eq!(offered(&script, words), expected, "{words:?}");
    }
}

#[test]
fn each_shell_gets_its_own_script() {
    for (shell, first_line) in [
        ("bash", "_towbar() {"),
        ("zsh", "#compdef towbar"),
        ("fish", "# Print an optspec for argparse to handle cmd's options that are independent of any subcommand."),
    ] {
        let script = printed(&["completions", shell]);
        assert_eq!(script.lines().next(), Some(first_line), "{shell}");
        for word in ["serve", "doctor", "proto-path"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

const PAGES: [&str; 17] = [
    "towbar-certs-check.1",
    "towbar-certs-new.1",
    "towbar-certs.1",
    "towbar-check.1",
    "towbar-completions.1",
    "towbar-config-print.1",
    "towbar-config-schema.1",
    "towbar-config.1",
    "towbar-curl.1",
    "towbar-demo.1",
    "towbar-doctor.1",
    "towbar-explain.1",
    "towbar-man.1",
    "towbar-openapi.1",
    "towbar-routes.1",
    "towbar-serve.1",
    "towbar.1",
];

#[test]
fn every_command_has_a_man_page_with_name_synopsis_options_and_examples() {
    let folder = Folder::new();
    let out = folder.path("");
    assert_eq!(printed(&["man", "--out", out.to_str().unwrap()]), "");
    let mut names: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, PAGES);
    for name in names {
        let page = std::fs::read_to_string(folder.path(&name)).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
            assert!(page.lines().any(|line| line == format!(".SH {section}")), "{name}: {section}: {page}");
        }
        let words: Vec<&str> = name.trim_end_matches(".1").split('-').skip(1).collect();
        assert_eq!(printed(&[&["man"], &words[..]].concat()), page, "{name}");
    }
}

#[test]
fn man_pages_are_formatted_without_a_warning() {
    let Some(groff) = programs::installed("groff", Package::Debian("groff-base")) else { return };
    for (command, example) in [
        (&["man", "serve"][..], "       towbar serve --config towbar.yaml\n"),
        (&["man", "curl"], "       towbar curl --config towbar.yaml GetTransactions '{\"limit\":5}'\n"),
    ] {
        let mut child = Command::new(&groff)
            .args(["-man", "-ww", "-Tascii", "-P-cbou"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(printed(command).as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(example), "{command:?}: {text}");
    }
}

#[test]
fn man_with_an_unknown_command_lists_the_commands() {
    let ended = process::run(&["man", "serv"]);
    let line = "there is no command `serv`; commands: serve, check, routes, openapi, config, explain, curl, certs, doctor, demo, completions, man";
    assert_eq!((ended.code, ended.stderr.lines().next()), (Some(2), Some(line)));
}

//! The ```console blocks of the documentation: their commands, and what each prints.
//!
//! A line that begins with `$ ` is a command; what follows, up to the next one, is all that it prints. A line `...` stands for any
//! lines. `towbar` runs in the folder of the repository, and `127.0.0.1:8080` is the gateway of the test.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

/// Where a gateway listens, as the documentation has it.
const GATEWAY: &str = "127.0.0.1:8080";

pub struct Example {
    pub command: String,
    pub output: String,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and the pages of docs/, by their paths.
pub fn pages() -> Vec<String> {
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
pub fn examples(page: &str) -> Vec<Example> {
    let text = std::fs::read_to_string(repository().join(page)).unwrap();
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let commands = blocks.flat_map(|block| block.split("$ ").skip(1));
    let example = |text: &str| {
        let (command, output) = text.split_once('\n').unwrap();
        Example { command: command.to_owned(), output: output.to_owned() }
    };
    commands.map(example).collect()
}

impl Example {
    /// What it really prints, if that is something else.
    pub fn difference(&self, gateway: SocketAddr) -> Option<String> {
        let printed = self.run(gateway);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        (!is_shown(&lines(&self.output), &lines(&printed))).then(|| format!("$ {}\n{printed}", self.command))
    }

    /// Both outputs, with the gateway's address as it is documented.
    fn run(&self, gateway: SocketAddr) -> String {
        let address = gateway.to_string();
        let text = match self.command.split_once(" | nc 127.0.0.1 8080") {
            Some((bytes, "")) => {
                let mut stream = TcpStream::connect(gateway).unwrap();
                stream.write_all(shell(bytes).as_bytes()).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                answer
            }
            _ => shell(&self.command.replace(GATEWAY, &address)),
        };
        text.replace('\r', "").replace(&address, GATEWAY)
    }
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
pub fn is_shown(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line == "..." => (0..=printed.len()).any(|skipped| is_shown(rest, &printed[skipped..])),
        Some((line, rest)) => printed.first() == Some(line) && is_shown(rest, &printed[1..]),
    }
}

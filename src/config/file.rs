//! Reads a configuration file into a tree of nodes.

use std::fs;
use std::path::Path;

use super::reader::{Problems, Read};
use super::yaml::{self, Node, Spot};

pub(super) fn read_file(file: &Path, problems: &Problems) -> Read<Node> {
    let bytes = fs::read(file).map_err(|error| problems.file(error.to_string()))?;
    parse(decoded(&bytes, problems)?, problems)
}

/// The text of a file that is not YAML.
pub(super) fn read_text(file: &Path, problems: &Problems) -> Read<String> {
    let bytes = fs::read(file).map_err(|error| problems.file(error.to_string()))?;
    decoded(&bytes, problems).map(str::to_owned)
}

pub(super) fn decoded<'b>(bytes: &'b [u8], problems: &Problems) -> Read<&'b str> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let message = "expected text in UTF-8, found UTF-16: convert it with `iconv -f UTF-16 -t UTF-8 FILE >NEW`";
        return Err(problems.file(message.to_owned()));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let last = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let spot = Spot { line: before.matches('\n').count() as u64 + 1, column: last as u64 + 1 };
        problems.at(spot, "expected text in UTF-8, found an invalid byte; save the file as UTF-8".to_owned())
    })
}

pub(super) fn parse(text: &str, problems: &Problems) -> Read<Node> {
    let (node, faults) = yaml::parse(text).map_err(|fault| problems.at(fault.spot, fault.message))?;
    for fault in faults {
        problems.at(fault.spot, fault.message);
    }
    Ok(node)
}

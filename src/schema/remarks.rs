//! Documentation in descriptors: comments, `deprecated`, and options that describe a declaration.
//!
//! Only the OpenAPI document needs it. It is therefore not kept in the [`Schema`](super::Schema): the sources are read
//! again whenever a document is generated.

use std::collections::HashMap;

use prost::Message as _;

use super::load;
use super::sources::{DescriptorSource, Imports};
use crate::format::wire::{self, Reader};

/// The remarks on all declarations, by full name: `package.Message`, `package.Message.field`, `package.Message.oneof`,
/// `package.Enum.VALUE`, `package.Service`, `package.Service.Method`.
#[derive(Debug, Clone, Default)]
pub struct Remarks {
    declarations: HashMap<String, Remark>,
    files: Vec<FileRemark>,
}

/// The documentation of one declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remark {
    /// Its comments, separated by blank lines: the detached comments before it, the comment directly before it, and the
    /// one after it.
    pub comment: String,
    /// The option `deprecated` of descriptor.proto.
    pub deprecated: bool,
    /// Its encoded options.
    options: Vec<u8>,
}

/// The documentation of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRemark {
    /// The name of the file as imports write it.
    pub name: String,
    /// The package of the file.
    pub package: String,
    /// The options of the file. Files have no comment.
    pub remark: Remark,
}

impl Remarks {
    /// Reads the remarks of these sources. Declarations that cannot be read have none.
    #[must_use]
    pub fn read(sources: &[DescriptorSource], imports: &Imports) -> Self {
        let mut remarks = Self::default();
        for encoded in load::encoded(sources, imports) {
            if let Ok(file) = File::decode(encoded.as_slice()) {
                remarks.add(file);
            }
        }
        remarks
    }

    /// The remark on the declaration with this full name.
    #[must_use]
    pub fn of(&self, full_name: &str) -> Option<&Remark> {
        self.declarations.get(full_name)
    }

    /// The files, in the order of the sources.
    #[must_use]
    pub fn files(&self) -> &[FileRemark] {
        &self.files
    }

    fn add(&mut self, mut file: File) {
        if self.files.iter().any(|known| known.name == file.name) {
            return;
        }
        let locations = file.source_code_info.take().unwrap_or_default().locations.into_iter();
        let mut comments = Comments(locations.map(|location| (location.path.clone(), location.text())).collect());
        let scope = if file.package.is_empty() { String::new() } else { format!("{}.", file.package) };
        self.messages(&mut comments, &scope, (&[FILE_MESSAGES], file.messages));
        self.enums(&mut comments, &scope, (&[FILE_ENUMS], file.enums));
        for (index, service) in (0..).zip(file.services) {
            let (path, name) = ([FILE_SERVICES, index], format!("{scope}{}", service.name));
            for (method, declared) in (0..).zip(service.methods) {
                let comment = comments.take(&path, &[SERVICE_METHODS, method]);
                self.put(format!("{name}.{}", declared.name), comment, (declared.options, METHOD_DEPRECATED));
            }
            self.put(name, comments.take(&path, &[]), (service.options, METHOD_DEPRECATED));
        }
        let remark = Remark { options: file.options, ..Remark::default() };
        self.files.push(FileRemark { name: file.name, package: file.package, remark });
    }

    fn messages(&mut self, comments: &mut Comments, scope: &str, (around, messages): (&[i32], Vec<MessageType>)) {
        for (index, message) in (0..).zip(messages) {
            let path = [around, &[index]].concat();
            let name = format!("{scope}{}", message.name);
            let inner = format!("{name}.");
            for (field, declared) in (0..).zip(message.fields) {
                let comment = comments.take(&path, &[MESSAGE_FIELDS, field]);
                self.put(format!("{inner}{}", declared.name), comment, (declared.options, FIELD_DEPRECATED));
            }
            for (oneof, declared) in (0..).zip(message.oneofs) {
                let comment = comments.take(&path, &[MESSAGE_ONEOFS, oneof]);
                self.put(format!("{inner}{}", declared.name), comment, (Vec::new(), FIELD_DEPRECATED));
            }
            self.messages(comments, &inner, (&[&path[..], &[MESSAGE_MESSAGES]].concat(), message.messages));
            self.enums(comments, &inner, (&[&path[..], &[MESSAGE_ENUMS]].concat(), message.enums));
            self.put(name, comments.take(&path, &[]), (message.options, FIELD_DEPRECATED));
        }
    }

    fn enums(&mut self, comments: &mut Comments, scope: &str, (around, enums): (&[i32], Vec<EnumType>)) {
        for (index, declared) in (0..).zip(enums) {
            let path = [around, &[index]].concat();
            let name = format!("{scope}{}", declared.name);
            for (value, declared) in (0..).zip(declared.values) {
                let comment = comments.take(&path, &[ENUM_VALUES, value]);
                self.put(format!("{name}.{}", declared.name), comment, (declared.options, VALUE_DEPRECATED));
            }
            self.put(name, comments.take(&path, &[]), (declared.options, FIELD_DEPRECATED));
        }
    }

    /// Stores the remark on a declaration, unless it is empty.
    fn put(&mut self, full_name: String, comment: String, (options, deprecated): (Vec<u8>, u32)) {
        if comment.is_empty() && options.is_empty() {
            return;
        }
        let mut remark = Remark { comment, deprecated: false, options };
        remark.deprecated = remark.numbers(deprecated).last() == Some(&1);
        self.declarations.insert(full_name, remark);
    }
}

impl Remark {
    /// The encoded messages that the option with this number holds.
    #[must_use]
    pub fn messages(&self, option: u32) -> Vec<&[u8]> {
        let mut found = Vec::new();
        self.each(option, wire::LENGTH, |reader| reader.bytes().ok().map(|bytes| found.push(bytes)));
        found
    }

    /// The numbers that the option with this number holds, whether it is a number, a boolean, an enum or a list of
    /// these.
    #[must_use]
    pub fn numbers(&self, option: u32) -> Vec<u64> {
        let mut found = Vec::new();
        self.each(option, wire::VARINT, |reader| reader.varint().ok().map(|number| found.push(number)));
        for packed in self.messages(option) {
            let mut reader = Reader::new(packed);
            while let Some(number) = Some(&mut reader).filter(|reader| !reader.is_empty()).and_then(|r| r.varint().ok())
            {
                found.push(number);
            }
        }
        found
    }

    /// Calls `read` for each value of an option, as far as the options can be decoded.
    fn each<'a>(&'a self, option: u32, wanted: u8, mut read: impl FnMut(&mut Reader<'a>) -> Option<()>) {
        let mut reader = Reader::new(&self.options);
        while !reader.is_empty() {
            let Ok((number, wire_type)) = reader.tag() else { return };
            let went_on = match (number, wire_type) == (option, wanted) {
                true => read(&mut reader).is_some(),
                false => reader.skip(number, wire_type).is_ok(),
            };
            if !went_on {
                return;
            }
        }
    }
}

/// The comments of a file, by the path in `SourceCodeInfo.Location`.
struct Comments(HashMap<Vec<i32>, String>);

impl Comments {
    fn take(&mut self, around: &[i32], path: &[i32]) -> String {
        self.0.remove(&[around, path].concat()).unwrap_or_default()
    }
}

impl Location {
    fn text(self) -> String {
        let texts = self.detached.into_iter().chain(self.leading).chain(self.trailing);
        let texts = texts.map(|text| plain(&text)).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join("\n\n")
    }
}

/// A comment without the space that begins most of its lines, and without blank lines around it.
fn plain(comment: &str) -> String {
    let lines = comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n").trim_matches('\n').to_owned()
}

// descriptor.proto: field numbers in the paths of `SourceCodeInfo.Location`, and the numbers of the options
// `deprecated`.
const FILE_MESSAGES: i32 = 4;
const FILE_ENUMS: i32 = 5;
const FILE_SERVICES: i32 = 6;
const MESSAGE_FIELDS: i32 = 2;
const MESSAGE_MESSAGES: i32 = 3;
const MESSAGE_ENUMS: i32 = 4;
const MESSAGE_ONEOFS: i32 = 8;
const ENUM_VALUES: i32 = 2;
const SERVICE_METHODS: i32 = 2;
const FIELD_DEPRECATED: u32 = 3;
const VALUE_DEPRECATED: u32 = 1;
const METHOD_DEPRECATED: u32 = 33;

#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<MessageType>,
    #[prost(message, repeated, tag = "5")]
    enums: Vec<EnumType>,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
    #[prost(bytes = "vec", tag = "8")]
    options: Vec<u8>,
    #[prost(message, optional, tag = "9")]
    source_code_info: Option<SourceCodeInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MessageType {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<FieldType>,
    #[prost(message, repeated, tag = "3")]
    messages: Vec<Self>,
    #[prost(message, repeated, tag = "4")]
    enums: Vec<EnumType>,
    #[prost(bytes = "vec", tag = "7")]
    options: Vec<u8>,
    #[prost(message, repeated, tag = "8")]
    oneofs: Vec<Oneof>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FieldType {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "8")]
    options: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Oneof {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EnumType {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    values: Vec<EnumValue>,
    #[prost(bytes = "vec", tag = "3")]
    options: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EnumValue {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "3")]
    options: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
    #[prost(bytes = "vec", tag = "3")]
    options: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "4")]
    options: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SourceCodeInfo {
    #[prost(message, repeated, tag = "1")]
    locations: Vec<Location>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Location {
    #[prost(int32, repeated, tag = "1")]
    path: Vec<i32>,
    #[prost(string, optional, tag = "3")]
    leading: Option<String>,
    #[prost(string, optional, tag = "4")]
    trailing: Option<String>,
    #[prost(string, repeated, tag = "6")]
    detached: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r"
syntax = 'proto3';
package shop;

// Apart.

// Before, *with* Markdown:
//   - indented
message Order { // behind
  // The id.
  string id = 1 [deprecated = true];
  string note = 2;
  oneof pay {
    // Cards only.
    string card = 3;
  }
  /* An
   * inner one. */
  enum State { NEW = 0; /* gone */ OLD = 1 [deprecated = true]; }
}
// All orders.
service Orders {
  // Gets one.
  rpc Get(Order) returns (Order) { option deprecated = true; }
}
";

    #[test]
    fn comments_and_deprecation_are_found_by_full_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.proto"), TEXT).unwrap();
        let remarks = Remarks::read(&[DescriptorSource::Path(folder.path().to_owned())], &Imports::default());
        for (name, comment, deprecated) in [
            ("shop.Order", "Apart.\n\nBefore, *with* Markdown:\n  - indented\n\nbehind", false),
            ("shop.Order.id", "The id.", true),
            ("shop.Order.card", "Cards only.", false),
            ("shop.Order.State", "An\ninner one.", false),
            ("shop.Order.State.OLD", "", true),
            ("shop.Orders", "All orders.", false),
            ("shop.Orders.Get", "Gets one.", true),
        ] {
            let remark = remarks.of(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((remark.comment.as_str(), remark.deprecated), (comment, deprecated), "{name}");
        }
        assert_eq!(remarks.of("shop.Order.note"), None);
        assert_eq!(remarks.files()[0].package, "shop");
    }
}

//! Turns the bytes of a `.proto` file into text that the compiler accepts.
//!
//! A byte order mark is dropped. Comments in an encoding other than UTF-8 are read as Latin-1, because their content
//! does not matter. Anything else outside UTF-8 is an error with its line and column. Lexical rules:
//! <https://protobuf.com/docs/language-spec>.

use std::ops::Range;

/// The text of a `.proto` file and its imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) imports: Vec<Import>,
    /// Whether the keyword `service` occurs in it: even a file that does not compile may declare something to serve.
    pub(super) mentions_service: bool,
}

/// An import statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// The imported file as written.
    pub(super) name: String,
    /// Position of the name in the text, without its quotes.
    pub(super) span: Range<usize>,
    /// Line and column of the statement, from 1.
    pub(super) at: (usize, usize),
}

/// Bytes that are not UTF-8, with line and column from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotText {
    pub(super) at: Option<(usize, usize)>,
    pub(super) message: String,
}

impl Text {
    /// Reads the bytes of a `.proto` file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, NotText> {
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let message = "the file is UTF-16; save it as UTF-8".to_owned();
            return Err(NotText { at: None, message });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self::of(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => with_latin_comments(bytes)?,
        })
    }

    fn of(text: String) -> Result<Self, NotText> {
        let (mut imports, mut mentions_service) = (Vec::new(), false);
        let mut tokens = Tokens::new(text.as_bytes());
        // Whether a statement may begin here.
        let mut is_start = true;
        while let Some(token) = tokens.next() {
            let word = &text.as_bytes()[token.span.clone()];
            if token.kind == TokenKind::Word && word == b"service" {
                mentions_service = true;
            }
            if is_start && token.kind == TokenKind::Word && word == b"import" {
                imports.extend(import(&text, &mut tokens, token.span.start));
            }
            is_start = token.kind == TokenKind::Other && matches!(word, b";" | b"{" | b"}");
        }
        Ok(Self { text, imports, mentions_service })
    }

    /// The text with its imports renamed, in order; `None` keeps a name.
    pub(super) fn with_imports<'n>(&self, names: impl Iterator<Item = Option<&'n str>>) -> String {
        let (mut text, mut end) = (String::with_capacity(self.text.len()), 0);
        for (import, name) in self.imports.iter().zip(names) {
            if let Some(name) = name {
                text.push_str(&self.text[end..import.span.start]);
                text.push_str(name);
                end = import.span.end;
            }
        }
        text.push_str(&self.text[end..]);
        text
    }
}

/// The names of the members of a message in text format, without those of nested messages.
pub(super) fn members(text: &str) -> Vec<&str> {
    let (mut tokens, mut depth, mut members) = (Tokens::new(text.as_bytes()), 0_usize, Vec::new());
    while let Some(token) = tokens.next() {
        match &text[token.span] {
            "{" | "<" => depth += 1,
            "}" | ">" => depth = depth.saturating_sub(1),
            word if token.kind == TokenKind::Word && depth == 0 => members.push(word),
            _ => {}
        }
    }
    members
}

/// Reads an import statement after the word `import`.
fn import(text: &str, tokens: &mut Tokens<'_>, start: usize) -> Option<Import> {
    let mut next = tokens.next()?;
    if next.kind == TokenKind::Word && matches!(&text.as_bytes()[next.span.clone()], b"public" | b"weak") {
        next = tokens.next()?;
    }
    let written = &text.as_bytes()[next.span.clone()];
    if next.kind != TokenKind::String || written.len() < 2 || written.first() != written.last() {
        return None;
    }
    let span = next.span.start + 1..next.span.end - 1;
    // Escapes in a name are left to the compiler.
    let name = text.get(span.clone()).filter(|name| !name.contains('\\'))?.to_owned();
    Some(Import { name, span, at: place(text.as_bytes(), start) })
}

/// The bytes as text; comments that are not UTF-8 are read as Latin-1.
fn with_latin_comments(bytes: &[u8]) -> Result<String, NotText> {
    let (mut text, mut end) = (String::with_capacity(bytes.len() + 16), 0);
    let mut tokens = Tokens::new(bytes);
    tokens.tells_comments = true;
    while let Some(token) = tokens.next() {
        if token.kind == TokenKind::Comment {
            text.push_str(utf8(bytes, end..token.span.start)?);
            match std::str::from_utf8(&bytes[token.span.clone()]) {
                Ok(comment) => text.push_str(comment),
                Err(_) => text.extend(bytes[token.span.clone()].iter().map(|&byte| char::from(byte))),
            }
            end = token.span.end;
        }
    }
    text.push_str(utf8(bytes, end..bytes.len())?);
    Ok(text)
}

fn utf8(bytes: &[u8], range: Range<usize>) -> Result<&str, NotText> {
    let start = range.start;
    std::str::from_utf8(&bytes[range]).map_err(|error| {
        let at = start + error.valid_up_to();
        let message = format!("byte 0x{:02x} is not UTF-8; save the file as UTF-8", bytes[at]);
        NotText { at: Some(place(bytes, at)), message }
    })
}

/// Line and column of a position, from 1.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1);
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenKind {
    Word,
    String,
    Comment,
    /// A single other byte.
    Other,
}

struct Token {
    kind: TokenKind,
    span: Range<usize>,
}

/// Splits a `.proto` file into tokens: comments, strings, words and other bytes. The bytes need not be UTF-8.
struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    tells_comments: bool,
}

impl<'a> Tokens<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, tells_comments: false }
    }

    fn next(&mut self) -> Option<Token> {
        loop {
            let rest = &self.bytes[self.at..];
            let first = *rest.first()?;
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let (kind, length) = match first {
                b' ' | b'\t' | b'\r' | b'\n' => (None, 1),
                b'/' if rest.starts_with(b"//") => {
                    (Some(TokenKind::Comment), rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()))
                }
                b'/' if rest.starts_with(b"/*") => {
                    let end = rest[2..].windows(2).position(|pair| pair == b"*/").map(|end| end + 4);
                    (Some(TokenKind::Comment), end.unwrap_or(rest.len()))
                }
                b'"' | b'\'' => (Some(TokenKind::String), string_length(rest, first)),
                _ if is_word(&first) => {
                    let end = rest.iter().position(|byte| !is_word(byte) && *byte != b'.');
                    (Some(TokenKind::Word), end.unwrap_or(rest.len()))
                }
                _ => (Some(TokenKind::Other), 1),
            };
            let span = self.at..self.at + length;
            self.at += length;
            match kind {
                None => {}
                Some(TokenKind::Comment) if !self.tells_comments => {}
                Some(kind) => return Some(Token { kind, span }),
            }
        }
    }
}

/// Length of a string with its quotes; an unterminated string ends with its line.
fn string_length(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'\n' => return at,
            _ if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_wherever_the_compiler_finds_them() {
        for (text, imports) in [
            ("import \"a.proto\";", &["a.proto"][..]),
            ("syntax = 'proto3';\r\nimport\tpublic 'b/c.proto' ;import weak \"d.proto\";", &["b/c.proto", "d.proto"]),
            (
                "/* import \"no.proto\"; */ // import \"no.proto\";\n import /* \"no\" */ \"./yes.proto\";",
                &["./yes.proto"],
            ),
            ("option go_package = \"import\"; message M { string import = 1; } import \"e.proto\";", &["e.proto"]),
            ("message M { optional import.Thing x = 1; string s = 2 [default = \"; import \\\"no\\\";\"]; }", &[]),
            ("import \"unfinished", &[]),
            ("import \"unfinished\nimport \"a.proto\";", &[]),
            ("import", &[]),
        ] {
            let read = Text::read(text.as_bytes()).unwrap();
            let names: Vec<&str> = read.imports.iter().map(|import| import.name.as_str()).collect();
            assert_eq!(names, imports, "{text}");
        }
    }

    #[test]
    fn imports_are_renamed_and_the_rest_of_the_file_is_unchanged() {
        let text = Text::read(b"import \"./a.proto\"; import 'b.proto'; import \"./c.proto\";\nmessage M {}").unwrap();
        let names = [Some("x/a.proto"), None, Some("x/c.proto")];
        let expected = "import \"x/a.proto\"; import 'b.proto'; import \"x/c.proto\";\nmessage M {}";
        assert_eq!(text.with_imports(names.into_iter()), expected);
        assert_eq!(text.imports[1].at, (1, 21));
    }

    #[test]
    fn only_comments_may_be_in_an_encoding_other_than_utf_8() {
        let message = |byte: &str| format!("byte 0x{byte} is not UTF-8; save the file as UTF-8");
        for (bytes, expected) in [
            (&b"\xef\xbb\xbfmessage M {}"[..], Ok("message M {}")),
            (b"// caf\xe9\r\nmessage M {} /* \xfc */", Ok("// caf\u{e9}\r\nmessage M {} /* \u{fc} */")),
            ("// caf\u{e9}\nmessage M {}".as_bytes(), Ok("// caf\u{e9}\nmessage M {}")),
            (b"// \xe9\n  option a = \"\xe9\";", Err((Some((2, 15)), message("e9")))),
            (b"message \xe9 {}", Err((Some((1, 9)), message("e9")))),
            (b"\xff\xfem\0", Err((None, "the file is UTF-16; save it as UTF-8".to_owned()))),
        ] {
            let read = Text::read(bytes);
            let read = read.as_ref().map(|read| read.text.as_str()).map_err(|fault| (fault.at, fault.message.clone()));
            assert_eq!(read, expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_service_is_detected_even_in_a_file_that_does_not_compile() {
        for (text, mentions) in [
            ("message { service S {", true),
            ("// service\nmessage M { string s = 1 [default = \"service\"]; }", false),
            ("message services {}", false),
        ] {
            assert_eq!(Text::read(text.as_bytes()).unwrap().mentions_service, mentions, "{text}");
        }
    }
}

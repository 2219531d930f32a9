//! Removes possible secrets from compiler errors: given a private key as a `.proto` file, the compiler would quote a
//! part of it.

/// Longer than any name in a `.proto` file, but not longer than a line of base64.
const LINE: usize = 60;

/// If an error quotes this many characters of a key, it reveals a part of it.
const PART: usize = 8;

/// The compiler's message about the file `name`. If it quotes what may be a key in `text`, only the position is kept.
pub(super) fn without_keys(name: &str, text: &str, message: String) -> String {
    if !quotes_a_key(text, &message) {
        return message;
    }
    let place = message.strip_prefix(name).map_or("", |rest| {
        let is_place = |c: char| c == ':' || c.is_ascii_digit();
        rest[..rest.find(|c| !is_place(c)).unwrap_or(rest.len())].trim_end_matches(':')
    });
    format!("{name}{place}: expected a .proto file, found what may be a private key (not shown)")
}

fn quotes_a_key(text: &str, message: &str) -> bool {
    let is_marked = text.contains("PRIVATE KEY--");
    let words = text.split(|c: char| !is_base64(c)).filter(|word| word.len() >= PART);
    let secret: Vec<&str> = words.filter(|word| is_marked || may_be_base64(word)).collect();
    let quoted = message.split(|c: char| !is_base64(c)).flat_map(|word| word.as_bytes().windows(PART));
    let holds = |word: &str, part: &[u8]| word.as_bytes().windows(PART).any(|window| window == part);
    !secret.is_empty() && quoted.into_iter().any(|part| secret.iter().any(|word| holds(word, part)))
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}

fn may_be_base64(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    word.len() >= LINE && has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_quotes_the_file_but_never_a_part_of_a_private_key() {
        let line = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcRSpnpjBIJe7aeO0";
        let hidden = "a.proto:2:1: expected a .proto file, found what may be a private key (not shown)";
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{line}\n");
        for (text, message, shown) in [
            (line, format!("a.proto:2:1: expected 'enum', found '{line}'"), hidden),
            (line, format!("a.proto:2:1: found '{}'", &line[9..20]), hidden),
            (line, "a.proto:2:1: expected 'enum', found '-'".to_owned(), "a.proto:2:1: expected 'enum', found '-'"),
            (&pem, "a.proto:1:1: expected 'extend'".to_owned(), "a.proto:1:1: expected 'extend'"),
            (&pem, format!("a.proto:2:1: found '{}'", &line[9..20]), hidden),
            ("message A {", "a.proto:1:9: found 'message'".to_owned(), "a.proto:1:9: found 'message'"),
        ] {
            assert_eq!(without_keys("a.proto", text, message.clone()), shown, "{message}");
        }
    }
}

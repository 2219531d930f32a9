//! Which `multipart/form-data` bodies are accepted, and with which error others are rejected.

use proptest::prelude::*;

use super::*;

/// Names, content types and data of the parts, or the error. `|` stands for CRLF.
fn read(body: &str) -> Result<String, String> {
    let body = body.replace('|', "\r\n");
    let parts = Boundary::of("multipart/form-data; boundary=b").unwrap().parts(body.as_bytes(), 3);
    let shown = |part: &Part<'_>| {
        format!("{} {} {:?}", part.name, part.content_type.unwrap_or("-"), String::from_utf8_lossy(part.data))
    };
    parts.map(|parts| parts.iter().map(shown).collect::<Vec<_>>().join(", ")).map_err(|error| error.to_string())
}

#[test]
fn a_multipart_body_is_split_into_its_parts() {
    const HEAD: &str = "--b|Content-Disposition: form-data; name=a||";
    for (body, expected) in [
        ("--b--", ""),
        ("--b--|", ""),
        (&format!("{HEAD}|--b--|"), r#"a - """#),
        (&format!("{HEAD}1|--b--"), r#"a - "1""#),
        (&format!("{HEAD}1||--b--|"), r#"a - "1\r\n""#),
        (&format!("{HEAD}||1|--|-b|--c --b|--b--|"), r#"a - "\r\n\r\n1\r\n--\r\n-b\r\n--c --b""#),
        (&format!("{HEAD}1|{HEAD}2|--b--|"), r#"a - "1", a - "2""#),
        ("--b|Content-Disposition: form-data; name='a||1|--b--", r#"'a - "1""#),
        ("--b|content-disposition:Form-Data;name=\"a b;c=d\"||1|--b--", r#"a b;c=d - "1""#),
        ("--b|Content-Disposition: form-data; name=\"é[%]\"; filename=\"x%22.png\"||1|--b--", r#"é[%] - "1""#),
        ("--b|Content-Disposition: form-data; name=a; filename=x; filename*=utf-8''x||1|--b--", r#"a - "1""#),
        (
            "--b|Content-Length: 7|Content-Type:  image/png; q=\"1\" |Content-Transfer-Encoding: Binary|\
             Content-Disposition: form-data; name=a||1|--b--",
            r#"a image/png; q="1" "1""#,
        ),
    ] {
        assert_eq!(read(body).as_deref(), Ok(expected), "{body}");
    }
}

#[test]
fn an_ambiguous_multipart_body_is_refused() {
    const HEAD: &str = "--b|Content-Disposition: form-data; name=a||";
    const BEGINNING: &str = "the body does not begin with `--` and the boundary of its Content-Type";
    const BEHIND: &str = "expected CRLF or `--` after the boundary, got";
    const CONTROL: &str =
        "expected headers without control characters, each ended by CRLF, got another control character";
    for (body, message) in [
        ("", BEGINNING),
        ("--", BEGINNING),
        ("--c--", BEGINNING),
        ("|--b--", BEGINNING),
        ("preamble|--b--", BEGINNING),
        ("--b", &format!("part 1: {BEHIND} the end of the body")),
        ("--b-", &format!("part 1: {BEHIND} something else")),
        ("--bc--", &format!("part 1: {BEHIND} something else")),
        (&HEAD.replacen('|', " |", 1), &format!("part 1: {BEHIND} something else")),
        (&HEAD.replacen('|', "\n", 1), &format!("part 1: {BEHIND} something else")),
        ("--b--\n", "the body has data after its last boundary"),
        ("--b--|epilogue", "the body has data after its last boundary"),
        (&format!("{HEAD}1|--b |{HEAD}"), &format!("part 2: {BEHIND} something else")),
        (
            &format!("{HEAD}1|--b|{HEAD}2|--b--"),
            "part 2: expected a header such as `Content-Type: text/plain`, got another line",
        ),
        (HEAD, "part 1: expected the boundary after the part, got the end of the body"),
        (&format!("{HEAD}1"), "part 1: expected the boundary after the part, got the end of the body"),
        (&format!("{HEAD}1|--"), "part 1: expected the boundary after the part, got the end of the body"),
        (&format!("{HEAD}--b--"), "part 1: expected CRLF before the boundary, got only that of the headers"),
        (&format!("{HEAD}1\n--b--"), "part 1: expected CRLF before the boundary, got CR or LF alone"),
        (&format!("{HEAD}\n--b--"), "part 1: expected CRLF before the boundary, got CR or LF alone"),
        (&format!("{HEAD}1\r--b|x|--b--"), "part 1: expected CRLF before the boundary, got CR or LF alone"),
        (&format!("{HEAD}1|{HEAD}2|{HEAD}3|{HEAD}4|--b--"), "too many parts: at most 3 are allowed"),
        ("--b||1|--b--", "part 1: expected a Content-Disposition, got no header"),
        ("--b|A: b||1|--b--", "part 1: expected a Content-Disposition, got none"),
        ("--b|A: b|", "part 1: expected an empty line (CRLF) after the headers, got none"),
        (&HEAD.replace("||", "\n\n"), "part 1: expected an empty line (CRLF) after the headers, got none"),
        ("--b|A: b\nC: d||1|--b--", &format!("part 1: {CONTROL}")),
        ("--b|A: b\r C: d||1|--b--", &format!("part 1: {CONTROL}")),
        ("--b|A: b\0||1|--b--", &format!("part 1: {CONTROL}")),
        ("--b|A: b|\tc||1|--b--", &format!("part 1: {CONTROL}")),
        ("--b|A: b| c: d||1|--b--", "part 1: expected a header such as `Content-Type: text/plain`, got another line"),
        ("--b|A : b||1|--b--", "part 1: expected a header such as `Content-Type: text/plain`, got another line"),
        ("--b|A||1|--b--", "part 1: expected a header such as `Content-Type: text/plain`, got another line"),
    ] {
        assert_eq!(read(body), Err(message.to_owned()), "{body:?}");
    }
    let latin = b"--b\r\nContent-Disposition: form-data; name=\"\xe9\"\r\n\r\n1\r\n--b--";
    let error = Boundary::of("multipart/form-data; boundary=b").unwrap().parts(latin, 3).unwrap_err();
    assert_eq!(error.to_string(), "part 1: expected headers in UTF-8, got other bytes");
}

#[test]
fn a_part_with_repeated_escaped_or_malformed_headers_is_refused() {
    const DISPOSITION: &str = "Content-Disposition: form-data; name=a";
    const NO_NAME: &str = "expected a `name` in Content-Disposition, got none";
    for (head, message) in [
        ("Content-Disposition: attachment; name=a", "expected Content-Disposition form-data, got `attachment`"),
        ("Content-Disposition:", "expected Content-Disposition form-data, got ``"),
        ("Content-Disposition: form-data", NO_NAME),
        ("Content-Disposition: form-data; filename=a", NO_NAME),
        ("Content-Disposition: form-data; name=\"\"", NO_NAME),
        ("Content-Disposition: form-data; name=", "expected a value in quotes, or of letters and digits, got ``"),
        ("Content-Disposition: form-data; name=é", "expected a value in quotes, or of letters and digits, got `é`"),
        ("Content-Disposition: form-data; name", "expected `name=value` behind `;`, got ` name`"),
        ("Content-Disposition: form-data; name =a", "expected `name=value` behind `;`, got ` name =a`"),
        ("Content-Disposition: form-data; name=a;", "expected `name=value` behind `;`, got ``"),
        ("Content-Disposition: form-data; name=a b", "expected `;` or the end of the header, got `b`"),
        ("Content-Disposition: form-data; name=\"a\"b", "expected `;` or the end of the header, got `b`"),
        ("Content-Disposition: form-data; name=\"a", "expected a quotation mark at the end of the value, got none"),
        (r#"Content-Disposition: form-data; name="a\"b""#, "expected quotes without a backslash in them, got one"),
        (
            r#"Content-Disposition: form-data; filename="a\"; name=b; x=""; name=a"#,
            "expected quotes without a backslash in them, got one",
        ),
        ("Content-Disposition: form-data; name=a; Name=b", "expected each parameter once, got `Name` twice"),
        (
            "Content-Disposition: form-data; name=a; filename=b; filename=b",
            "expected each parameter once, got `filename` twice",
        ),
        ("Content-Disposition: form-data; name*=utf-8''a", "expected parameters without `*`, got `name*`"),
        ("Content-Disposition: form-data; name=a; name*=b", "expected parameters without `*`, got `name*`"),
        ("Content-Disposition: form-data; name*0=a; name*1=b", "expected parameters without `*`, got `name*0`"),
        ("Content-Disposition: form-data; name=a; filename*0=b", "expected parameters without `*`, got `filename*0`"),
        ("Content-Disposition: form-data; name=\"a%22b\"", "expected a `name` without escapes, got `%` and two digits"),
        ("Content-Disposition: form-data; name=%6eame", "expected a `name` without escapes, got `%` and two digits"),
        (&format!("{DISPOSITION}|{DISPOSITION}"), "expected each header once, got `Content-Disposition` twice"),
        (
            &format!("{DISPOSITION}|Content-Type: a/b|content-type: a/b"),
            "expected each header once, got `content-type` twice",
        ),
        (
            &format!("{DISPOSITION}|Content-Transfer-Encoding: base64"),
            "expected Content-Transfer-Encoding binary, 8bit or 7bit, if any, got `base64`",
        ),
        (
            &format!("{DISPOSITION}|Content-Transfer-Encoding: quoted-printable"),
            "expected Content-Transfer-Encoding binary, 8bit or 7bit, if any, got `quoted-printable`",
        ),
        (
            &format!("{DISPOSITION}|Content-Type: Multipart/mixed; boundary=c"),
            "expected a part that has no parts, got Content-Type `Multipart/mixed`",
        ),
        (&format!("{DISPOSITION}|Content-Type: png"), "expected a Content-Type such as `text/plain`, got `png`"),
        (&format!("{DISPOSITION}|Content-Type:"), "expected a Content-Type such as `text/plain`, got ``"),
        (&format!("{DISPOSITION}|Content-Type: a/b/c"), "expected a Content-Type such as `text/plain`, got `a/b/c`"),
        (&format!("{DISPOSITION}|Content-Type: a/b; c"), "expected `name=value` behind `;`, got ` c`"),
    ] {
        let found = read(&format!("--b|{head}||1|--b--"));
        assert_eq!(found, Err(format!("part 1: {message}")), "{head}");
    }
}

#[test]
fn a_multipart_content_type_must_have_exactly_one_valid_boundary() {
    const EXPECTED: &str = "expected a `boundary` of 1 to 70 letters, digits and `'()+_,-./:=?`, got";
    let longest = "x".repeat(70);
    for (parameters, expected) in [
        ("; boundary=b", Ok("--b")),
        (";BOUNDARY=\"-a=b'()+_,./:?\" ; charset=utf-8", Ok("---a=b'()+_,./:?")),
        (&format!("; boundary={longest}"), Ok(format!("--{longest}").as_str())),
        ("", Err(format!("{EXPECTED} none"))),
        ("; boundary=\"\"", Err(format!("{EXPECTED} ``"))),
        ("; boundary=\"a b\"", Err(format!("{EXPECTED} `a b`"))),
        ("; boundary=a#", Err(format!("{EXPECTED} `a#`"))),
        (&format!("; boundary={longest}x"), Err(format!("{EXPECTED} `{}...`", &longest[..40]))),
        ("; boundary=a; boundary=a", Err("expected each parameter once, got `boundary` twice".to_owned())),
        ("; boundary*=a", Err("expected parameters without `*`, got `boundary*`".to_owned())),
        ("; boundary=a:b", Err("expected a value in quotes, or of letters and digits, got `a:b`".to_owned())),
        ("; boundary=a, b", Err("expected a value in quotes, or of letters and digits, got `a,`".to_owned())),
        ("; boundary=\"a\\\"b\"", Err("expected quotes without a backslash in them, got one".to_owned())),
    ] {
        let boundary = Boundary::of(&format!("multipart/form-data{parameters}"));
        let found = boundary.as_ref().map(|boundary| boundary.dashed.as_str()).map_err(ToString::to_string);
        assert_eq!(found, expected.map_err(|message| format!("Content-Type: {message}")), "{parameters}");
    }
}

#[test]
fn a_part_is_read_as_text_unless_its_content_type_says_otherwise() {
    let other = |found: &str| {
        Err(format!("expected a part with Content-Type text/plain in UTF-8, or without Content-Type, got `{found}`"))
    };
    for (content_type, data, expected) in [
        (None, "é".as_bytes(), Ok("é")),
        (None, b"", Ok("")),
        (Some("Text/Plain"), b"a", Ok("a")),
        (Some("text/plain; charset=\"UTF-8\""), "é".as_bytes(), Ok("é")),
        (Some("text/plain; charset=ISO-8859-1"), b"a", Ok("a")),
        (Some("text/plain; charset=us-ascii"), b"a", Ok("a")),
        (Some("text/plain; charset=ISO-8859-1"), b"\xe9", other("text/plain; charset=ISO-8859-1")),
        (Some("text/plain; charset=utf-16"), b"a", other("text/plain; charset=utf-16")),
        (Some("application/json"), b"{}", other("application/json")),
        (Some("text/html"), b"a", other("text/html")),
        (None, b"\xe9", Err("the text is not valid UTF-8".to_owned())),
        (None, b"a\0", Err("a NUL character is not allowed".to_owned())),
    ] {
        let text = Part { name: "a", content_type, data }.text().map_err(|problem| problem.to_string());
        assert_eq!(text, expected, "{content_type:?} {data:?}");
    }
}

#[test]
fn a_json_part_may_be_labelled_as_json_as_plain_text_or_not_at_all() {
    let other =
        "expected a part with Content-Type application/json, or text/plain in UTF-8, or without Content-Type, got";
    for (content_type, data, expected) in [
        (None, "\"é\"".as_bytes(), Ok("\"é\"")),
        (Some("text/plain"), b"{}", Ok("{}")),
        (Some("Application/JSON; charset=utf-8"), b"{}", Ok("{}")),
        (Some("application/json; charset=utf-16"), b"{}", Err(format!("{other} `application/json; charset=utf-16`"))),
        (Some("image/png"), b"{}", Err(format!("{other} `image/png`"))),
        (None, b"\xe9", Err("the text is not valid UTF-8".to_owned())),
        (None, b"\"\0\"", Err("a NUL character is not allowed".to_owned())),
    ] {
        let text = Part { name: "a", content_type, data }.json().map_err(|problem| problem.to_string());
        assert_eq!(text, expected, "{content_type:?} {data:?}");
    }
}

proptest! {
    #[test]
    fn a_multipart_body_round_trips(
        boundary in "[a-zA-Z0-9'()+_,./:=?-]{4,70}",
        parts in prop::collection::vec(
            (
                "[^\\pC\"\\\\%]{1,8}",
                prop::option::of("[a-z]{1,9}/[a-z]{1,9}(; a=\"[b-z ]{0,4}\")?"),
                prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\r\n-".to_vec())], 0..40),
            ),
            0..5,
        ),
    ) {
        let dashed = format!("--{boundary}");
        prop_assume!(parts.iter().all(|(_, content_type, data)| {
            let is_nested = content_type.as_ref().is_some_and(|text| text.starts_with("multipart/"));
            !is_nested && !data.windows(dashed.len()).any(|part| part == dashed.as_bytes())
        }));
        let mut body = Vec::new();
        for (name, content_type, data) in &parts {
            body.extend(format!("{dashed}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n").bytes());
            body.extend(content_type.iter().flat_map(|text| format!("Content-Type: {text}\r\n").into_bytes()));
            body.extend([b"\r\n", data.as_slice(), b"\r\n"].concat());
        }
        body.extend(format!("{dashed}--\r\n").bytes());
        let read = Boundary::of(&format!("multipart/form-data; boundary=\"{boundary}\"")).unwrap();
        let read = read.parts(&body, 5).unwrap();
        let expected = parts.iter().map(|(name, content_type, data)| Part { name, content_type: content_type.as_deref(), data });
        prop_assert_eq!(read, expected.collect::<Vec<_>>());
    }
}

use super::files::in_bytes;
use super::*;

fn told(bytes: &[u8], wanted: Wanted) -> String {
    match in_bytes(bytes, wanted) {
        Ok(items) => format!("{:?}", items.iter().map(|item| item.kind).collect::<Vec<_>>()),
        Err(fault) => PemError::Found { wanted, fault }.to_string(),
    }
}

#[test]
fn a_pem_file_is_read_with_any_line_ends_byte_order_marks_and_comments() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let certificate = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem();
    let both = format!("{certificate}{key}");
    for text in [
        both.clone(),
        both.replace('\n', "\r\n"),
        both.replace('\n', "\r"),
        both.replace('\n', "\n  "),
        format!("\u{feff}{both}"),
        format!("\u{feff}{certificate}\u{feff}{key}"),
        format!("\u{feff}{}", both.replace('\n', "\r\n")),
        format!("subject=CN = a\n{certificate}Bag Attributes\n    localKeyID: 01\n{key}"),
        both.trim_end().to_owned(),
    ] {
        assert_eq!(told(text.as_bytes(), Wanted::Either), "[Certificate, Pkcs8]", "{}", text.escape_debug());
    }
    let latin = [b"# gr\xfc\xdfe\n", certificate.as_bytes()].concat();
    assert_eq!(told(&latin, Wanted::Certificates), "[Certificate]");
}

#[test]
fn parts_of_a_private_key_are_recognised_as_secret_and_other_texts_are_not() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for text in [&key, &key.replace('\n', ""), &key.replace('\n', " "), &key[28..], key.lines().nth(1).unwrap()] {
        assert!(is_secret(text), "{text}");
    }
    for text in [
        "",
        "/etc/towbar/certificates/production/BankOfExample2026.key",
        "tls/one-key.pem",
        "2ffbd9c83b07035ff7011334bb3495113ff05c6faca058471ab7d6d521310ecf",
        "expected one of AccountServiceV1.GetAccountsByCustomer",
        "https://bank.example.com:8443",
    ] {
        assert!(!is_secret(text), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn reading_random_bytes_as_pem_never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64), start in 0..4usize) {
        let start: &[u8] = [&b""[..], &[0x30, 0x82], b"-----BEGIN PRIVATE KEY-----\n", b"-----BEGIN CERTIFICATE"][start];
        let _ = in_bytes(&[start, &bytes].concat(), Wanted::Either);
        let _ = is_secret(&String::from_utf8_lossy(&bytes));
    }
}

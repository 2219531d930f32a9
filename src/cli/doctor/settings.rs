//! Reads the first frame that an HTTP/2 peer sends: its SETTINGS (RFC 9113, section 6.5).

/// What a peer sent first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// Too few bytes to decide.
    Short,
    /// A SETTINGS frame: number and value of each setting.
    Settings(Vec<(u16, u32)>),
    /// A line of text, as HTTP/1 and other text protocols send it.
    Text(String),
    /// Neither HTTP/2 nor text.
    Other,
}

const HEAD: usize = 9;
const SETTINGS: u8 = 4;
/// The longest SETTINGS frame that is read, in bytes. Peers send only a few settings.
const LONGEST: usize = 1 << 10;

/// Names of settings in RFC 9113, section 6.5.2, and RFC 8441.
const NAMES: [(u16, &str); 7] = [
    (1, "header_table_size"),
    (2, "enable_push"),
    (3, "max_concurrent_streams"),
    (4, "initial_window_size"),
    (5, "max_frame_size"),
    (6, "max_header_list_size"),
    (8, "enable_connect_protocol"),
];

/// Recognizes the first bytes of a peer.
pub(super) fn start(bytes: &[u8]) -> Start {
    if bytes.len() >= 4 && bytes.iter().take(4).all(|byte| byte.is_ascii_graphic()) {
        let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        return Start::Text(String::from_utf8_lossy(line).into_owned());
    }
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else { return Start::Short };
    let [high, middle, low, kind, ..] = *head;
    let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
    if kind != SETTINGS || length > LONGEST || length % 6 != 0 {
        return Start::Other;
    }
    let Some(payload) = rest.get(..length) else { return Start::Short };
    let pair = |pair: &[u8; 6]| {
        let [a, b, c, d, e, f] = *pair;
        (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))
    };
    Start::Settings(payload.as_chunks::<6>().0.iter().map(pair).collect())
}

/// The settings on one line.
pub(super) fn described(settings: &[(u16, u32)]) -> String {
    let name = |id: u16| NAMES.iter().find(|(known, _)| *known == id).map(|(_, name)| *name);
    // Unknown numbers are left out: peers send reserved ones to test others (RFC 9113, section 5.5: ignore unknown
    // settings).
    let known = settings.iter().filter_map(|(id, value)| Some(format!("{} {value}", name(*id)?)));
    match known.collect::<Vec<_>>() {
        known if known.is_empty() => "all defaults of RFC 9113".to_owned(),
        known => known.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_of_a_peer_is_recognised_by_its_first_bytes() {
        let settings = [0, 0, 12, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 250, 0, 5, 0, 0, 64, 0];
        for (bytes, expected) in [
            (&b""[..], Start::Short),
            (&settings[..8], Start::Short),
            (&settings[..20], Start::Short),
            (&settings, Start::Settings(vec![(3, 250), (5, 16384)])),
            (&[0, 0, 0, 4, 0, 0, 0, 0, 0], Start::Settings(Vec::new())),
            (&[0, 0, 5, 4, 0, 0, 0, 0, 0], Start::Other),
            (&[0, 0, 8, 6, 0, 0, 0, 0, 0], Start::Other),
            (b"HTTP/1.1 400 Bad Request\r\nServer: x", Start::Text("HTTP/1.1 400 Bad Request".to_owned())),
        ] {
            assert_eq!(start(bytes), expected, "{bytes:?}");
        }
        assert_eq!(described(&[(3, 250), (5, 16384), (0x1a2a, 1)]), "max_concurrent_streams 250, max_frame_size 16384");
        assert_eq!(described(&[]), "all defaults of RFC 9113");
    }
}

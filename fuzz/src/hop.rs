//! Client certificates in headers of proxies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use towbar::caller::hop::Format;

/// What is read of a header stands there in base64, and nothing stands there twice: a value says one thing, or nothing.
pub fn passed_certificate(data: &[u8]) {
    for format in Format::ALL {
        let Ok(Some(chain)) = format.read(data) else { continue };
        assert!(!chain.is_empty() && chain.iter().all(|one| !one.is_empty()), "{format:?}");
        assert!(chain.iter().map(|one| one.len()).sum::<usize>() < data.len(), "{format:?}: more than was written");
        if format == Format::Rfc9440 {
            let written = format!(":{}:", STANDARD.encode(&chain[0]));
            assert_eq!(data.trim_ascii(), written.as_bytes(), "another spelling");
        }
        let twice = [data, b",", data].concat();
        assert!(format == Format::Base64 || format.read(&twice).is_err(), "{format:?}: two in one value");
    }
}

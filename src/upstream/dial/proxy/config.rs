//! Parses the URL of a proxy, and loads its credentials.
//!
//! A password is kept only in [`Credentials`] and sent only in its header: no `Debug`, error or log shows it. A
//! malformed URL may have the password anywhere, so errors quote nothing of the URL.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use crate::format::problem::Problem;
use crate::format::secret::{self, Exposed, SecretSource};
use crate::upstream::dial::address::authority;

/// The configuration of an HTTP proxy through which an upstream is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// A DNS name or an IP address; IPv6 without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The credentials for the proxy.
    pub login: Login,
    /// The environment variable that names the proxy; `None` if the configuration does.
    pub variable: Option<&'static str>,
}

/// How the gateway authenticates to the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Without credentials.
    None,
    /// With this user and password.
    Given(Credentials),
    /// With the password in this file, without a line break at its end.
    File { username: String, password_file: PathBuf },
    /// With the password that is there.
    Secret { username: String, password: SecretSource },
}

/// The value of `Proxy-Authorization` with the Basic scheme (RFC 7617). It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(Vec<u8>);

/// Why a text is not a proxy URL. It quotes only known schemes, because anything else may be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The text is not of this form, or its scheme is unknown.
    #[error("expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT")]
    Form,
    /// The scheme is that of another kind of proxy.
    #[error("expected an HTTP proxy, http://HOST:PORT; `{scheme}://` proxies are not supported")]
    Scheme { scheme: &'static str },
    /// The host is empty, or has a character that no host has.
    #[error("expected a host name or an IP address (IPv6 in brackets) before the port")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("expected a port from 1 to 65535 after the host")]
    Port,
    /// Text behind the port.
    #[error("expected nothing after host and port")]
    Rest,
    /// A character in user or password makes it unclear where they end.
    #[error("the user or password has a character that must be percent-encoded: `/` is %2F, `?` %3F, `#` %23, `@` %40")]
    Unencoded,
    /// `%` without two hexadecimal digits behind it.
    #[error("the user or password has a `%` that is not followed by two hexadecimal digits; write `%` itself as %25")]
    Percent,
    /// The user or password cannot be sent.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// Why a user or password cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// A colon in the user name. RFC 7617, section 2: the first colon ends the user name.
    #[error("a user name must not contain a colon (RFC 7617)")]
    Colon,
    /// A control character (RFC 7617, section 2).
    #[error("user and password must not contain control characters (RFC 7617)")]
    Control,
}

/// The schemes of proxies that are not supported.
const OTHER_SCHEMES: [&str; 6] = ["https", "socks", "socks4", "socks4a", "socks5", "socks5h"];

impl FromStr for ProxyConfig {
    type Err = ProxyError;

    /// Parses `http://HOST:PORT`, with or without `USER:PASSWORD@` before the host. The port defaults to 80. As in
    /// other programs, `http://` may be left out.
    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => {
                let other = OTHER_SCHEMES.into_iter().find(|other| scheme.eq_ignore_ascii_case(other));
                return Err(other.map_or(ProxyError::Form, |scheme| ProxyError::Scheme { scheme }));
            }
            None => text,
        };
        let (login, place) = match rest.rsplit_once('@') {
            Some(("", place)) => (Login::None, place),
            Some((login, place)) => (Login::Given(Credentials::decoded(login)?), place),
            None => (Login::None, rest),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '#']) {
            return Err(ProxyError::Rest);
        }
        let (host, port) = split(place)?;
        Ok(Self { host: host.to_owned(), port, login, variable: None })
    }
}

/// Splits host and port.
fn split(place: &str) -> Result<(&str, u16), ProxyError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or(ProxyError::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| ProxyError::Host)?;
            (host, port)
        }
        None => {
            let (host, port) = place.split_at(place.find(':').unwrap_or(place.len()));
            let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if host.is_empty() || !host.bytes().all(is_part) {
                return Err(ProxyError::Host);
            }
            (host, port)
        }
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => 80,
        None => return Err(ProxyError::Host),
        Some(digits) if !digits.bytes().all(|byte| byte.is_ascii_digit()) => return Err(ProxyError::Port),
        Some(digits) => digits.parse().ok().filter(|port| *port > 0).ok_or(ProxyError::Port)?,
    };
    Ok((host, port))
}

impl ProxyConfig {
    /// The file with the password, if there is one.
    #[must_use]
    pub fn password_file(&self) -> Option<&Path> {
        match &self.login {
            Login::File { password_file, .. } => Some(password_file),
            Login::Secret { password, .. } => password.path(),
            Login::None | Login::Given(_) => None,
        }
    }

    /// Whether others may read the file with the password.
    #[must_use]
    pub fn exposed(&self) -> Option<Exposed> {
        secret::exposed(self.password_file()?)
    }
}

impl Credentials {
    fn new(user: &[u8], password: &[u8]) -> Result<Self, CredentialsError> {
        if user.contains(&b':') {
            return Err(CredentialsError::Colon);
        }
        if user.iter().chain(password).any(u8::is_ascii_control) {
            return Err(CredentialsError::Control);
        }
        Ok(Self(format!("Basic {}", STANDARD.encode([user, b":", password].concat())).into_bytes()))
    }

    /// Decodes `USER:PASSWORD` or `USER`, percent-encoded.
    fn decoded(text: &str) -> Result<Self, ProxyError> {
        if text.contains(['/', '?', '#', '@']) {
            return Err(ProxyError::Unencoded);
        }
        let is_encoded = |part: &str| part.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !text.split('%').skip(1).all(is_encoded) {
            return Err(ProxyError::Percent);
        }
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decode = |part| percent_decode_str(part).collect::<Vec<u8>>();
        Ok(Self::new(&decode(user), &decode(password))?)
    }

    /// The value of the `Proxy-Authorization` header.
    pub(crate) fn header(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// A proxy that opens tunnels with CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// A DNS name or an IP address; IPv6 without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credentials: Option<Credentials>,
    /// The environment variable that names the proxy; `None` if the configuration does.
    pub(crate) variable: Option<&'static str>,
}

impl fmt::Display for Proxy {
    /// Written as `host:port`, with the environment variable that names it; never with credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&authority(&self.host, self.port))?;
        self.variable.map_or(Ok(()), |variable| write!(f, " ({variable})"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl Proxy {
    /// Makes the proxy ready for use: reads the file with the password.
    ///
    /// # Errors
    /// The file cannot be read, or its password cannot be sent.
    pub fn load(config: &ProxyConfig) -> Result<Self, Problem> {
        let credentials = match &config.login {
            Login::None => None,
            Login::Given(credentials) => Some(credentials.clone()),
            Login::Secret { username, password } => {
                let credentials = Credentials::new(username.as_bytes(), password.load()?.bytes());
                Some(credentials.map_err(|error| Problem::at(password.place(), error))?)
            }
            Login::File { username, password_file } => {
                let wrong = |message: String| Problem::at(password_file.display(), message);
                let contents = secret::read(password_file).map_err(|error| wrong(error.to_string()))?;
                let password = secret::line(contents.bytes());
                if password.is_empty() {
                    return Err(wrong("expected the password of the proxy, found an empty file".to_owned()));
                }
                let credentials = Credentials::new(username.as_bytes(), password);
                Some(credentials.map_err(|error| wrong(error.to_string()))?)
            }
        };
        Ok(Self { host: config.host.clone(), port: config.port, credentials, variable: config.variable })
    }
}

impl fmt::Display for ProxyConfig {
    /// Written as `host:port`, never with credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&authority(&self.host, self.port))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The credentials that are sent for a URL.
    fn sent(text: &str) -> Option<String> {
        match text.parse::<ProxyConfig>().unwrap().login {
            Login::Given(Credentials(header)) => {
                let header = String::from_utf8(header).unwrap();
                let decoded = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
                Some(String::from_utf8(decoded).unwrap())
            }
            _ => None,
        }
    }

    #[test]
    fn a_proxy_has_host_and_port_and_may_have_user_and_password() {
        for (text, place, login) in [
            ("http://proxy.corp:3128", "proxy.corp:3128", None),
            ("http://proxy.corp:3128/", "proxy.corp:3128", None),
            ("HTTP://10.0.0.1", "10.0.0.1:80", None),
            ("proxy_1.corp:8080", "proxy_1.corp:8080", None),
            ("http://[fd00::1]:3128", "[fd00::1]:3128", None),
            ("http://@proxy:1", "proxy:1", None),
            ("http://ann:secret@proxy:1", "proxy:1", Some("ann:secret")),
            ("ann:secret@proxy:1", "proxy:1", Some("ann:secret")),
            ("http://ann@proxy:1", "proxy:1", Some("ann:")),
            ("http://ann:@proxy:1", "proxy:1", Some("ann:")),
            ("http://ann:a:b@proxy:1", "proxy:1", Some("ann:a:b")),
            ("http://a%40corp:p%2Fw%3A%25%C3%A9@[::1]:1", "[::1]:1", Some("a@corp:p/w:%é")),
        ] {
            let config: ProxyConfig = text.parse().unwrap();
            assert_eq!((config.to_string().as_str(), sent(text).as_deref()), (place, login), "{text}");
        }
    }

    #[test]
    fn an_invalid_proxy_is_reported_with_what_was_expected_and_without_quoting_it() {
        let form = "expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";
        let host = "expected a host name or an IP address (IPv6 in brackets) before the port";
        let port = "expected a port from 1 to 65535 after the host";
        let rest = "expected nothing after host and port";
        let unencoded =
            "the user or password has a character that must be percent-encoded: `/` is %2F, `?` %3F, `#` %23, `@` %40";
        let percent =
            "the user or password has a `%` that is not followed by two hexadecimal digits; write `%` itself as %25";
        for (text, message) in [
            ("ftp://u:secret@proxy:1", form),
            ("u:secret://proxy:1", form),
            (
                "https://u:secret@proxy:1",
                "expected an HTTP proxy, http://HOST:PORT; `https://` proxies are not supported",
            ),
            ("socks5h://proxy:1", "expected an HTTP proxy, http://HOST:PORT; `socks5h://` proxies are not supported"),
            ("http://", host),
            ("http://:3128", host),
            ("http://u:secret@:3128", host),
            ("http://pro xy:1", host),
            ("http://proxy\r\nX:1", host),
            ("http://[fd00::1:3128", host),
            ("http://[secret]:3128", host),
            ("http://[::1]3128", host),
            ("http://proxy:0", port),
            ("http://proxy:", port),
            ("http://proxy:+1", port),
            ("http://proxy:65536", port),
            ("http://u:secret", port),
            ("http://proxy:1/secret", rest),
            ("http://proxy:1?secret", rest),
            ("http://u:sec/ret@proxy:1", unencoded),
            ("http://u:sec#ret@proxy:1", unencoded),
            ("http://u:sec?ret@proxy:1", unencoded),
            ("http://u:sec@ret@proxy:1", unencoded),
            ("http://u:secret%@proxy:1", percent),
            ("http://u:secret%2@proxy:1", percent),
            ("http://u%g0:secret@proxy:1", percent),
            ("http://u:secret%0A@proxy:1", "user and password must not contain control characters (RFC 7617)"),
            ("http://u%3Av:secret@proxy:1", "a user name must not contain a colon (RFC 7617)"),
        ] {
            let error = text.parse::<ProxyConfig>().unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
            assert!(!format!("{error:?} {error}").contains("sec"), "{text}");
        }
    }

    #[test]
    fn a_proxy_password_is_read_from_a_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let login = |username: &str| Login::File { username: username.to_owned(), password_file: file.clone() };
        let config =
            |username| ProxyConfig { host: "proxy".to_owned(), port: 1, login: login(username), variable: None };
        for (bytes, header) in [
            (&b"secret"[..], "Basic YW5uOnNlY3JldA=="),
            (b"secret\n", "Basic YW5uOnNlY3JldA=="),
            (b"secret\r\n", "Basic YW5uOnNlY3JldA=="),
            (b"\xef\xbb\xbfsecret\r\n", "Basic YW5uOnNlY3JldA=="),
            (b" s \xe9", "Basic YW5uOiBzIOk="),
        ] {
            fs::write(&file, bytes).unwrap();
            let proxy = Proxy::load(&config("ann")).unwrap();
            assert_eq!(proxy.credentials.as_ref().map(Credentials::header), Some(header.as_bytes()), "{bytes:?}");
            assert_eq!(
                format!("{proxy:?} {proxy} {:?}", proxy.credentials),
                "Proxy(proxy:1) proxy:1 Some(Credentials(..))"
            );
        }
        let given: ProxyConfig = "http://ann:secret@proxy:1".parse().unwrap();
        assert_eq!(
            format!("{given:?} {given}"),
            "ProxyConfig { host: \"proxy\", port: 1, login: Given(Credentials(..)), variable: None } proxy:1"
        );
        for (bytes, username, message) in [
            (&b"\n"[..], "ann", "expected the password of the proxy, found an empty file"),
            (b"secret\nsecret\n", "ann", "user and password must not contain control characters (RFC 7617)"),
            (b"secret", "an:n", "a user name must not contain a colon (RFC 7617)"),
        ] {
            fs::write(&file, bytes).unwrap();
            let problem = Proxy::load(&config(username)).unwrap_err();
            assert_eq!(problem, Problem::at(file.display(), message));
        }
        fs::remove_file(&file).unwrap();
        let problem = Proxy::load(&config("ann")).unwrap_err();
        assert_eq!(problem, Problem::at(file.display(), "No such file or directory (os error 2)"));
    }
}

//! Fetches the keys of a token issuer from the URL at which it publishes them.

use std::time::Duration;

use bytes::Bytes;

use crate::caller::token::{Json, KeySet, LARGEST_SET, Object};
use crate::config::{KeyPlace, KeyServer};
use crate::format::problem::Problem;
use crate::upstream::{Document, DocumentUrl, Fetcher};

/// A JWK Set at a URL, or the discovery document that leads to one.
pub struct KeySource {
    /// The `iss` that a discovery document must name.
    issuer: String,
    place: KeyPlace,
    fetcher: Fetcher,
}

/// The keys that an issuer publishes.
pub struct FetchedKeys {
    /// The document as received.
    pub(super) set: Bytes,
    pub keys: KeySet,
    /// The `max-age` of the response.
    pub max_age: Option<Duration>,
}

impl KeySource {
    /// Reads the files for TLS and the proxy. `issuer` is the `iss` of the tokens.
    ///
    /// # Errors
    /// All problems with these files.
    pub fn new(server: &KeyServer, issuer: &str) -> Result<Self, Vec<Problem>> {
        let fetcher = Fetcher::new(&server.fetch)?;
        Ok(Self { issuer: issuer.to_owned(), place: server.place.clone(), fetcher })
    }

    /// Fetches the keys.
    ///
    /// # Errors
    /// The URL, and what failed there.
    pub async fn fetch(&self) -> Result<FetchedKeys, String> {
        let url = match &self.place {
            KeyPlace::Url(url) => url.clone(),
            KeyPlace::Discovery(url) => {
                let Document { bytes, .. } = self.get(url).await?;
                discovered(&bytes, &self.issuer).map_err(|problem| format!("{url}: {problem}"))?
            }
        };
        let Document { bytes: set, max_age } = self.get(&url).await?;
        match KeySet::parse(&set) {
            Ok(keys) => Ok(FetchedKeys { set, keys, max_age }),
            Err(error) => Err(format!("{url}: {error}")),
        }
    }

    async fn get(&self, url: &DocumentUrl) -> Result<Document, String> {
        self.fetcher.fetch(url, LARGEST_SET).await.map_err(|problem| format!("{url}: {problem}"))
    }
}

/// OpenID Connect Discovery 1.0, section 4.3: the document must name this issuer.
fn discovered(document: &[u8], issuer: &str) -> Result<DocumentUrl, String> {
    let document = Object::parse(document).map_err(|error| error.to_string())?;
    if document.member("issuer").and_then(Json::text) != Some(issuer) {
        return Err("its `issuer` is not the configured one".to_owned());
    }
    let url = document.member("jwks_uri").and_then(Json::text).ok_or("it has no `jwks_uri`")?;
    DocumentUrl::parse(url).map_err(|_| "its `jwks_uri` is not an `https` URL".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discovery_document_must_match_the_issuer_and_name_an_https_url_for_keys() {
        let issuer = "https://id.bank.test";
        let other = "its `issuer` is not the configured one";
        let no_url = "its `jwks_uri` is not an `https` URL";
        for (document, expected) in [
            (
                r#"{"issuer":"https://id.bank.test","jwks_uri":"https://keys.bank.test/a"}"#,
                Ok("https://keys.bank.test:443/a"),
            ),
            (r#"{"issuer":"https://id.bank.test/","jwks_uri":"https://keys.bank.test/a"}"#, Err(other)),
            (r#"{"issuer":["https://id.bank.test"],"jwks_uri":"https://keys.bank.test/a"}"#, Err(other)),
            (r#"{"jwks_uri":"https://keys.bank.test/a"}"#, Err(other)),
            (r#"{"issuer":"https://id.bank.test"}"#, Err("it has no `jwks_uri`")),
            (r#"{"issuer":"https://id.bank.test","jwks_uri":"http://keys.bank.test/a"}"#, Err(no_url)),
            (r#"{"issuer":"https://id.bank.test","jwks_uri":"file:///keys"}"#, Err(no_url)),
        ] {
            let found = discovered(document.as_bytes(), issuer).map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected.map_err(str::to_owned).as_ref().copied(), "{document}");
        }
        for document in ["", "[]", "<html>", r#"{"issuer":"a","issuer":"https://id.bank.test"}"#] {
            assert!(discovered(document.as_bytes(), issuer).is_err(), "{document}");
        }
    }
}

//! Finds the credentials of a request: in one `Authorization` header, and never in its target.

use http::header::AUTHORIZATION;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::denied::Denied;
use crate::schema::Message;

/// The query parameter of RFC 6750, section 2.3, which FAPI 2.0, section 5.3, forbids.
const QUERY_KEY: &str = "access_token";

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// RFC 6750.
    Bearer,
    /// RFC 9449, section 7.1.
    Dpop,
}

/// The token of a request, and how it is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Credentials<'h> {
    pub(super) scheme: Scheme,
    pub(super) token: &'h str,
}

impl<'h> Credentials<'h> {
    /// Reads the credentials of a request.
    ///
    /// # Errors
    /// There is no access token, or there are several credentials.
    pub(super) fn of(head: &'h Parts) -> Result<Self, Denied> {
        let mut values = head.headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Denied::NoCredentials)?.as_bytes();
        if values.next().is_some() {
            return Err(Denied::SeveralCredentials);
        }
        let end = value.iter().position(|&byte| byte == b' ').unwrap_or(value.len());
        let scheme = Scheme::parse(&value[..end]).ok_or(Denied::OtherScheme)?;
        let token = value.get(end + 1..).and_then(|token| std::str::from_utf8(token).ok());
        let token = token.filter(|token| is_token(token)).ok_or(Denied::NoToken)?;
        Ok(Self { scheme, token })
    }
}

impl Scheme {
    fn parse(name: &[u8]) -> Option<Self> {
        match name {
            name if name.eq_ignore_ascii_case(b"bearer") => Some(Self::Bearer),
            name if name.eq_ignore_ascii_case(b"dpop") => Some(Self::Dpop),
            _ => None,
        }
    }

    /// The scheme of a request, whether or not its credentials are right.
    pub(super) fn of(head: &Parts) -> Option<Self> {
        let value = head.headers.get(AUTHORIZATION)?.as_bytes();
        Self::parse(value.split(|&byte| byte == b' ').next()?)
    }
}

/// Whether the text has the syntax of a token: RFC 6750, section 2.1, `b64token`.
fn is_token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// Rejects an access token in the query, before anything else reads the query. A request message that has a field of
/// this name may be sent one.
///
/// # Errors
/// The query has an access token.
pub(super) fn refuse_in_query(head: &Parts, request: &Message) -> Result<(), Denied> {
    let Some(query) = head.uri.query() else { return Ok(()) };
    let is_there = query.split('&').any(|pair| {
        let key = pair.split('=').next().unwrap_or_default();
        key == QUERY_KEY || (key.contains('%') && percent_decode_str(key).eq(QUERY_KEY.bytes()))
    });
    if is_there && request.field(QUERY_KEY).is_none() { Err(Denied::TokenInQuery) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::schema::schema_of;

    fn head(values: &[&str], uri: &str) -> Parts {
        let request =
            values.iter().fold(Request::builder().uri(uri), |request, value| request.header(AUTHORIZATION, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn an_access_token_is_read_only_from_a_single_well_formed_authorization_header() {
        let (bearer, dpop) = (Scheme::Bearer, Scheme::Dpop);
        let token = |scheme, token| Ok(Credentials { scheme, token });
        for (values, expected) in [
            (&["Bearer a.b.c"][..], token(bearer, "a.b.c")),
            (&["bEARER a-._~+/9=="], token(bearer, "a-._~+/9==")),
            (&["DPoP a.b.c"], token(dpop, "a.b.c")),
            (&["dpop a"], token(dpop, "a")),
            (&[], Err(Denied::NoCredentials)),
            (&["Bearer a", "Bearer a"], Err(Denied::SeveralCredentials)),
            (&["DPoP a", "Bearer a"], Err(Denied::SeveralCredentials)),
            (&["Basic YTpi"], Err(Denied::OtherScheme)),
            (&["a.b.c"], Err(Denied::OtherScheme)),
            (&[""], Err(Denied::OtherScheme)),
            (&["Bearer\ta"], Err(Denied::OtherScheme)),
            (&["DPoP"], Err(Denied::NoToken)),
            (&["Bearer"], Err(Denied::NoToken)),
            (&["Bearer "], Err(Denied::NoToken)),
            (&["Bearer  a"], Err(Denied::NoToken)),
            (&["Bearer a b"], Err(Denied::NoToken)),
            (&["Bearer a,b"], Err(Denied::NoToken)),
            (&["Bearer a, Bearer b"], Err(Denied::NoToken)),
            (&["Bearer =="], Err(Denied::NoToken)),
            (&["Bearer \"a\""], Err(Denied::NoToken)),
        ] {
            assert_eq!(Credentials::of(&head(values, "/")), expected, "{values:?}");
        }
    }

    #[test]
    fn an_access_token_in_the_query_is_refused_unless_the_message_has_that_field() {
        let proto =
            "syntax = \"proto3\"; package t; message A { string id = 1; } message B { string access_token = 1; }";
        let schema = schema_of(proto).unwrap();
        for (uri, is_refused) in [
            ("/", false),
            ("/?id=1", false),
            ("/?access_tokens=1", false),
            ("/?id=access_token", false),
            ("/?access_token=a", true),
            ("/?id=1&access_token", true),
            ("/?access%5Ftoken=a", true),
            ("/?%61ccess_token=a", true),
        ] {
            let head = head(&[], uri);
            assert_eq!(refuse_in_query(&head, &schema.message("t.A").unwrap()).is_err(), is_refused, "{uri}");
            assert_eq!(refuse_in_query(&head, &schema.message("t.B").unwrap()), Ok(()), "{uri}");
        }
    }
}

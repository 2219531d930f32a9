//! `callers`, and what rpcs require of their callers.

use super::{Overrides, config, load_text};
use crate::caller::token::Algorithm;
use crate::route::policy::{Binding, ClaimDemand, Layer as _, Require, TokenDemand};

const REST: &str = "schema: p\nupstream: http://bank\n";
const ISSUER: &str = "callers:\n  issuers:\n    a: {issuer: https://a, audience: x, keys: a.json}\n";

#[test]
fn configured_issuers_make_a_token_required_unless_require_says_otherwise() {
    let token = Require::Token(TokenDemand::default());
    for (callers, all) in [
        ("", Require::Nothing),
        (ISSUER, token.clone()),
        (&format!("{ISSUER}  require: token\n"), token),
        (&format!("{ISSUER}  require: none\n"), Require::Nothing),
    ] {
        assert_eq!(config(&format!("{REST}{callers}")).routes.policy.require, all, "{callers}");
    }
    let rpcs = "  dpop: {url: 'https://a'}\nrpcs:\n  a.B:\n    require: {issuers: [a], scopes: s, claims: {acr: [1, high]}, authorization_details: [d, e], bound_to: [certificate, dpop]}\n  \
                c.D: {require: none}\n";
    let config = config(&format!("{REST}{ISSUER}{rpcs}"));
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let demand = Require::Token(TokenDemand {
        issuers: texts(&["a"]),
        scopes: texts(&["s"]),
        claims: vec![ClaimDemand { name: "acr".to_owned(), values: texts(&["1", "high"]) }],
        authorization_details: texts(&["d", "e"]),
        bindings: vec![Binding::Certificate, Binding::Key],
    });
    let all = &config.routes.policy;
    assert_eq!(all.with(&config.rpcs[0].policy).require, demand);
    assert_eq!(all.with(&config.rpcs[1].policy).require, Require::Nothing);
    assert_eq!(
        demand.to_string(),
        "a token, issuer a, scopes s, authorization_details d e, acr 1 high, bound to the client certificate or a key (DPoP)"
    );
}

#[test]
fn an_issuer_is_read_with_its_defaults() {
    let config = config(&format!("{REST}{ISSUER}  leeway: 0s\n  realm: b c\n"));
    let callers = config.callers.as_ref().unwrap();
    let issuer = &callers.issuers[0].config;
    assert_eq!(
        (issuer.name.as_str(), issuer.issuer.as_str(), issuer.scope_claim.as_str()),
        ("a", "https://a", "scope")
    );
    assert_eq!(issuer.algorithms, [Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa]);
    assert_eq!((issuer.types.listed.as_slice(), issuer.types.none), (&["at+jwt".to_owned()][..], false));
    assert_eq!((callers.rules.leeway, callers.realm.as_str()), (0, "b c"));
    assert_eq!(callers.dpop, None);
    assert!(config.files().iter().any(|file| file.ends_with("a.json")));
}

#[test]
fn dpop_settings_are_read_with_their_defaults() {
    let dpop = |text: &str| {
        let config = config(&format!("{REST}{ISSUER}  leeway: 2s\n  dpop: {text}\n"));
        config.callers.and_then(|callers| callers.dpop).unwrap()
    };
    let found = dpop("{url: 'https://api.bank.test/ob/'}");
    assert_eq!(found.urls.iter().map(ToString::to_string).collect::<Vec<_>>(), ["https://api.bank.test/ob"]);
    assert_eq!(found.algorithms, Algorithm::DEFAULT);
    assert_eq!((found.max_age, found.leeway, found.max_proofs, found.nonce), (60, 2, 1_000_000, false));
    let found = dpop("{url: ['https://a', 'https://b'], algorithms: ES256, max_age: 5s, max_proofs: 7, nonce: true}");
    assert_eq!((found.urls.len(), found.algorithms.as_slice()), (2, &[Algorithm::Es256][..]));
    assert_eq!((found.max_age, found.max_proofs, found.nonce), (5, 7, true));
}

#[test]
fn every_problem_of_the_callers_section_is_reported_with_its_position() {
    for (text, problems) in [
        ("callers: {}\n", &["towbar.yaml:3:1: callers: `issuers` is missing: whose access tokens are taken"][..]),
        ("callers: {issuers: {}}\n", &["towbar.yaml:3:11: issuers: expected issuers by their names, got none"]),
        (
            "callers: {issuers: {a: {}}}\n",
            &[
                "towbar.yaml:3:21: a: `issuer` is missing: the `iss` of its tokens",
                "towbar.yaml:3:21: a: `audience` is missing: the `aud` that stands for this API in its tokens",
                "towbar.yaml:3:21: a: `keys` is missing: a file with its JWK Set, the `https` URL of it, or `discovery`",
            ],
        ),
        (
            &format!("{ISSUER}    b: {{issuer: https://a, audience: y, keys: b.json}}\n"),
            &["towbar.yaml:6:5: b: `a` has the same `issuer`"],
        ),
        (
            &format!("{ISSUER}    b: {{issuer: https://b, audience: y, keys: b.json, algorithms: [HS256, none]}}\n"),
            &[
                "towbar.yaml:6:68: algorithms: expected `PS256`, `ES256`, `EdDSA` or `RS256`, got `HS256`",
                "towbar.yaml:6:75: algorithms: expected `PS256`, `ES256`, `EdDSA` or `RS256`, got `none`",
            ],
        ),
        (
            "callers: {issuers: {a: {issuer: https://a, audience: x, keys: 'http://a/jwks'}}}\n",
            &["towbar.yaml:3:63: keys: expected a URL such as `https://id.bank.example/jwks`, got `http://a/jwks`"],
        ),
        (
            "callers: {issuers: {a: {issuer: a, audience: x, keys: discovery}}}\n",
            &["towbar.yaml:3:55: keys: `discovery` needs an `issuer` that is an `https` URL, got `a`"],
        ),
        (
            "callers: {issuers: {a: {issuer: a, audience: x, keys: {}}}}\n",
            &["towbar.yaml:3:49: keys: `url` is missing: an `https` URL or `discovery`"],
        ),
        (
            &format!(
                "{ISSUER}  require: {{bound_to: dpop}}\nrpcs: {{a.B: {{require: {{bound_to: [certificate, dpop]}}}}}}\n"
            ),
            &[
                "towbar.yaml:6:3: require: `bound_to: dpop` needs `callers.dpop`",
                "towbar.yaml:7:14: require: `bound_to: dpop` needs `callers.dpop`",
            ],
        ),
        (
            &format!("{ISSUER}  dpop: {{}}\n"),
            &["towbar.yaml:6:3: dpop: `url` is missing: the URL that callers use for this API"],
        ),
        (
            &format!("{ISSUER}  dpop: {{url: 'http://a', max_age: 10m, max_proofs: 0, algorithms: HS256}}\n"),
            &[
                "towbar.yaml:6:15: url: expected a URL such as `https://api.bank.example`, got `http://a`",
                "towbar.yaml:6:36: max_age: expected 1s to 300s, got `10m`",
                "towbar.yaml:6:53: max_proofs: expected a number from 1 to 20000000, found `0`",
                "towbar.yaml:6:68: algorithms: expected `PS256`, `ES256`, `EdDSA` or `RS256`, got `HS256`",
            ],
        ),
        (
            &format!("{ISSUER}  leeway: 11s\n  realm: 'a\"b'\n"),
            &[
                "towbar.yaml:6:11: leeway: expected whole seconds from 0s to 10s, got `11s`",
                "towbar.yaml:7:10: realm: expected printable ASCII without quotes and backslashes, got `a\"b`",
            ],
        ),
        (
            &format!("{ISSUER}  require: {{scopes: 'a b', bound_to: tls, issuers: z}}\n"),
            &[
                "towbar.yaml:6:3: require: expected names under `callers.issuers` (`a`), got `z`",
                "towbar.yaml:6:21: scopes: expected a scope without spaces, quotes and backslashes, got `a b`; several scopes are a list",
                "towbar.yaml:6:38: bound_to: expected `certificate` or `dpop`, got `tls`",
            ],
        ),
        (
            &format!(
                "metadata: {{request: [x-a], caller: {{address: x-b}}}}\n{ISSUER}  metadata: {{sub: x-a, aud: authorization, iss: x-b, azp: x-c, acr: x-c, amr: grpc-x}}\n"
            ),
            &[
                "towbar.yaml:7:19: sub: `x-a` comes from callers: what they say of themselves would be taken for what is verified",
                "towbar.yaml:7:29: aud: `authorization` comes from callers: what they say of themselves would be taken for what is verified",
                "towbar.yaml:7:49: iss: `x-b` is the name of something else already",
                "towbar.yaml:7:69: acr: `x-c` is the name of something else already",
                "towbar.yaml:7:79: amr: `grpc-x` is reserved by gRPC and is never forwarded",
            ],
        ),
        (
            "rpcs: {a.B: {require: token}, c.D: {require: none}}\n",
            &["towbar.yaml:3:23: require: nobody's tokens are taken: name an issuer under `callers.issuers`"],
        ),
        (
            &format!(
                "{ISSUER}rpcs: {{a.B: {{require: {{issuers: [a, b]}}}}, c.D: {{require: some}}, e.F: {{require: {{claims: {{}}}}}}}}\n"
            ),
            &[
                "towbar.yaml:6:14: require: expected names under `callers.issuers` (`a`), got `b`",
                "towbar.yaml:6:58: require: expected `token`, `none` or a map of what a token must have, got `some`",
                "towbar.yaml:6:81: claims: expected claims by their names, got none",
            ],
        ),
    ] {
        let (_, found) = load_text(&format!("{REST}{text}"), &Overrides::default());
        assert_eq!(found, problems, "{text}");
    }
}

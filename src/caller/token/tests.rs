//! Signatures of the test vectors in the standards, and key sets.

use super::algorithm::Algorithm;
use super::keys::{KeyError, KeySet, KeySetError};

/// RFC 7515, appendixes A.2 and A.3, and RFC 8037, appendix A.4.
const RS256_KEY: &str = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
const RS256_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const ES256_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
const ES256_TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const EDDSA_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const EDDSA_TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn set(keys: &[&str]) -> Result<KeySet, KeySetError> {
    KeySet::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
}

#[test]
fn the_example_tokens_of_the_rfcs_verify_only_with_their_own_key_and_algorithm() {
    let keys = set(&[RS256_KEY, ES256_KEY, EDDSA_KEY]).unwrap();
    let all = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ps256];
    for (token, own) in
        [(RS256_TOKEN, Algorithm::Rs256), (ES256_TOKEN, Algorithm::Es256), (EDDSA_TOKEN, Algorithm::EdDsa)]
    {
        let (message, signature) = token.rsplit_once('.').unwrap();
        for algorithm in all {
            let key = keys.key(None, algorithm).unwrap();
            assert_eq!(
                key.verifies(signature, message.as_bytes(), algorithm),
                algorithm == own,
                "{own:?} {algorithm:?}"
            );
        }
        let key = keys.key(None, own).unwrap();
        for at in 0..message.len() {
            let mut other = message.as_bytes().to_vec();
            other[at] ^= 1;
            assert!(!key.verifies(signature, &other, own), "{own:?} {at}");
        }
        assert!(!key.verifies("", message.as_bytes(), own));
        assert!(!key.verifies(&signature[4..], message.as_bytes(), own));
        assert!(!key.verifies(&format!("{signature}AAAA"), message.as_bytes(), own));
    }
    // Values for r and s of zero, or not below the order of the curve (as in CVE-2022-21449).
    let (message, _) = ES256_TOKEN.rsplit_once('.').unwrap();
    for byte in ["AA", "__"] {
        let signature = format!("{}{}", byte.repeat(42), if byte == "AA" { "AA" } else { "_w" });
        assert!(!keys.key(None, Algorithm::Es256).unwrap().verifies(&signature, message.as_bytes(), Algorithm::Es256));
    }
}

#[test]
fn a_key_is_found_by_its_kid_and_algorithm() {
    let named = |key: &str, more: &str| key.replacen('{', &format!("{{{more},"), 1);
    let (one, two) =
        (named(ES256_KEY, r#""kid":"1""#), named(ES256_KEY, r#""kid":"2","use":"sig","key_ops":["verify"]"#));
    let rsa = named(RS256_KEY, r#""kid":"1","alg":"PS256""#);
    let keys = set(&[&one, &two, &rsa]).unwrap();
    for (id, algorithm, is_found) in [
        (Some("1"), Algorithm::Es256, true),
        (Some("2"), Algorithm::Es256, true),
        (Some("3"), Algorithm::Es256, false),
        (None, Algorithm::Es256, false),
        (Some("1"), Algorithm::Ps256, true),
        (None, Algorithm::Ps256, true),
        (Some("1"), Algorithm::Rs256, false),
        (Some("2"), Algorithm::Ps256, false),
        (Some("1"), Algorithm::EdDsa, false),
    ] {
        assert_eq!(keys.key(id, algorithm).is_some(), is_found, "{id:?} {algorithm:?}");
    }
}

#[test]
fn keys_for_other_purposes_are_ignored() {
    let other = [
        r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#,
        r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#,
        r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#,
        r#"{"kty":"LWE"}"#,
        r#"{"kty":"RSA","use":"enc","n":"AA","e":"AQAB"}"#,
        r#"{"kty":"RSA","key_ops":["encrypt"],"n":"AA","e":"AQAB"}"#,
        r#"{"kty":"RSA","alg":"RSA-OAEP","n":"AA","e":"AQAB"}"#,
    ];
    assert_eq!(set(&[&other[..], &[ES256_KEY]].concat()).unwrap().len(), 1);
    assert_eq!(set(&other).err(), Some(KeySetError::NoneUsable));
}

#[test]
fn an_invalid_key_set_is_refused_with_the_reason() {
    let short = RS256_KEY.replace(&RS256_KEY[50..240], "");
    let key = |problem| KeySetError::Key { place: 1, problem };
    for (second, error) in [
        ("7", key(KeyError::NoJwk)),
        ("{}", key(KeyError::NoJwk)),
        (r#"{"kty":"oct","k":"c2VjcmV0"}"#, key(KeyError::Secret("k"))),
        (&EDDSA_KEY.replacen('{', r#"{"d":"AA","#, 1), key(KeyError::Secret("d"))),
        (r#"{"kty":"EC","crv":"P-521","d":"AA"}"#, key(KeyError::Secret("d"))),
        (&EDDSA_KEY.replacen("11q", "11q=", 1), key(KeyError::Parameter("x"))),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#, key(KeyError::Parameter("x"))),
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}"#,
            key(KeyError::Parameter("y")),
        ),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, key(KeyError::RsaSize(17))),
        (&RS256_KEY.replace("AQAB", "AQ"), key(KeyError::Parameter("e"))),
        (&RS256_KEY.replace("AQAB", "AA"), key(KeyError::Parameter("e"))),
        (&EDDSA_KEY.replacen('{', r#"{"kid":7,"#, 1), key(KeyError::Identifier)),
        (ES256_KEY, key(KeyError::Ambiguous)),
    ] {
        assert_eq!(set(&[ES256_KEY, second]).err(), Some(error), "{second}");
    }
    assert!(matches!(set(&[ES256_KEY, &short]).err(), Some(KeySetError::Key { place: 1, .. })), "{short}");
    assert_eq!(KeySet::parse(b"{}").err(), Some(KeySetError::NoKeys));
    assert_eq!(KeySet::parse(&vec![b' '; super::LARGEST_SET + 1]).err(), Some(KeySetError::TooLarge));
    assert!(matches!(KeySet::parse(b"{\"keys\":[],\"keys\":[]}").err(), Some(KeySetError::Json(_))));
    assert_eq!(set(&[EDDSA_KEY; 101]).err(), Some(KeySetError::TooMany(101)));
}

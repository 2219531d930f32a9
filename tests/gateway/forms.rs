//! Forms over HTTP: where they are taken, and where they are no type of a body.

use towbar::cli::demo::bank::SampleBank;

use crate::support::{Stage, replaced};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

#[test]
fn form_bodies_are_accepted_unless_forms_are_off() {
    let form = Some(&b"value=Wm05&category=ACCOUNT_INFO"[..]);
    let stage = Stage::sample();
    let put = stage.send("PUT", "/storage/k", &[FORM], form);
    assert_eq!(put.status, 200, "{put:?}");
    assert_eq!(stage.get("/storage/k").body, r#"{"value":"Wm05"}"#);
    let with_charset = ("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8");
    assert_eq!(stage.send("PUT", "/storage/k", &[with_charset], form).status, 200);
    let wrong = stage.send("PUT", "/storage/k", &[FORM], Some(b"value=Wm05&colour=red"));
    assert_eq!((wrong.status, wrong.refusal().1), (400, "unknown form field \"colour\"".to_owned()));
    let none = stage.send("POST", "/accounts/balance", &[FORM], Some(b"a=b"));
    assert_eq!(none.status, 405);

    let off = |config| replaced(config, "requests:\n", "requests:\n  forms: false\n");
    let stage = Stage::altered(SampleBank::new().routes().into_axum_router(), off);
    let refused = stage.send("PUT", "/storage/k", &[FORM], form);
    let message = "Content-Type application/x-www-form-urlencoded (the default of curl -d) is not supported here; send Content-Type: application/json";
    assert_eq!((refused.status, refused.refusal().1.as_str()), (415, message));
}

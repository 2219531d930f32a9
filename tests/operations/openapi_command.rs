//! `towbar openapi`, as an operator runs it.

use crate::support::folder::{Folder, NOBODY, get_with};

#[test]
fn diff_prints_changes_that_break_callers_and_exits_with_code_1() {
    let folder = Folder::new();
    folder.write("shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: shop\nupstream: {NOBODY}\n"));
    for (format, file) in [("yaml", "old.yaml"), ("json", "old.json")] {
        let printed = folder.run(&["openapi", "--config", "towbar.yaml", "--format", format]);
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        folder.write(file, printed.stdout);
    }
    let diff = |old: &str| {
        let ended = folder.run(&["openapi", "--config", "towbar.yaml", "--diff", old]);
        (ended.code, ended.stdout, ended.stderr)
    };
    assert_eq!(diff("old.yaml"), (Some(0), String::new(), String::new()));
    folder.write("shop/orders.proto", get_with(r#"get: "/v2/{id}""#));
    for old in ["old.yaml", "old.json"] {
        assert_eq!(diff(old), (Some(1), "GET /v1/{id}: is gone\n".to_owned(), String::new()), "{old}");
    }
    folder.write("other.yaml", "a: 1\n");
    for (old, problem) in [
        ("other.yaml", "other.yaml: expected an OpenAPI document, found no `paths`"),
        ("absent.yaml", "absent.yaml: No such file or directory"),
    ] {
        let (code, stdout, stderr) = diff(old);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{old}");
        assert!(stderr.contains(problem), "{old}: {stderr}");
    }
}

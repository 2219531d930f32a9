//! `towbar config` as an operator runs it.

use crate::support::folder::{Folder, NOBODY};

#[test]
fn config_schema_prints_a_json_schema() {
    let printed = Folder::new().run(&["config", "schema"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    let schema: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["requests"]["properties"]["body_limit"]["default"], "1MiB");
}

#[test]
fn the_configuration_in_effect_is_printed_with_defaults_and_without_secrets() {
    let folder = Folder::new();
    folder.write(
        "towbar.yaml",
        "compatibility: envoy\nschema: shop\nupstream:\n  address: http://127.0.0.1:1\n  proxy: http://canary:canary@127.0.0.1:2\n\
         requests: {body_limit: 2MiB, empty_body: refuse}\n",
    );
    let printed = folder.run(&["config", "print", "--config", "towbar.yaml", "--listen", "127.0.0.1:9"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""));
    for line in [
        "# listen: \"127.0.0.1:9\" (by --listen, in place of what the file says)",
        "  proxy: \"http://***@127.0.0.1:2\"",
        "  body_limit: 2MiB",
        "  empty_body: refuse",
        "# By `compatibility: envoy`, as the file does not set them:",
        "#   errors.form: status",
        "# Not set, with their defaults:",
        "#   requests.json_depth: `64`",
        "#   upstream.deadline: `25s`",
        "#   reload.interval: `500ms`",
    ] {
        assert!(printed.stdout.lines().any(|shown| shown == line), "{line}: {}", printed.stdout);
    }
    for line in ["#   requests.body_limit", "#   requests.empty_body", "#   rpcs.NAME", "canary"] {
        assert!(!printed.stdout.contains(line), "{line}: {}", printed.stdout);
    }
}

#[test]
fn config_print_lists_the_problems_of_an_invalid_file() {
    let folder = Folder::new();
    folder
        .write("towbar.yaml", format!("schema: shop\nupstream: {NOBODY}\nrequests: {{body_limit: many}}\nadimn: x\n"));
    let refusal = folder.refusal(&["config", "print", "--config", "towbar.yaml"]);
    assert_eq!(refusal.len(), 2, "{refusal:?}");
    assert!(refusal[1].starts_with("towbar.yaml:4:1: unknown key `adimn`; "), "{refusal:?}");
}

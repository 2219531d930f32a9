//! The configuration as it is documented and delivered: every example loads without a problem.

use std::fs;
use std::path::{Path, PathBuf};

use towbar::config::{self, Config, Overrides};
use towbar::format::problem::Problem;
use towbar::route::policy::{OwnPolicy, UnknownKeys};

use super::documents::{pages, read};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// How the YAML of Envoy begins, which docs/draining.md has too.
pub(super) const ENVOY: &str = "static_resources:";

/// The text of every ```yaml block.
pub(super) fn yaml_blocks(document: &str) -> Vec<&str> {
    let starts = document.split("```yaml\n").skip(1);
    starts.map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Flags for what an example leaves out, so that what it has is read.
fn flags_for_the_rest(block: &str) -> Overrides {
    let lacks = |key: &str| !block.lines().any(|line| line.starts_with(key));
    Overrides {
        proto: if lacks("schema:") { vec!["bank.proto".into()] } else { Vec::new() },
        backend: (lacks("upstream:") && lacks("upstreams:")).then(|| "http://127.0.0.1:9000".into()),
        ..Overrides::default()
    }
}

fn load(file: &Path, overrides: &Overrides) -> Config {
    let (config, problems) = config::load(Some(file), overrides);
    let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, Vec::<String>::new());
    config
}

#[test]
fn every_documented_example_loads() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["legacy-swift.yaml", "bank-rules.yaml"] {
        fs::copy(repository("config").join(name), folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("denied.txt"), "192.0.2.0/24\n").unwrap();
    let mut count = 0;
    for page in pages() {
        let document = read(&page);
        for block in yaml_blocks(&document).into_iter().filter(|block| !block.starts_with(ENVOY)) {
            count += 1;
            let file = folder.path().join(format!("{}-{count}.yaml", page.replace('/', "-")));
            fs::write(&file, block).unwrap();
            load(&file, &flags_for_the_rest(block));
        }
    }
    assert!(count >= 40, "{count} blocks");
}

#[test]
fn every_key_is_documented() {
    let document = fs::read_to_string(repository("docs/configuration.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("towbar.yaml");
    let text = "x?: 1\nexpose: {x?: 1}\nlisten: {x?: 1, addresses: {x?: 1}, tls: {x?: 1}, drain: {x?: 1}}\nrules: {x?: 1}\nupstream: {address: https://a, x?: 1, limit: {x?: 1, adaptive: {x?: 1}}, tls: {x?: 1}, dns: {x?: 1}, connections: {x?: 1}, health: {x?: 1}}\n\
                requests: {x?: 1}\njson: {x?: 1}\nstreams: {x?: 1}\nmetadata: {x?: 1, caller: {x?: 1}}\ncallers: {x?: 1, dpop: {x?: 1}, issuers: {a: {x?: 1}, b: {issuer: i, audience: a, keys: {x?: 1}}}, require: {x?: 1}}\nreplies: {x?: 1}\nerrors: {x?: 1}\nidempotency: {x?: 1}\nvalidation: {x?: 1}\ntraces: {x?: 1, collector: {address: http://a, x?: 1}}\nlimits: {a: {rate: 1/s, x?: 1, by: {x?: 1}}}\nstatus_headers: {x?: 1}\nrpcs: {a.B: {x?: 1, websocket: {x?: 1}}}\nschema: p\n";
    fs::write(&file, text).unwrap();
    let (_, problems) = config::load(Some(&file), &Overrides::default());
    let several = "schema: {x?: 1}\nreload: {x?: 1}\nupstreams: {a: {address: https://a, rpcs: a.B, x?: 1, proxy: {address: p, x?: 1}}}\n";
    fs::write(&file, several).unwrap();
    let (_, more) = config::load(Some(&file), &Overrides::default());
    let problems = [problems, more].concat();
    let known: Vec<_> = problems.iter().filter_map(|problem| problem.message.split_once("known here: ")).collect();
    assert_eq!(known.len(), 39);
    for key in known.iter().flat_map(|(_, keys)| keys.split(", ")) {
        let key = key.trim_matches('`');
        assert!(document.contains(&format!("## `{key}`")) || document.contains(&format!(".{key}`")), "{key}");
    }
}

#[test]
fn the_bank_configuration_has_the_settings_that_its_documents_require() {
    let config = load(&repository("config/towbar.yaml"), &Overrides::default());
    let listen = config.listen.unwrap();
    assert_eq!(listen.address, "0.0.0.0:8443");
    let tls = listen.tls.unwrap();
    assert_eq!(tls.identity.cert, repository("config/tls/cert.pem"));
    assert!(tls.client_ca.is_none());
    assert_eq!(config.schema, [repository("config/../proto")]);

    let upstream = config.upstream.unwrap();
    assert!(upstream.address.tls());
    assert_eq!(upstream.tls.identity.unwrap().key, repository("config/tls/key.pem"));
    assert_eq!(upstream.tls.ca.unwrap(), repository("config/tls/trusted-certs.pem"));
    assert!(upstream.deadline.as_secs() < 30);

    assert_eq!(config.proxy.json_types, ["application/x-protobuf"]);
    let headers = config.proxy.status_headers.unwrap();
    assert_eq!((headers.status.as_str(), headers.message.as_str()), ("token-grpc-status", "token-grpc-message"));

    let options = config.rpcs.iter();
    let shown = |policy: &OwnPolicy| (policy.accept_body, policy.ignore_members.clone());
    let rpcs: Vec<_> = options.map(|options| (options.rpc.as_str(), shown(&options.policy))).collect();
    let members = UnknownKeys::Listed(vec!["feeResponsibility".to_owned()]);
    let set_value = ("io.token.proto.bankapi.StorageService.SetValue", (Some(true), None));
    let transfer = ("io.token.proto.bankapi.TransferService.Transfer", (None, Some(members)));
    assert_eq!(rpcs, [set_value, transfer]);
}

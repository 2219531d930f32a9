//! Proxies for upstreams: from the file, and from the environment.

use super::*;

/// The proxy of the only upstream (`-` for none), and its password file.
fn proxy(config: &Config) -> (String, Option<PathBuf>) {
    let proxy = config.upstream.as_ref().unwrap().proxy.as_ref();
    let place = proxy.map_or("-".to_owned(), |proxy| format!("{proxy} {:?}", proxy.variable));
    (place, proxy.and_then(upstream::ProxyConfig::password_file).map(Path::to_owned))
}

fn environment(variables: &'static [(&str, &str)]) -> Overrides {
    let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
    Overrides { environment: upstream::Environment::of(value), ..Overrides::default() }
}

#[test]
fn a_proxy_in_the_file_overrides_the_environment() {
    let variables = || environment(&[("https_proxy", "http://ann:secret@env:1"), ("no_proxy", "direct.test")]);
    let of_env = r#"env:1 Some("https_proxy")"#;
    for (upstream, without, with) in [
        ("https://bank.test", "-", of_env),
        ("http://bank.test", "-", of_env),
        ("https://direct.test", "-", "-"),
        ("http://127.0.0.1:9000", "-", "-"),
        ("{address: https://bank.test}", "-", of_env),
        ("{address: https://bank.test, proxy: none}", "-", "-"),
        ("{address: https://bank.test, proxy: 'http://file:1'}", "file:1 None", "file:1 None"),
        ("{address: https://direct.test, proxy: 'http://ann:x@file:1'}", "file:1 None", "file:1 None"),
        ("{address: 'http://127.0.0.1:9000', proxy: {address: 'http://file:1'}}", "file:1 None", "file:1 None"),
    ] {
        for (overrides, expected) in [(Overrides::default(), without), (variables(), with)] {
            let (config, problems) = load_text(&format!("schema: p\nupstream: {upstream}"), &overrides);
            assert_eq!((problems, proxy(&config)), (Vec::new(), (expected.to_owned(), None)), "{upstream}");
        }
    }
    let (config, problems) =
        load_text("schema: p", &Overrides { backend: backend("https://b.test").backend, ..variables() });
    assert_eq!((problems, proxy(&config).0.as_str()), (Vec::new(), of_env));
    let text = "schema: p\nupstreams:\n  a: {address: https://a.test, proxy: none, rpcs: a.*}\n  b: {address: https://b.test, rpcs: b.*}\n";
    let (config, problems) = load_text(text, &variables());
    let places: Vec<_> = config.upstreams.iter().map(|upstream| upstream.config.proxy.is_some()).collect();
    assert_eq!((problems, places), (Vec::new(), vec![false, true]));
}

#[test]
fn all_addresses_of_an_upstream_use_one_proxy_or_none() {
    let variables = || environment(&[("https_proxy", "http://env:1"), ("no_proxy", "direct.test")]);
    let of_env = r#"env:1 Some("https_proxy")"#;
    for (addresses, more, expected) in [
        ("https://a.test, https://b.test", "", Ok(of_env)),
        ("https://a.direct.test, https://direct.test", "", Ok("-")),
        ("https://a.test, https://direct.test", ", proxy: none", Ok("-")),
        ("https://a.test, https://direct.test", ", proxy: 'http://file:1'", Ok("file:1 None")),
        (
            "https://a.test, https://direct.test",
            "",
            Err(
                "https_proxy: it applies to only some of https://a.test:443, https://direct.test:443; set `proxy` next to \
                 `address` to a proxy or to `none`",
            ),
        ),
    ] {
        let (config, problems) =
            load_text(&format!("schema: p\nupstream: {{address: [{addresses}]{more}}}"), &variables());
        match expected {
            Ok(place) => assert_eq!((problems, proxy(&config).0.as_str()), (Vec::new(), place), "{addresses}"),
            Err(problem) => assert_eq!(problems, [problem], "{addresses}"),
        }
    }
}

#[test]
fn the_password_file_of_a_proxy_is_among_the_files_of_the_configuration() {
    let proxy_map = "{address: 'http://file:1', username: ann, password_file: secrets/proxy}";
    let config = config(&format!("schema: p\nupstream: {{address: https://bank.test, proxy: {proxy_map}}}"));
    let file = proxy(&config).1.unwrap();
    assert!(file.ends_with("secrets/proxy") && file.is_absolute() && config.files().contains(&file));
}

#[test]
fn an_invalid_proxy_is_reported_without_revealing_a_password() {
    let form = "expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";
    for (proxy, problems) in [
        ("", &["2:37: proxy: expected a proxy or `none`, found nothing"][..]),
        ("[http://p:1]", &["2:37: proxy: expected a proxy or `none`, found a list"]),
        ("''", &["2:44: proxy: expected a proxy or `none`, found empty text"]),
        ("NONE://u:secret@p", &["2:44: proxy: FORM"]),
        ("'http://u:secret'", &["2:44: proxy: expected a port from 1 to 65535 after the host"]),
        ("{username: u, password_file: f}", &["2:37: proxy: `address` is missing"]),
        (
            "{address: 'http://p', user: u}",
            &["2:66: unknown key `user`; known here: `address`, `username`, `password`, `password_file`"],
        ),
        (
            "{address: 'http://p', username: u}",
            &["2:76: username: `password` or `password_file` is missing: set one of them"],
        ),
        (
            "{address: 'http://p', password_file: f}",
            &["2:81: password_file: `username` is missing: set it to the user of \
          this password"],
        ),
        (
            "{address: 'http://p', username: u, password: secret}",
            &[
                "2:89: password: expected `${NAME}` for an environment variable, or `file:PATH`; the secret itself does not belong here",
            ],
        ),
        (
            "{address: 'http://p', username: u, password: '${P}', password_file: f}",
            &["2:89: password: `password_file` is also set: remove one of the two"],
        ),
        (
            "{address: none, username: 'u:v', password_file: ''}",
            &[
                "2:70: username: a user name must not contain a colon (RFC 7617)",
                "2:92: password_file: expected a path, found empty text",
            ],
        ),
        (
            "{address: 'http://u:secret@p', username: u, password_file: f}",
            &["2:54: address: expected http://HOST:PORT without a user; set `username` and `password_file` instead"],
        ),
    ] {
        let text = format!("schema: p\nupstream: {{address: https://a.test, proxy: {proxy}}}");
        let (_, found) = load_text(&text, &Overrides::default());
        let expected: Vec<_> =
            problems.iter().map(|problem| format!("towbar.yaml:{problem}").replace("FORM", form)).collect();
        assert_eq!(found, expected, "{proxy}");
    }
}

#[test]
fn an_invalid_proxy_variable_is_reported_once_and_by_its_name() {
    let text =
        "schema: p\nupstreams:\n  a: {address: https://a.test, rpcs: a.*}\n  b: {address: https://b.test, rpcs: b.*}\n";
    for (variables, problem) in [
        (
            &[("HTTPS_PROXY", "socks5://ann:secret@p:1")][..],
            "HTTPS_PROXY: expected an HTTP proxy, http://HOST:PORT; `socks5://` proxies are not supported",
        ),
        (&[("grpc_proxy", "http://ann:sec/ret@p:1"), ("http_proxy", "http://p:1")], "grpc_proxy: UNENCODED"),
    ] {
        let unencoded =
            "the user or password has a character that must be percent-encoded: `/` is %2F, `?` %3F, `#` %23, `@` %40";
        let (_, problems) = load_text(text, &environment(variables));
        assert_eq!(problems, [problem.replace("UNENCODED", unencoded)]);
        let (_, problems) = load_text("schema: p\nupstream: http://localhost:1", &environment(variables));
        assert_eq!(problems, Vec::<String>::new());
    }
}

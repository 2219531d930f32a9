//! What a start is refused for, and the exact text that the operator reads: where, what is wrong, what to write.
//!
//! Configuration, certificates, flags and ports; wrong descriptors are in `tests/operations/descriptors.rs`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::folder::{Folder, NOBODY, authority, get_with};
use crate::support::http;
use crate::support::process;
use crate::support::process::Gateway;
use crate::support::programs;

const GET: &str = r#"get: "/v1/{id}""#;

/// A configuration of which every file that it names is missing, and its `status_headers`, which stand by themselves.
const MISSING_FILES: &str = "
listen:
  address: 127.0.0.1:0
  tls: {cert: tls/cert.pem, key: tls/key.pem, client_ca: tls/clients.pem}
schema: protos
upstream:
  address: https://127.0.0.1:1
  tls: {cert: tls/own.pem, key: tls/own-key.pem, ca: tls/bank.pem}
status_headers: {status: x-status}
";

/// With two identities and a bundle that all are right.
fn with_certificates() -> Folder {
    let folder = Folder::new();
    let authority = authority("one");
    for name in ["one", "two"] {
        let issued = authority.issue(name).unwrap();
        folder.write_identity(&format!("etc/tls/{name}.pem"), &format!("etc/tls/{name}-key.pem"), &issued);
    }
    folder.write("etc/tls/trusted.pem", authority.pem());
    folder
}

#[test]
fn all_problems_are_reported_at_once() {
    let folder = with_certificates();
    let text = "\
lisen: 127.0.0.1:80
listen:
  address: 127.0.0.1:0
  tls:
    cert: tls/one.pem
    key: tls/two-key.pem
    client_ca: tls/text.pem
schema: [../protos, no/such.proto, empty, text.binpb]
upstream:
  address: https://bank.example.com:1234
  deadline: 25
  tls:
    cert: tls/none.pem
    key: tls/one.pem
    ca: tls/none.pem
rpcs:
  shop.v1.Orders.Get: {accept_body: sure}
";
    folder.write("etc/towbar.yaml", text).write("etc/text.binpb", "hello\n").write("etc/tls/text.pem", "hello\n");
    folder
        .write("etc/empty/README", "")
        .write("protos/orders.proto", "syntax = 'proto3';\nmessage Order {\n  string = 1;\n}\n");
    let expected = [
        "etc/towbar.yaml:1:1: unknown key `lisen`; did you mean `listen`?",
        "etc/towbar.yaml:11:13: deadline: expected a duration with a unit, such as `500ms`, `25s` or `1m`, found `25`",
        "etc/towbar.yaml:17:37: accept_body: expected `true` or `false`, found `sure`",
        "etc/tls/none.pem: No such file or directory (os error 2)",
        "etc/tls/one.pem: expected a private key (-----BEGIN PRIVATE KEY-----), found a certificate: use the file of its \
         private key here",
        "etc/../protos: orders.proto:3:10: expected an identifier, but found '='",
        "etc/no/such.proto: No such file or directory (os error 2)",
        "etc/empty: expected .proto files in this folder, found none",
        "etc/text.binpb: expected a .proto file, a folder of them or an encoded google.protobuf.FileDescriptorSet \
         (protoc --include_imports --descriptor_set_out), found something else",
        "etc/tls/one.pem: the private key in etc/tls/two-key.pem does not match this certificate",
        "etc/tls/text.pem: expected at least one certificate (-----BEGIN CERTIFICATE-----), found none",
    ];
    assert_eq!(folder.refusal(&["serve", "--config", "etc/towbar.yaml"]), expected);
    assert_eq!(folder.refusal(&["check", "--config", "etc/towbar.yaml"]), expected);
}

/// PEM around something that is no DER.
fn pem(label: &str) -> String {
    format!("-----BEGIN {label}-----\nQUJD\n-----END {label}-----\n")
}

#[test]
fn an_unusable_certificate_or_key_is_reported_with_its_file() {
    let folder = with_certificates();
    folder.write("protos/orders.proto", get_with(GET)).write("etc/tls/text.pem", "hello\n");
    folder.write("etc/tls/junk.pem", pem("CERTIFICATE")).write("etc/tls/junk-key.pem", pem("PRIVATE KEY"));
    folder.write("etc/tls/broken.pem", pem("CERTIFICATE").replace("QUJD", "!!!!"));
    for (tls, expected) in [
        (
            "cert: tls/none.pem, key: tls/none-key.pem",
            &[
                "etc/tls/none.pem: No such file or directory (os error 2)",
                "etc/tls/none-key.pem: No such file or directory (os error 2)",
            ][..],
        ),
        (
            "cert: tls/one.pem, key: tls/two-key.pem",
            &["etc/tls/one.pem: the private key in etc/tls/two-key.pem does not match this certificate"],
        ),
        (
            "cert: tls/one-key.pem, key: tls/one.pem",
            &[
                "etc/tls/one-key.pem: expected at least one certificate (-----BEGIN CERTIFICATE-----), found a private key \
                 (PKCS#8): use the file of its certificate here",
                "etc/tls/one.pem: expected a private key (-----BEGIN PRIVATE KEY-----), found a certificate: use the file \
                 of its private key here",
            ],
        ),
        (
            "cert: tls/text.pem, key: tls/text.pem",
            &[
                "etc/tls/text.pem: expected at least one certificate (-----BEGIN CERTIFICATE-----), found none",
                "etc/tls/text.pem: expected a private key (-----BEGIN PRIVATE KEY-----), found none",
            ],
        ),
        (
            "cert: tls/junk.pem, key: tls/one-key.pem",
            &["etc/tls/junk.pem: expected an X.509 certificate, found one that cannot be read (BadEncoding)"],
        ),
        (
            "cert: tls/one.pem, key: tls/junk-key.pem",
            &["etc/tls/junk-key.pem: expected an RSA, ECDSA or Ed25519 private key, found one that cannot be read"],
        ),
        (
            "cert: tls/one.pem, key: tls/one-key.pem, TRUST: tls/junk.pem",
            &["etc/tls/junk.pem: expected an X.509 certificate, found one that cannot be read (BadEncoding)"],
        ),
        (
            "cert: tls/broken.pem, key: tls/one-key.pem",
            &["etc/tls/broken.pem: expected at least one certificate (-----BEGIN CERTIFICATE-----), \
               found PEM whose line 2 is not base64: the file is damaged, copy it again"],
        ),
        (
            "cert: tls/one.pem, key: tls/one-key.pem, TRUST: tls/text.pem",
            &["etc/tls/text.pem: expected at least one certificate (-----BEGIN CERTIFICATE-----), found none"],
        ),
        ("cert: tls/one.pem, key: tls/one-key.pem, TRUST: tls", &["etc/tls: Is a directory (os error 21)"]),
    ] {
        let (listen, upstream) = (tls.replace("TRUST", "client_ca"), tls.replace("TRUST", "ca"));
        for sections in [
            format!("listen: {{address: '127.0.0.1:0', tls: {{{listen}}}}}\nupstream: {NOBODY}\n"),
            format!("upstream: {{address: 'https://127.0.0.1:1', tls: {{{upstream}}}}}\n"),
            // A file that both ends name is one problem.
            format!(
                "listen: {{address: '127.0.0.1:0', tls: {{{listen}}}}}\n\
                 upstream: {{address: 'https://127.0.0.1:1', tls: {{{upstream}}}}}\n"
            ),
        ] {
            folder.write("etc/towbar.yaml", format!("schema: ../protos\n{sections}"));
            assert_eq!(folder.refusal(&["serve", "--config", "etc/towbar.yaml"]), expected, "{sections}");
        }
    }
}

#[test]
fn wrong_rpc_options_are_reported_with_their_line() {
    let folder = Folder::new();
    let text = "\
schema: protos
upstream: http://127.0.0.1:1
rpcs:
  shop.v1.Orders.Got: {accept_body: true}
  shop.v1.Orders.Get:
    accept_body: true
    ignore_members: [item.name]
";
    folder.write("towbar.yaml", text).write("protos/orders.proto", get_with(GET));
    let expected = [
        "towbar.yaml:4:3: the schema has no rpc `shop.v1.Orders.Got`; did you mean `shop.v1.Orders.Get`?",
        "shop.v1.Orders.Get: \"/v1/{id}\": towbar.yaml:5:3: accept_body: expected PUT, POST or PATCH, found GET",
        "shop.v1.Orders.Get: \"/v1/{id}\": towbar.yaml:5:3: ignore_members: `item.name` is a field of the message and \
         cannot be ignored",
    ];
    assert_eq!(folder.refusal(&["serve", "--config", "towbar.yaml"]), expected);
    assert_eq!(folder.refusal(&["routes", "--config", "towbar.yaml"]), expected);
}

#[test]
fn missing_settings_are_reported_with_the_flags_that_provide_them() {
    let folder = Folder::new();
    folder.write("empty.yaml", "").write("orders.proto", get_with(GET));
    for (arguments, expected) in [
        (
            &["serve"][..],
            &[
                "no schema: set `schema` in the configuration file, or pass `--proto PATH`",
                "no upstream: set `upstream` in the configuration file, or pass `--backend URL`",
            ][..],
        ),
        (
            &["serve", "--config", "empty.yaml", "--backend", "bank", "--listen", "80"],
            &[
                "empty.yaml: no schema: set `schema` in the configuration file, or pass `--proto PATH`",
                "--listen: expected `host:port`, found `80`; use `127.0.0.1:80` for this machine only, or `0.0.0.0:80` for \
                 every network interface",
                "--backend: `bank`: expected http://HOST:PORT or https://HOST:PORT",
            ],
        ),
        (&["serve", "--config", "none.yaml"], &["none.yaml: No such file or directory (os error 2)"]),
        (&["routes"], &["no schema: set `schema` in the configuration file, or pass `--proto PATH`"]),
    ] {
        assert_eq!(folder.refusal(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn an_unavailable_listen_address_is_reported_with_what_to_do() {
    let folder = Folder::new();
    folder.write("orders.proto", get_with(GET));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    // 192.0.2.0/24 is nobody's (RFC 5737).
    for (address, reason) in [
        (taken.as_str(), "Address already in use (os error 98)"),
        ("192.0.2.1:8080", "Cannot assign requested address (os error 99)"),
    ] {
        let arguments = ["serve", "--proto", "orders.proto", "--backend", NOBODY, "--listen", address];
        let expected = format!(
            "{address}: cannot listen on this address: {reason}; choose another address with `--listen \
                                ADDR`"
        );
        assert_eq!(folder.refusal(&arguments), [expected]);
    }
    folder.write("towbar.yaml", format!("listen: {taken}\nschema: orders.proto\nupstream: {NOBODY}\nadmin: {taken}\n"));
    let expected = ["`--listen ADDR`", "`admin.address`"].map(|key| {
        let how = if key.starts_with("`-") { "with" } else { "as" };
        format!(
            "{taken}: cannot listen on this address: Address already in use (os error 98); choose another address {how} {key}"
        )
    });
    assert_eq!(folder.refusal(&["serve", "--config", "towbar.yaml"]), expected);
}

#[test]
fn a_flag_replaces_its_whole_section_and_leaves_the_rest_of_the_file() {
    let folder = Folder::new();
    folder.write("towbar.yaml", MISSING_FILES).write("here/orders.proto", get_with(GET));
    let missing = |file: &str| format!("{file}: No such file or directory (os error 2)");
    let listen = ["tls/cert.pem", "tls/key.pem", "tls/clients.pem"].map(missing);
    let upstream = ["tls/own.pem", "tls/own-key.pem", "tls/bank.pem"].map(missing);
    let schema = [missing("protos")];
    let flags = [["--backend", NOBODY], ["--proto", "here"], ["--listen", "127.0.0.1:0"]];
    let sections = [&upstream[..], &schema, &listen];
    // Each set of flags leaves the problems of the other sections.
    for given in 0..7 {
        let has = |index: usize| given >> index & 1 == 1;
        let flags = (0..3).filter(|&index| has(index)).flat_map(|index| flags[index]);
        let arguments: Vec<&str> = ["serve", "--config", "towbar.yaml"].into_iter().chain(flags).collect();
        let left: Vec<String> =
            (0..3).filter(|&index| !has(index)).flat_map(|index| sections[index].to_vec()).collect();
        assert_eq!(folder.refusal(&arguments), left, "{arguments:?}");
    }
    let all: Vec<&str> = ["serve", "--config", "towbar.yaml"].into_iter().chain(flags.into_iter().flatten()).collect();
    let gateway = folder.start(&all);
    let answer = http::get(gateway.address, "/no/such/path");
    assert_eq!((answer.status, answer.header("x-status")), (404, Some("5")));
    assert_eq!(gateway.process.stdout, [format!("listening on http://{}", gateway.address)]);
    assert_eq!(gateway.stop().stdout.lines().nth(1), Some("serving 1 route, calling http://127.0.0.1:1"));
}

#[test]
fn paths_in_the_file_are_relative_to_it_and_paths_in_flags_to_the_working_directory() {
    let folder = with_certificates();
    let text = "\
listen: {address: '127.0.0.1:0', tls: {cert: tls/one.pem, key: tls/one-key.pem, client_ca: tls/trusted.pem}}
schema: ../protos
upstream: {address: 'https://127.0.0.1:1', tls: {cert: tls/two.pem, key: tls/two-key.pem, ca: tls/trusted.pem}}
";
    folder.write("etc/towbar.yaml", text).write("protos/orders.proto", get_with(GET));
    folder.write("elsewhere/items.proto", get_with(r#"get: "/elsewhere""#));
    let file = folder.path("etc/towbar.yaml");
    let file = file.to_str().unwrap();
    let elsewhere = folder.path("elsewhere");
    for (file, from) in
        [(file, elsewhere.as_path()), ("../etc/towbar.yaml", &elsewhere), ("towbar.yaml", &folder.path("etc"))]
    {
        let mut command = folder.command(&["check", "--config", file]);
        let ended = process::Process::start(command.current_dir(from)).wait();
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), "no problems found\n", ""),
            "{file}"
        );
    }
    let mut command = folder.command(&["routes", "--config", file, "--proto", "items.proto"]);
    let ended = process::Process::start(command.current_dir(&elsewhere)).wait();
    assert!(ended.stdout.contains("/elsewhere"), "{ended:?}");
}

/// The demo makes its keys itself, so it needs no file that only root may read.
#[test]
fn core_dumps_are_disabled_unless_requested() {
    const ROOT: u32 = 0;
    const NOBODY: u32 = 65534;
    let folder = Folder::new();
    let program = folder.path("towbar");
    let built = Path::new(env!("CARGO_BIN_EXE_towbar"));
    fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop)).unwrap();
    fs::set_permissions(program.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let own = fs::metadata("/proc/self").unwrap().uid();
    for (flags, is_dumped) in [(&[][..], false), (&["--core-dumps"], true)] {
        let mut command = Command::new("sh");
        // Whatever the limit is here, there is one that could be lowered.
        command.args(["-c", "ulimit -S -c $(ulimit -H -c) && exec \"$0\" \"$@\""]).arg(&program);
        command.args(["demo", "--listen", "127.0.0.1:0"]).args(flags);
        if own == ROOT {
            command.uid(NOBODY).gid(NOBODY);
        }
        let gateway = Gateway::of(&mut command);
        let of = |file: &str| format!("/proc/{}/{file}", gateway.process.id());
        let limits = fs::read_to_string(of("limits")).unwrap();
        let limit = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
        let limits: Vec<&str> = limit.split_whitespace().take(2).collect();
        let own_limits = fs::read_to_string("/proc/self/limits").unwrap();
        let hard = own_limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
        let hard = hard.split_whitespace().nth(1).unwrap();
        assert_eq!(limits, if is_dumped { [hard; 2] } else { ["0"; 2] }, "{flags:?}");
        // proc(5): the files of a process that is not dumpable belong to root.
        let owner = fs::metadata(of("mem")).unwrap().uid();
        let user = if own == ROOT { NOBODY } else { own };
        assert_eq!(owner, if is_dumped { user } else { ROOT }, "{flags:?}");
        assert_eq!(gateway.stop().code, Some(0), "{flags:?}");
    }
}

/// What the command says that reads its configuration from standard input.
fn fed(folder: &Folder, arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut command = folder.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let ended = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

#[test]
fn a_configuration_may_come_from_standard_input_or_a_pipe() {
    let folder = Folder::new();
    folder.write("protos/orders.proto", get_with(GET));
    let right = format!("listen: 127.0.0.1:0\nschema: protos\nupstream: {NOBODY}\n");
    for file in ["-", "/dev/stdin", "/dev/fd/0"] {
        let (code, stdout, stderr) = fed(&folder, &["check", "--config", file], right.as_bytes());
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "no problems found\n", ""), "{file}");
        let (code, stdout, _) = fed(&folder, &["routes", "--config", file], right.as_bytes());
        assert_eq!((code, stdout.lines().count()), (Some(0), 2), "{file}");
        let place = if file == "-" { "standard input" } else { file };
        let (code, _, stderr) = fed(&folder, &["check", "--config", file], format!("{right}lisen: 1\n").as_bytes());
        let expected = format!(
            "{place}:4:1: unknown key `lisen`; did you mean `listen`?\ntowbar: 1 problem, nothing was started\n"
        );
        assert_eq!((code, stderr), (Some(2), expected), "{file}");
    }
    // Served, with nothing to look at but what it names. The shell becomes the gateway, which ends with the test.
    let mut command = Command::new("sh");
    let towbar = env!("CARGO_BIN_EXE_towbar");
    let script = format!("exec {towbar} serve --config - <<'END'\n{right}END\n");
    command.current_dir(folder.path("")).args(["-c", &script]);
    let gateway = Gateway::of(&mut command);
    assert_eq!(http::get(gateway.address, "/nowhere").status, 404);
}

#[test]
fn a_configuration_may_have_a_byte_order_mark_and_any_line_endings_but_must_be_utf8() {
    let folder = Folder::new();
    folder.write("protos/orders.proto", get_with(GET));
    let right = format!("# for the gateway\nlisten: 127.0.0.1:0\nschema: protos\nupstream: {NOBODY}\n");
    for text in [
        format!("\u{feff}{right}"),
        format!("\u{feff}---\n{right}"),
        right.replace('\n', "\r\n"),
        format!("\u{feff}{}", right.replace('\n', "\r\n")),
        right.replace('\n', "\r"),
    ] {
        folder.write("towbar.yaml", &text);
        let ended = folder.run(&["check", "--config", "towbar.yaml"]);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
            (Some(0), "no problems found\n", ""),
            "{text:?}"
        );
    }
    let utf16: Vec<u8> = format!("\u{feff}{right}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (text, expected) in [
        (
            utf16,
            "towbar.yaml: expected text in UTF-8, found UTF-16: convert it with `iconv -f UTF-16 -t UTF-8 FILE >NEW`",
        ),
        (
            [right.as_bytes(), b"# gr\xfc\xdfe\n"].concat(),
            "towbar.yaml:5:5: expected text in UTF-8, found an invalid byte; save the file as UTF-8",
        ),
    ] {
        folder.write("towbar.yaml", text);
        assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]), [expected]);
    }
}

#[test]
fn an_invalid_address_is_refused_before_anything_listens() {
    let folder = Folder::new();
    folder.write("protos/orders.proto", get_with(GET));
    let ipv4 = "; an IPv4 address has four numbers from 0 to 255 without leading zeros";
    let upstream =
        "expected an IPv4 address of four numbers from 0 to 255 without leading zeros, or a host name, found";
    for command in ["check", "serve"] {
        for (listen, backend, expected) in [
            ("256.0.0.1:80", NOBODY, format!("--listen: expected `host:port`, found `256.0.0.1:80`{ipv4}")),
            ("10.1:80", NOBODY, format!("--listen: expected `host:port`, found `10.1:80`{ipv4}")),
            ("127.0.0.1:0", "http://256.0.0.1:80", format!("--backend: `http://256.0.0.1:80`: {upstream} `256.0.0.1`")),
            ("127.0.0.1:0", "http://1.2.3:80", format!("--backend: `http://1.2.3:80`: {upstream} `1.2.3`")),
            (
                "127.0.0.1:0",
                "http://[::g]:80",
                "--backend: `http://[::g]:80`: expected an IPv6 address in brackets, found `[::g]`".to_owned(),
            ),
        ] {
            let refused = folder.refusal(&[command, "--proto", "protos", "--listen", listen, "--backend", backend]);
            assert_eq!(refused, [expected], "{command} {listen} {backend}");
        }
    }
}

#[test]
fn a_burst_of_connections_fits_in_the_listen_backlog() {
    const BURST: usize = 400;
    let folder = Folder::new();
    folder.write("protos/orders.proto", get_with(GET));
    let limit = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse::<usize>().unwrap();
    if limit < BURST {
        return programs::skipped("net.core.somaxconn allows no burst of 400 connections");
    }
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: protos\nupstream: {NOBODY}\n"));
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    // Nobody accepts meanwhile: what is not in the backlog then is dropped, and asked for again a second later.
    gateway.process.signal("STOP");
    let begun = std::time::Instant::now();
    let burst: Vec<_> = (0..BURST)
        .map(|count| {
            let left = std::time::Duration::from_millis(900).saturating_sub(begun.elapsed());
            let made =
                std::net::TcpStream::connect_timeout(&gateway.address, left.max(std::time::Duration::from_millis(1)));
            made.unwrap_or_else(|error| panic!("connection {count} of {BURST}: {error}"))
        })
        .collect();
    gateway.process.signal("CONT");
    assert_eq!(http::get(gateway.address, "/nowhere").status, 404);
    drop(burst);
    gateway.stop();
    // As many as are asked for, and a few that the system adds.
    folder.write(
        "towbar.yaml",
        format!("listen: {{address: '127.0.0.1:0', backlog: 8}}\nschema: protos\nupstream: {NOBODY}\n"),
    );
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    gateway.process.signal("STOP");
    let patience = std::time::Duration::from_millis(300);
    let made = (0..32).map_while(|_| std::net::TcpStream::connect_timeout(&gateway.address, patience).ok());
    let made: Vec<_> = made.collect();
    assert!((8..32).contains(&made.len()), "{}", made.len());
    gateway.process.signal("CONT");
}

#[test]
fn requests_refused_before_a_call_are_logged_once_a_second_without_quoting_them() {
    use std::io::{Read as _, Write as _};
    let folder = Folder::new();
    folder.write("protos/orders.proto", get_with(GET));
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: protos\nupstream: {NOBODY}\n"));
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let pause = || std::thread::sleep(std::time::Duration::from_millis(1200));
    for target in ["/nowhere/DE89370400440532013000", "/v1/7?limt=1", "/v1/7?limt=2"] {
        assert!((400..500).contains(&http::get(gateway.address, target).status), "{target}");
    }
    pause();
    assert_eq!(http::get(gateway.address, "/v1/7?limt=3").status, 400);
    for _ in 0..2 {
        let mut stream = http::connect(gateway.address);
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 64]).unwrap() > 0);
    }
    // What the backend's end is told of is not told twice.
    pause();
    assert_eq!(http::get(gateway.address, "/v1/7").status, 503);
    let stderr = gateway.stop().stderr;
    let told: Vec<&str> = stderr.lines().filter_map(|line| line.split_once(" INFO ").map(|(_, text)| text)).collect();
    assert_eq!(
        told,
        [
            "towbar::gateway::telemetry: a request was refused method=GET status=404 code=5",
            "towbar::gateway::telemetry: a request was refused; 2 more since the last line method=GET rpc=\"shop.v1.Orders.Get\" status=400 code=3",
            "towbar::server::handshakes: 127.0.0.1 speaks HTTP/2 on a connection of HTTP/1.1, and was told so: HTTP/2 is spoken \
             over TLS, where ALPN chooses it",
        ],
        "{stderr}"
    );
}

#[test]
fn requests_refused_by_the_listener_are_logged_once_a_second_without_quoting_them() {
    use std::io::{Read as _, Write as _};
    let folder = Folder::new();
    folder.write("protos/orders.proto", get_with(GET));
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: protos\nupstream: {NOBODY}\n"));
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let refused = |head: &str| {
        let mut stream = http::connect(gateway.address);
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    };
    refused("GET /v1/secret HTTP/1.1\r\nAuthorization: Bearer secret\r\n\r\n");
    refused("GET /v1/secret HTTP/1.1\r\nHost: a, secret\r\n\r\n");
    refused("secret\r\n\r\n");
    std::thread::sleep(std::time::Duration::from_millis(1200));
    refused("GET /v1/secret\\ HTTP/1.1\r\nHost: a\r\n\r\n");
    let stderr = gateway.stop().stderr;
    let told: Vec<&str> = stderr.lines().filter_map(|line| line.split_once(" INFO ").map(|(_, text)| text)).collect();
    assert_eq!(
        told,
        [
            "towbar::observe::refused: refused a request from 127.0.0.1: expected exactly one Host header, got 0",
            "towbar::observe::refused: refused a request from 127.0.0.1: the request target contains a character that is not allowed \
             in a URI: percent-encode it; 2 more since the last line",
        ],
        "{stderr}"
    );
}

#[test]
fn an_incomplete_request_head_is_logged_and_an_unused_connection_is_not() {
    use std::io::{Read as _, Write as _};
    let folder = Folder::new();
    folder.write("protos/orders.proto", get_with(GET));
    folder.write("towbar.yaml", format!("listen: 127.0.0.1:0\nschema: protos\nupstream: {NOBODY}\n"));
    let gateway = folder.start(&["serve", "--config", "towbar.yaml"]);
    let mut connections = [http::connect(gateway.address), http::connect(gateway.address)];
    connections[1].write_all(b"GET /v1/secret HTTP/1.1\r\nHost: a\r\nAuthor").unwrap();
    for connection in &mut connections {
        connection.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        assert_eq!(connection.read(&mut [0; 64]).unwrap(), 0, "it is closed");
    }
    let stderr = gateway.stop().stderr;
    let told: Vec<&str> = stderr.lines().filter_map(|line| line.split_once(" INFO ").map(|(_, text)| text)).collect();
    let expected = "towbar::observe::refused: refused a request from 127.0.0.1: its head did not come within 30s";
    assert_eq!(told, [expected], "{stderr}");
}

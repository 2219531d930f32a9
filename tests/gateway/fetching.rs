//! Documents of other servers, such as key sets: what is taken, and what is refused.

use tempfile::TempDir;
use towbar::upstream::{DocumentUrl, FetchConfig, Fetcher, TlsFiles};

use crate::support::folder::authority;
use crate::support::forward::{Act, Own};
use crate::support::key_server::KeyServer;

const LIMIT: usize = 1000;

struct Stage {
    server: KeyServer,
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let (authority, folder) = (authority("the authorization server"), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { server: KeyServer::start(&authority), folder }
    }

    /// Reads `/keys`, through this proxy if there is one.
    fn fetch(&self, proxy: Option<&str>) -> Result<String, String> {
        let tls = TlsFiles { ca: Some(self.folder.path().join("ca.pem")), ..TlsFiles::default() };
        let proxy = proxy.map(|proxy| proxy.parse().unwrap());
        let fetcher = Fetcher::new(&FetchConfig { tls, proxy }).unwrap();
        let url = DocumentUrl::parse(&self.server.url("/keys")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let document = runtime.block_on(fetcher.fetch(&url, LIMIT))?;
        Ok(String::from_utf8(document.bytes.to_vec()).unwrap())
    }
}

#[test]
fn a_document_is_accepted_only_complete_with_status_200_and_within_its_limit() {
    let stage = Stage::new();
    let (most, more) = ("a".repeat(LIMIT), "a".repeat(LIMIT + 1));
    let redirect = format!("302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", stage.server.url("/other"));
    let head = format!("200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(300 << 10));
    stage.server.put("/other", "{}");
    for (answer, expected) in [
        ("200 OK\r\nContent-Length: 2\r\n\r\n{}", Ok("{}")),
        ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", Ok("{}")),
        (&format!("200 OK\r\n\r\n{most}"), Ok(&most)),
        (&format!("200 OK\r\n\r\n{more}"), Err("expected a document of at most 1000 bytes, got more")),
        (
            &format!("200 OK\r\nContent-Length: {}\r\n\r\n{more}", more.len()),
            Err("expected a document of at most 1000 bytes, got more"),
        ),
        (&redirect, Err("expected HTTP status 200, got 302")),
        ("204 No Content\r\n\r\n", Err("expected HTTP status 200, got 204")),
        ("500 Oops\r\nContent-Length: 2\r\n\r\n{}", Err("expected HTTP status 200, got 500")),
        ("200 OK\r\nContent-Length: 3\r\n\r\n{}", Err("in the middle of the document: ")),
        (&head, Err("HTTP/1.1: ")),
    ] {
        stage.server.put_answer("/keys", answer);
        let fetched = stage.fetch(None);
        match (&fetched, expected) {
            (Ok(fetched), Ok(expected)) => assert_eq!(fetched, expected, "{answer:.60}"),
            (Err(problem), Err(expected)) => assert!(problem.starts_with(expected), "{answer:.60}: {problem}"),
            _ => panic!("{answer:.60}: {fetched:?}"),
        }
    }
    assert_eq!(stage.server.asked("/other"), 0);
}

#[test]
fn a_document_is_fetched_through_the_configured_proxy() {
    let stage = Stage::new();
    stage.server.put("/keys", "{}");
    let proxy = Own::start(Act::Tunnel(stage.server.address));
    assert_eq!(stage.fetch(Some(&format!("http://{}", proxy.address))).as_deref(), Ok("{}"));
    assert_eq!(proxy.asked(), [format!("CONNECT {} HTTP/1.1", stage.server.address)]);
    let problem = stage.fetch(Some("http://127.0.0.1:1")).unwrap_err();
    assert!(problem.starts_with("proxy 127.0.0.1:1: cannot connect to the proxy: "), "{problem}");
}

//! gRPC-Web: the same calls as native gRPC, over HTTP/1.1 too, with trailers in the body, and bodies in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tonic::Code;
use towbar::config::Overrides;

use crate::support::grpc::{frame, send};
use crate::support::talk::{Reader, backend, note, schema};
use crate::support::{Backend, Gateway, http};

const ASK: &str = "/talk.Talk/Ask";

/// An answer taken apart: its messages, and its trailers as text.
#[derive(Debug, PartialEq)]
struct Told {
    messages: Vec<Vec<u8>>,
    trailers: String,
}

fn told(mut body: &[u8]) -> Told {
    let mut told = Told { messages: Vec::new(), trailers: String::new() };
    while !body.is_empty() {
        let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        let (message, rest) = body[5..].split_at(length);
        match body[0] {
            0 => told.messages.push(message.to_vec()),
            0x80 => told.trailers += std::str::from_utf8(message).unwrap(),
            flag => panic!("{flag}"),
        }
        body = rest;
        assert!(body.is_empty() || told.trailers.is_empty(), "trailers are the last");
    }
    told
}

/// A body of which each part may be padded.
fn decoded(text: &[u8]) -> Vec<u8> {
    text.chunks(4).flat_map(|quad| STANDARD.decode(quad).unwrap()).collect()
}

fn echo() -> Backend {
    backend(|_, mut requests, replies| async move {
        while let Some(message) = requests.next().await {
            if message == b"fail" {
                return replies.end_with("9", "no%20funds", &[("x-ended", "yes")]).await;
            }
            replies.send(&message).await;
        }
        replies.end_with("0", "", &[("x-ended", "yes")]).await;
    })
}

fn gateway(backend: &Backend, protocols: &str) -> Gateway {
    let config = format!(
        "listen: {{address: \"127.0.0.1:0\", protocols: [{protocols}]}}\nupstream: http://{}\nschema: talk.proto\n\
         metadata: {{reply: [x-started, x-ended]}}\nrequests: {{body_limit: 1000}}\n",
        backend.address
    );
    Gateway::with(&config, &Overrides::default(), Ok(schema()), None)
}

/// Over HTTP/1.1.
fn post(gateway: &Gateway, rpc: &str, headers: &[(&str, &str)], body: &[u8]) -> (http::Answer, Vec<u8>) {
    let mut stream = http::connect(gateway.address);
    http::write(&mut stream, "POST", &format!("/talk.Talk/{rpc}"), headers, Some(body));
    let mut reader = Reader::new(stream);
    let (body, is_whole) = reader.bytes();
    assert!(is_whole, "{rpc}");
    (reader.answer, body)
}

#[test]
fn grpc_web_answers_carry_their_trailers_in_the_body() {
    let (backend, ok) = (echo(), "x-ended: yes\r\ngrpc-status: 0\r\n".to_owned());
    let gateway = gateway(&backend, "rest, grpc_web");
    let (one, two) = (note("one", 1), vec![7; 600]);
    for (rpc, messages) in
        [("Ask", vec![&one]), ("Watch", vec![&two]), ("Collect", vec![&one]), ("Chat", vec![&one, &two])]
    {
        let body = messages.iter().flat_map(|message| frame(message)).collect::<Vec<_>>();
        let expected = Told { messages: messages.into_iter().cloned().collect(), trailers: ok.clone() };
        for (content_type, accept, answered) in [
            ("application/grpc-web", None, "application/grpc-web+proto"),
            ("application/grpc-web+proto", None, "application/grpc-web+proto"),
            ("application/grpc-web+proto", Some("*/*"), "application/grpc-web+proto"),
            ("application/grpc-web", Some("application/grpc-web-text"), "application/grpc-web-text+proto"),
            ("application/grpc-web-text", None, "application/grpc-web-text+proto"),
            ("application/grpc-web-text+proto", Some("application/grpc-web-text"), "application/grpc-web-text+proto"),
            ("application/grpc-web-text", Some("application/grpc-web"), "application/grpc-web+proto"),
        ] {
            let headers: Vec<_> =
                [("Content-Type", content_type)].into_iter().chain(accept.map(|accept| ("Accept", accept))).collect();
            let is_text = content_type.contains("text");
            let sent = if is_text { STANDARD.encode(&body).into_bytes() } else { body.clone() };
            let (answer, came) = post(&gateway, rpc, &headers, &sent);
            let input = format!("{rpc} {headers:?}");
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(answered)), "{input}");
            assert_eq!(answer.header("x-started"), Some("yes"), "{input}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{input}");
            let came = if answered.contains("text") { decoded(&came) } else { came };
            assert_eq!(told(&came), expected, "{input}");
        }
    }
    // A reply of one message has a length: no box needs to know chunks.
    let (answer, _) = post(&gateway, "Ask", &[("Content-Type", "application/grpc-web")], &frame(&one));
    assert!(answer.header("content-length").is_some());
    // Over HTTP/2 there are no trailers either.
    let gateway = self::gateway(&backend, "grpc, grpc_web");
    let answer = send(gateway.address, "POST", ASK, &[("content-type", "application/grpc-web")], &frame(&one));
    assert!(answer.trailers.is_none());
    assert_eq!(told(&answer.data), Told { messages: vec![one], trailers: ok });
}

#[test]
fn a_long_grpc_web_text_reply_is_encoded_piece_by_piece() {
    let long = backend(|_, mut requests, replies| async move {
        requests.all().await;
        replies.send(&(0..200_000_u32).map(|number| number as u8).collect::<Vec<_>>()).await;
        replies.end("0", "").await;
    });
    let gateway = gateway(&long, "grpc_web");
    for rpc in ["Ask", "Watch"] {
        let headers = [("Content-Type", "application/grpc-web"), ("Accept", "application/grpc-web-text")];
        let (_, body) = post(&gateway, rpc, &headers, &frame(b""));
        let told = told(&decoded(&body));
        assert!(told.messages == [(0..200_000_u32).map(|number| number as u8).collect::<Vec<_>>()], "{rpc}");
        assert_eq!(told.trailers, "grpc-status: 0\r\n", "{rpc}");
    }
}

#[test]
fn a_refused_grpc_web_call_has_its_status_in_the_response_headers() {
    let backend = echo();
    let gateway = gateway(&backend, "rest, grpc_web");
    let web = "application/grpc-web";
    let text = "application/grpc-web-text";
    for (content_type, path, body, code, message) in [
        (web, "Nothing", &frame(b"")[..], Code::Unimplemented, "no rpc with this path is served"),
        (web, "Ask", b"", Code::Unimplemented, "this call takes one request message, got none"),
        (web, "Ask", b"\x80\0\0\0\0", Code::Internal, "the flag before the message is 128; expected 0 or 1"),
        (web, "Ask", &frame(&[0; 1001]), Code::ResourceExhausted, "the body is larger than the limit of 1000 bytes"),
        (web, "Ask", &frame(b"fail"), Code::FailedPrecondition, "no funds"),
        (text, "Ask", b"AAAA=AAA", Code::Internal, "the body is not valid base64"),
        (text, "Ask", b"AAAAA", Code::Internal, "the body is not valid base64"),
        (
            "application/grpc-web+thrift",
            "Ask",
            &frame(b""),
            Code::InvalidArgument,
            "this Content-Type of gRPC-Web is not supported; send application/grpc-web or application/grpc-web-text, both may end with +proto",
        ),
    ] {
        let (answer, came) = post(&gateway, path, &[("Content-Type", content_type)], body);
        let input = format!("{content_type} {path} {body:?}");
        let message = message.replace('%', "%25");
        assert_eq!(answer.header("grpc-status"), Some((code as i32).to_string().as_str()), "{input}");
        assert_eq!(answer.header("grpc-message"), Some(message.as_str()), "{input}");
        assert_eq!((answer.status, answer.header("content-length"), came.len()), (200, Some("0"), 0), "{input}");
        assert!(answer.header("content-type").unwrap().starts_with(web), "{input}");
    }
    // Behind a message, in the body.
    let body = [frame(b"a"), frame(b"fail")].concat();
    let (_, came) = post(&gateway, "Chat", &[("Content-Type", web)], &body);
    let trailers = "x-ended: yes\r\ngrpc-status: 9\r\ngrpc-message: no%20funds\r\n";
    let told = told(&came);
    assert_eq!(told.messages, [b"a"]);
    assert_eq!(told.trailers.replace("no funds", "no%20funds"), trailers);
    // Text is as long as it is, whatever the limit of its message.
    let longest = STANDARD.encode(frame(&[0; 1000]));
    let (answer, _) = post(&gateway, "Ask", &[("Content-Type", text)], longest.as_bytes());
    assert_eq!(answer.header("grpc-status"), None, "{answer:?}");
}

#[test]
fn a_protocol_missing_from_the_list_is_not_served() {
    let backend = echo();
    for (protocols, grpc, web) in [
        ("rest", false, false),
        ("rest, grpc", true, false),
        ("rest, grpc_web", false, true),
        ("grpc, grpc_web", true, true),
    ] {
        let gateway = gateway(&backend, protocols);
        let (answer, _) = post(&gateway, "Ask", &[("Content-Type", "application/grpc-web")], &frame(b""));
        let is_web = answer.header("content-type") == Some("application/grpc-web+proto");
        assert_eq!(is_web, web, "{protocols}: {answer:?}");
        let (answer, _) = post(&gateway, "Ask", &[("Content-Type", "application/grpc")], &frame(b""));
        assert_eq!(
            answer.header("grpc-message").is_some_and(|message| message.starts_with("gRPC needs HTTP/2;")),
            grpc,
            "{protocols}: {answer:?}"
        );
    }
}

//! Parsers of HTTP bytes, below the level of requests.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use towbar::cli::demo::bank::SampleBank;
use towbar::server::http1::{ChunkReader, Framing, HeadReader, Limits};
use towbar::server::{Listener, Plain};

const LIMITS: Limits = Limits { bytes: 4096, fields: 100, target: 2048, told: 4096 };

/// Reading a head at once and byte by byte gives the same result, and hyper's parser agrees about accepted heads.
pub fn head(data: &[u8]) {
    let whole = HeadReader::new(LIMITS).read(data);
    let mut reader = HeadReader::new(LIMITS);
    let piecewise = (0..=data.len()).map(|length| reader.read(&data[..length])).find(|read| !matches!(read, Ok(None)));
    assert_eq!(piecewise.unwrap_or(Ok(None)), whole);
    let Ok(Some(head)) = whole else { return };
    let bytes = &data[..head.length];
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    assert_eq!(request.parse(bytes), Ok(httparse::Status::Complete(head.length)));
    assert_eq!(
        bytes.iter().filter(|byte| **byte == b'\n').count(),
        bytes.windows(2).filter(|pair| pair == b"\r\n").count()
    );
    let target = request.path.expect("it is complete");
    target.parse::<http::Uri>().unwrap_or_else(|error| panic!("{target}: {error}"));
    let values = |name: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
    assert!(values("host") <= 1);
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    match head.framing {
        Framing::Chunked => assert_eq!((lengths, codings), (0, 1)),
        Framing::Length(0) => assert!(lengths <= 1 && codings == 0),
        Framing::Length(_) => assert_eq!((lengths, codings), (1, 0)),
    }
    chunks(&data[head.length..]);
}

/// Reading a chunked body at once and byte by byte gives the same result.
fn chunks(data: &[u8]) {
    let (mut whole, mut piecewise) = (ChunkReader::default(), ChunkReader::default());
    let read = whole.read(data);
    let mut own = 0;
    let single = data.iter().try_for_each(|byte| {
        own += piecewise.read(&[*byte])?;
        Ok(())
    });
    assert_eq!(single.map(|()| own), read);
    assert_eq!(piecewise, whole);
}

/// Whatever frames arrive, the connection ends when its caller ends it, and the next caller is served.
pub fn frames(data: &[u8]) {
    static SERVICE: OnceLock<SocketAddr> = OnceLock::new();
    let address = *SERVICE.get_or_init(serve);
    let mut stream = begin(address, data);
    let _ = stream.shutdown(Shutdown::Write);
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        let waits = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        assert!(!waits, "the connection did not end after {data:?}");
    }
    let block = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
    let mut stream = begin(address, &[&[0, 0, 6, 1, 5, 0, 0, 0, 1][..], &block].concat());
    // Skips frames until a HEADERS frame arrives.
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("an answer comes");
        if head[3] == 1 {
            return;
        }
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).expect("a frame is whole");
    }
}

/// Opens a connection and sends the connection preface, then these frames.
fn begin(address: SocketAddr, frames: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the service accepts");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time to wait");
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // The server may close the connection before all is sent.
    let _ = stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], frames].concat());
    stream
}

/// Starts a service on a separate thread that runs as long as the process.
fn serve() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = Listener::bind("127.0.0.1:0", None, Plain::Http2).await.expect("a port");
            tell.send(listener.address().expect("an address")).expect("who waits for it");
            listener.serve(SampleBank::new().routes().into_axum_router(), std::future::pending()).await;
        });
    });
    told.recv().expect("the service starts")
}

//! The `update_mask` that is derived from a body.

use std::collections::HashSet;
use std::path::Path;
use std::sync::OnceLock;

use ::http::Method;
use towbar::format::multipart::Boundary;
use towbar::format::wire::{self, Reader};
use towbar::route::{Defaults, EncodeError, Query, Routes};
use towbar::schema::{FieldPath, Schema};

/// Limits on the message, as promised in docs/security.md: a multiple of its body, or a number of bytes.
const TIMES: usize = 16;
const FREE: usize = 16 << 10;

/// The first byte gives the format of the rest: `0` for JSON, `1` for a form, any other for a multipart form with the
/// boundary `b`.
///
/// Each path names a field of the resource, once, and none that the path of the request binds. The message is no longer
/// than promised. A mask from the caller stays unchanged.
pub fn update_mask(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    for (query, own) in [("", None), ("update_mask=title,pageCount", Some(["title", "page_count"]))] {
        let query = Query::parse(query).expect("it is a query");
        let found = routes().find(&Method::PATCH, "/books/1", &query).expect("there is the route");
        let (route, captures) = (found.route, &found.captures);
        let made = match kind {
            b'0' => route.encode(captures, &query, Some(body)),
            b'1' => route.encode_form(captures, &query, body),
            _ => {
                let boundary = Boundary::of("multipart/form-data; boundary=b").expect("it has one");
                route.encode_parts(captures, &query, (&boundary, body))
            }
        };
        let message = match made {
            Ok(message) => message,
            Err(EncodeError::MaskTooLong { limit, .. }) => {
                assert!(own.is_none() && limit >= FREE && limit >= 4 * body.len(), "{limit} for {}", body.len());
                continue;
            }
            Err(_) => continue,
        };
        assert!(message.len() <= FREE.max(TIMES * body.len()) + 64, "{} bytes of {}", message.len(), body.len());
        let paths = paths(&message);
        if let Some(own) = own {
            assert_eq!(paths, own);
        }
        let book = FieldPath::resolve(&route.rpc.input, "book").expect("there is the field").leaf().message();
        let book = book.expect("it is a message");
        let mut known = HashSet::new();
        for path in &paths {
            assert!(FieldPath::resolve_exactly(&book, path).is_ok(), "{path} is no field");
            assert!(path != "name", "the path binds it");
            assert!(known.insert(path), "{path} twice");
        }
    }
}

fn routes() -> &'static Routes {
    static ROUTES: OnceLock<Routes> = OnceLock::new();
    ROUTES.get_or_init(|| {
        // Works from the folder of the main package and from that of this package.
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut files =
            folders.flat_map(|folder| ["src/mask.proto", "fuzz/src/mask.proto"].map(|file| folder.join(file)));
        let file = files.find(|file| file.is_file()).expect("it stands beside this file");
        let schema = Schema::load(&[file]).expect("it is sound");
        Routes::build(&schema, &[], &Defaults::default()).expect("its rule is sound")
    })
}

/// The paths in the mask of the message.
fn paths(message: &[u8]) -> Vec<String> {
    let (mut paths, mut reader) = (Vec::new(), Reader::new(message));
    while !reader.is_empty() {
        let (number, wire_type) = reader.tag().expect("the codec wrote it");
        if (number, wire_type) != (2, wire::LENGTH) {
            reader.skip(number, wire_type).expect("the codec wrote it");
            continue;
        }
        let mut mask = Reader::new(reader.bytes().expect("the codec wrote it"));
        while !mask.is_empty() {
            assert_eq!(mask.tag(), Ok((1, wire::LENGTH)));
            let path = mask.bytes().expect("the codec wrote it");
            paths.push(String::from_utf8(path.to_vec()).expect("the codec wrote it"));
        }
    }
    paths
}

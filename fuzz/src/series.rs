//! Several texts in one body.

use serde_json::Value;
use towbar::format::json::{Series, SplitError, Splitter};

/// The texts, and the error at the end if there is one.
type Split = (Vec<Vec<u8>>, Option<SplitError>);

/// The first byte chooses how the texts are arranged, the second limits their size. The third chooses the size of the
/// pieces in which the body arrives, which must not change the result.
pub fn split(data: &[u8]) {
    let &[series, limit, size, ref body @ ..] = data else { return };
    let series = if series % 2 == 0 { Series::Lines } else { Series::Json };
    let limit = usize::from(limit);
    let whole = in_pieces(series, limit, body, body.len().max(1));
    for size in [1, usize::from(size % 32) + 1] {
        assert_eq!(in_pieces(series, limit, body, size), whole, "{series:?}, at most {limit}, by {size}: {body:?}");
    }
    assert!(whole.0.iter().all(|text| text.len() <= limit), "at most {limit}: {whole:?}");
    match series {
        Series::Lines => assert_eq!(whole, lines(limit, body), "at most {limit}: {body:?}"),
        Series::Json if body.trim_ascii_start().starts_with(b"[") => check_array(body, &whole),
        Series::Json => check_texts(body, &whole),
    }
}

fn in_pieces(series: Series, limit: usize, body: &[u8], size: usize) -> Split {
    let mut splitter = Splitter::new(series, limit);
    let mut texts = Vec::new();
    for piece in body.chunks(size) {
        splitter.push(piece);
        loop {
            match splitter.next_text() {
                Ok(Some(text)) => texts.push(text.to_vec()),
                Ok(None) => break,
                Err(error) => return (texts, Some(error)),
            }
        }
    }
    match splitter.end() {
        Ok(last) => texts.extend(last),
        Err(error) => return (texts, Some(error)),
    }
    (texts, None)
}

/// Splits into lines, all at once.
fn lines(limit: usize, body: &[u8]) -> Split {
    let mut texts = Vec::new();
    for line in body.split(|&byte| byte == b'\n') {
        let start = line.iter().position(|byte| !b" \t\r".contains(byte)).unwrap_or(line.len());
        match &line[start..] {
            [] => {}
            text if text.len() > limit => return (texts, Some(SplitError::TooLarge { limit })),
            text => texts.push(text.to_vec()),
        }
    }
    (texts, None)
}

/// Another parser finds the same elements. It accepts the array exactly if all texts are JSON and there is no error.
fn check_array(body: &[u8], (texts, error): &Split) {
    let values: Result<Vec<Value>, _> = texts.iter().map(|text| serde_json::from_slice(text)).collect();
    match (serde_json::from_slice::<Vec<Value>>(body), error) {
        (Ok(_), Some(SplitError::TooLarge { .. })) => {}
        (Ok(elements), None) => assert_eq!(values.ok(), Some(elements), "{body:?}"),
        (Ok(_), Some(error)) => panic!("{body:?}: {error}"),
        // The other parser accepts 128 levels, and the array is one of them.
        (Err(_), None) if body.iter().filter(|byte| b"[{".contains(byte)).count() < 128 => {
            assert!(values.is_err(), "{body:?}: every element is JSON, and the whole is none");
        }
        (Err(_), _) => {}
    }
}

/// Another parser of concatenated texts finds the same ones if it reports no error.
fn check_texts(body: &[u8], (texts, error): &Split) {
    let values: Result<Vec<Value>, _> = texts.iter().map(|text| serde_json::from_slice(text)).collect();
    match (serde_json::Deserializer::from_slice(body).into_iter().collect::<Result<Vec<Value>, _>>(), error) {
        (Ok(_), Some(SplitError::TooLarge { .. })) => {}
        (Ok(others), Some(SplitError::Nothing)) => assert!(others.is_empty(), "{body:?}"),
        (Ok(others), None) => assert_eq!(values.ok(), Some(others), "{body:?}"),
        (Ok(_), Some(error)) => panic!("{body:?}: {error}"),
        (Err(_), _) => {}
    }
}

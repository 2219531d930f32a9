//! What a request is to the store: whose key it has, and whether it is the same request as another.

use aws_lc_rs::digest::{Context, SHA256};
use http::header::AUTHORIZATION;

use super::key::Key;
use super::slot::{Digest, Fingerprint, Slot};
use crate::caller::{Principal, Subject};
use crate::gateway::call::Call;
use crate::limits::memory::CALL;
use crate::limits::offload::{self, LONG};
use crate::route::Route;

/// From so many bytes on, hashing takes a millisecond.
const LONG_TO_HASH: usize = 8 * LONG;

/// SHA-256 of parts, each with its length in front.
struct Hasher(Context);

impl Hasher {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    fn digest(self) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        digest
    }
}

/// The slot of this key of a caller, for this route's rpc.
pub(super) fn slot(principal: Principal<'_>, route: &Route, key: Key<'_>) -> Slot {
    let hasher = Hasher::new();
    let caller = match principal {
        Principal::Subject(Subject { issuer, subject, client }) => {
            hasher.part(b"subject").part(issuer.as_bytes()).part(subject.as_bytes()).part(client.as_bytes())
        }
        Principal::Certificate(sha256) => hasher.part(b"certificate").part(&sha256),
        Principal::Anonymous => hasher.part(b"anonymous"),
    };
    let caller = caller.digest();
    let id = Hasher::new().part(&caller).part(route.rpc.name.as_bytes()).part(key.as_bytes()).digest();
    Slot { caller, id }
}

/// The fingerprint of a call: its method, its route, and the message that path, query and body became. What asks for
/// another form of the reply counts too.
///
/// Callers of whom nothing is proved are told apart by their credentials, which the backend checks: nobody gets an
/// answer for which the backend has not seen them.
fn of_call(call: &Call<'_>, message: &[u8]) -> Fingerprint {
    let Call { head, route, query, .. } = *call;
    let mut hasher = Hasher::new().part(head.method.as_str().as_bytes()).part(route.template.as_bytes());
    hasher = hasher.part(message).part(&query.system().bytes());
    if call.caller.principal(call.peer) == Principal::Anonymous {
        for credentials in head.headers.get_all(AUTHORIZATION) {
            hasher = hasher.part(credentials.as_bytes());
        }
    }
    Fingerprint(hasher.digest())
}

/// The fingerprint of a call with this message, and the message. A long one is hashed beside the worker.
pub(super) async fn fingerprint(call: &Call<'_>, message: &mut Vec<u8>) -> Fingerprint {
    if message.len() < LONG_TO_HASH {
        return of_call(call, message);
    }
    let (held, taken) = (call.memory.part(CALL), std::mem::take(message));
    let ((digest, taken), held) = offload::run(move || {
        let digest = Hasher::new().part(&taken).digest();
        ((digest, taken), held)
    })
    .await;
    call.memory.join(held);
    *message = taken;
    of_call(call, &digest)
}

//! Messages of the bank's API as a bank fills them: the same each time, for tests that count and benchmarks that measure.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

use serde_json::{Value, json};
use towbar::cli::demo::generated::DESCRIPTORS;
use towbar::codec::{Body, Ignored, Request};
use towbar::schema::{Message, Schema};

/// A message, as JSON and in wire format.
pub struct Sample {
    /// The full name of its type.
    pub name: &'static str,
    pub message: Message,
    pub json: Vec<u8>,
    pub wire: Vec<u8>,
}

/// The bank's own schema.
pub fn bank() -> Schema {
    Schema::decode("descriptors.binpb", DESCRIPTORS).unwrap()
}

impl Sample {
    pub fn new(schema: &Schema, name: &'static str, value: &Value) -> Self {
        let message = schema.message(name).unwrap();
        let json = value.to_string().into_bytes();
        let wire = to_wire(&message, &json);
        Self { name, message, json, wire }
    }
}

pub fn to_wire(message: &Message, json: &[u8]) -> Vec<u8> {
    let body = Body { text: json, field: None, ignored: &Ignored::default() };
    Request::new(message).encode(Some(body)).unwrap()
}

/// The reply with a balance, 242 bytes of JSON.
pub fn balance(schema: &Schema) -> Sample {
    let euros = |value: &str| json!({ "currency": "EUR", "value": value });
    let other = json!({ "type": "interimBooked", "amount": euros("99.10"), "updatedAtMs": "1499301354256" });
    let value = json!({
        "current": euros("123.45"), "available": euros("100.00"), "updatedAtMs": "1499301354256",
        "otherBalances": [other],
    });
    Sample::new(schema, "io.token.proto.bankapi.GetBalanceResponse", &value)
}

/// The reply with a list of transactions.
pub fn transactions(schema: &Schema, count: usize) -> Sample {
    let mut ids = Ids(7);
    let list: Vec<Value> = (0..count).map(|index| transaction(index, &mut ids)).collect();
    let value = json!({ "transactions": list, "offset": ids.next(32) });
    Sample::new(schema, "io.token.proto.bankapi.GetTransactionsResponse", &value)
}

/// The order of a transfer.
pub fn transfer(schema: &Schema) -> Sample {
    let dollars = json!({ "currency": "USD", "value": "100.00" });
    let account = json!({ "swift": { "bic": "IRONUSCA000", "account": "iban:3814827" } });
    let holder = json!({ "legalNames": ["John Smith"], "address": { "houseNumber": "332C", "street": "Cook St" } });
    let value = json!({
        "transferId": "t:I58bxf:5mXpRAcI", "requestedAmount": dollars, "transactionAmount": dollars,
        "source": account, "destinations": [{ "account": account, "customerData": holder }],
        "description": "Sample Transfer", "tokenRefId": Ids(7).next(16), "executionDate": "2026-03-01",
        "confirmFunds": true,
    });
    Sample::new(schema, "io.token.proto.bankapi.TransferRequest", &value)
}

fn transaction(index: usize, ids: &mut Ids) -> Value {
    const DESCRIPTIONS: [&str; 4] =
        ["Sample transaction", "Café Müller, Straße 7", "Invoice \"42\"\n2nd line", "Grocery store"];
    let cents = ids.number() % 500_000;
    json!({
        "id": ids.next(32),
        "type": (["DEBIT", "CREDIT"][index % 2]),
        "status": (["SUCCESS", "PROCESSING", "PENDING"][index % 3]),
        "amount": { "currency": "EUR", "value": format!("{}.{:02}", cents / 100, cents % 100) },
        "description": (DESCRIPTIONS[ids.number() % DESCRIPTIONS.len()]),
        "tokenId": format!("tt:{}:5mXpRAcI", ids.next(9)),
        "tokenTransferId": format!("t:{}:5mXpRAcI", ids.next(16)),
        "createdAtMs": (1_499_301_354_256_usize + index * 61_000).to_string(),
        "metadata": { "bookingDate": format!("2026-01-{:02}", 1 + index % 28), "category": "groceries" },
    })
}

/// Ids that look random.
struct Ids(u64);

impl Ids {
    /// Knuth's MMIX generator.
    fn number(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }

    fn next(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b"0123456789abcdef"[self.number() % 16])).collect()
    }
}

//! Thirty mistakes of a developer who is new to the sample bank: the curl line, the answer, and what the answer makes them change.

use crate::support::Stage;
use crate::support::http::Answer;

/// A mistake. `change` is what the developer does next, knowing the line and the answer only.
struct Mistake {
    curl: &'static str,
    status: u16,
    reason: &'static str,
    message: &'static str,
    change: &'static str,
}

const MISTAKES: [Mistake; 30] = [
    Mistake {
        curl: "curl BANK/account/balance",
        status: 404,
        reason: "ROUTE_NOT_FOUND",
        message: "no route matches GET /account/balance (did you mean \"/accounts/balance\"?)",
        change: "/accounts/balance",
    },
    Mistake {
        curl: "curl BANK/accounts/balance/?account.sepa.iban=DE89",
        status: 404,
        reason: "ROUTE_NOT_FOUND",
        message: "no route matches GET /accounts/balance/ (did you mean \"/accounts/balance\"?)",
        change: "leaves the slash at the end out",
    },
    Mistake {
        curl: "curl -X PUT BANK/transfers -H 'Content-Type: application/json' -d '{}'",
        status: 405,
        reason: "METHOD_NOT_ALLOWED",
        message: "method PUT is not allowed for /transfers; allowed: GET, HEAD, OPTIONS, POST",
        change: "-X POST",
    },
    Mistake {
        curl: "curl BANK/accounts/../accounts/balance",
        status: 400,
        reason: "INVALID_PATH",
        message: "the path contains \".\" or \"..\" as a segment; send the normalized path (RFC 3986, section 6.2.2.3)",
        change: "/accounts/balance",
    },
    Mistake {
        curl: "curl BANK/storage/100%",
        status: 400,
        reason: "INVALID_PATH_VARIABLE",
        message: "path variable \"key\": invalid percent-encoding: expected two hexadecimal digits after \"%\"; write %25 for a literal \"%\"",
        change: "/storage/100%25",
    },
    Mistake {
        curl: "curl BANK/accounts/transactions?limt=5",
        status: 400,
        reason: "UNKNOWN_QUERY_PARAMETER",
        message: "unknown query parameter \"limt\" (did you mean \"limit\"?)",
        change: "limit=5",
    },
    Mistake {
        curl: "curl BANK/accounts/balance?account.sepa.ibn=DE89",
        status: 400,
        reason: "UNKNOWN_QUERY_PARAMETER",
        message: "unknown query parameter \"account.sepa.ibn\" (did you mean \"account.sepa.iban\"?)",
        change: "account.sepa.iban=DE89",
    },
    Mistake {
        curl: "curl BANK/accounts/balance?iban=DE89",
        status: 400,
        reason: "UNKNOWN_QUERY_PARAMETER",
        message: "unknown query parameter \"iban\" (did you mean \"account.iban.iban\"?)",
        change: "account.iban.iban=DE89",
    },
    Mistake {
        curl: "curl BANK/accounts/transactions?limit=abc",
        status: 400,
        reason: "INVALID_QUERY_PARAMETER",
        message: "query parameter \"limit\": expected an int32, got \"abc\"",
        change: "limit=5",
    },
    Mistake {
        curl: "curl BANK/accounts/transactions?limit=99999999999",
        status: 400,
        reason: "INVALID_QUERY_PARAMETER",
        message: "query parameter \"limit\": expected an int32, got \"99999999999\"",
        change: "a smaller number",
    },
    Mistake {
        curl: "curl BANK/accounts/transactions?limit=5&limit=6",
        status: 400,
        reason: "INVALID_QUERY_PARAMETER",
        message: "query parameter \"limit\": repeated, but it takes only one value",
        change: "one limit",
    },
    Mistake {
        curl: "curl BANK/accounts/balance?account=DE89",
        status: 400,
        reason: "INVALID_QUERY_PARAMETER",
        message: "query parameter \"account\": this is a message; set one of its fields instead, for example account.token.member_id",
        change: "a field of the account in place of all of it: account.sepa.iban=DE89",
    },
    Mistake {
        curl: "curl BANK/accounts/balance?account.sepa.iban=DE89&account.swift.bic=IRON",
        status: 400,
        reason: "INVALID_QUERY_PARAMETER",
        message: "query parameter \"account.swift.bic\": only one field of the oneof \"account\" can be set, and \"sepa\" already is",
        change: "one kind of account",
    },
    Mistake {
        curl: "curl BANK/accounts/transactions?transaction_id=t1&limit=5",
        status: 400,
        reason: "QUERY_PARAMETERS_CONFLICT",
        message: "the query parameters \"transaction_id\", \"limit\" cannot be combined: they belong to different operations of this path",
        change: "one of them",
    },
    Mistake {
        curl: "curl BANK/accounts/balance -X GET -H 'Content-Type: application/json' -d '{}'",
        status: 400,
        reason: "BODY_NOT_ALLOWED",
        message: "GET /accounts/balance takes no body, but the request has one; send the values as query parameters instead",
        change: "the fields go into the query",
    },
    Mistake {
        curl: "curl -X POST BANK/transfers",
        status: 400,
        reason: "BODY_MISSING",
        message: "the request needs a JSON body; send {} to leave every field unset",
        change: "-d '{...}'",
    },
    Mistake {
        curl: "curl BANK/transfers -d '{\"transferId\":\"a\"}'",
        status: 400,
        reason: "MALFORMED_FORM",
        message: "the body looks like JSON, but Content-Type is application/x-www-form-urlencoded; send Content-Type: application/json",
        change: "-H 'Content-Type: application/json'",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type:' -d '{}'",
        status: 415,
        reason: "UNSUPPORTED_MEDIA_TYPE",
        message: "Content-Type is missing; send Content-Type: application/json",
        change: "-H 'Content-Type: application/json'",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: text/plain' -d '{}'",
        status: 415,
        reason: "UNSUPPORTED_MEDIA_TYPE",
        message: "Content-Type text/plain is not supported here; send Content-Type: application/json",
        change: "-H 'Content-Type: application/json'",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d '{\"transferId\":\"a\",}'",
        status: 400,
        reason: "MALFORMED_JSON",
        message: "the body: trailing comma before `}`; remove the comma (line 1, column 19)",
        change: "the comma goes",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d \"{'transferId':'a'}\"",
        status: 400,
        reason: "MALFORMED_JSON",
        message: "the body: JSON strings and names need double quotes, not single quotes (line 1, column 2)",
        change: "double quotes",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d '{transferId:\"a\"}'",
        status: 400,
        reason: "MALFORMED_JSON",
        message: "the body: expected a member name in double quotes, got `t` (line 1, column 2)",
        change: "quotes around the name",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d '{\"confirmFunds\":True}'",
        status: 400,
        reason: "MALFORMED_JSON",
        message: "field \"confirmFunds\": JSON writes true, false and null in lower case (line 1, column 17)",
        change: "true",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d '{\"transactionAmount\":{\"currency\":\"EUR\",\"value\":NaN}}'",
        status: 400,
        reason: "MALFORMED_JSON",
        message: "field \"transactionAmount.value\": JSON has no numbers NaN and Infinity; for a double or float field, send them as strings, for example \"NaN\" (line 1, column 48)",
        change: "an amount",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d '\u{feff}{}'",
        status: 400,
        reason: "MALFORMED_JSON",
        message: "the body: it begins with a byte order mark (U+FEFF); send it without one (line 1, column 1)",
        change: "saves the file without a byte order mark",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d '{\"transfer\":\"a\"}'",
        status: 400,
        reason: "UNKNOWN_FIELD",
        message: "unknown field \"transfer\" (did you mean \"transferId\"?) (line 1, column 13)",
        change: "transferId",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d '{\"transactionAmount\":{\"currency\":\"EUR\",\"value\":10}}'",
        status: 400,
        reason: "INVALID_FIELD",
        message: "field \"transactionAmount.value\": expected a string, got 10; put it in quotes: \"10\" (line 1, column 48)",
        change: "\"value\":\"10\"",
    },
    Mistake {
        curl: "curl BANK/transfers -H 'Content-Type: application/json' -d '[{\"transferId\":\"a\"}]'",
        status: 400,
        reason: "INVALID_BODY",
        message: "the body: expected an object (io.token.proto.bankapi.TransferRequest), got an array (line 1, column 1)",
        change: "an object, without the brackets",
    },
    Mistake {
        curl: "curl -X PUT BANK/storage/k -H 'Content-Type: application/json' -d '{\"category\":\"ACOUNT_INFO\"}'",
        status: 400,
        reason: "INVALID_FIELD",
        message: "field \"category\": expected one of INVALID, ACCOUNT_INFO, TOKEN_INFO, got \"ACOUNT_INFO\" (did you mean \"ACCOUNT_INFO\"?) (line 1, column 13)",
        change: "ACCOUNT_INFO",
    },
    Mistake {
        curl: "curl -X PUT BANK/storage/k -H 'Content-Type: application/json' -d '{\"key\":\"other\"}'",
        status: 400,
        reason: "FIELD_CONFLICT",
        message: "field \"key\": the path and the body have different values for it; leave it out of the body, or send the same value",
        change: "no key in the body",
    },
];

/// The words of a line as a shell has them, which knows two kinds of quotes here.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Sends what curl would send.
fn sent(stage: &Stage, line: &str) -> Answer {
    let words = words(line);
    let mut rest = words.iter().map(String::as_str);
    assert_eq!(rest.next(), Some("curl"), "{line}");
    let (mut method, mut target, mut header, mut body) = (None, "", None, None);
    while let Some(word) = rest.next() {
        match word {
            "-X" => method = rest.next(),
            "-H" => header = rest.next().unwrap().split_once(':'),
            "-d" => body = rest.next(),
            word => target = word.strip_prefix("BANK").unwrap(),
        }
    }
    let method = method.unwrap_or(if body.is_some() { "POST" } else { "GET" });
    // `-d` sets the type of forms, and a header without a value takes it away.
    let form = body.map(|_| ("Content-Type", "application/x-www-form-urlencoded"));
    let header = header.map(|(name, value)| (name, value.trim())).or(form).filter(|(_, value)| !value.is_empty());
    stage.send(method, target, header.as_slice(), body.map(str::as_bytes))
}

#[test]
fn the_answer_to_a_mistake_says_what_to_change() {
    let stage = Stage::sample();
    for Mistake { curl, status, reason, message, change } in MISTAKES {
        let answer = sent(&stage, curl);
        let (_, said) = answer.body_and_reason();
        let got = (answer.status, said.unwrap_or_default(), answer.refusal().1);
        assert_eq!(got, (status, reason.to_owned(), message.to_owned()), "{curl}");
        assert!(!change.is_empty(), "{curl}");
    }
}

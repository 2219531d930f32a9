//! What `--proto` takes, and the exact text for descriptors that cannot be served.
//!
//! A wrong rule is told by its rpc and its template with the column; a wrong `.proto` file by file, line and column.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "a test may panic, and uses a part of its support")]

#[path = "support/folder.rs"]
mod folder;
#[path = "support/process.rs"]
mod process;

use std::path::Path;

use folder::{Folder, get_with, orders};
use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto};

/// The descriptor set of these files below `root`; what they import comes with them or not.
fn descriptor_set(root: &Path, files: &[&str], with_imports: bool) -> Vec<u8> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let mut compiler = protox::Compiler::new([root, &repository]).unwrap();
    compiler.include_imports(with_imports).include_source_info(with_imports).open_files(files).unwrap();
    compiler.encode_file_descriptor_set()
}

/// A rule for an rpc of its own, beside `Get`.
fn and_find(get: &str, find: &str) -> String {
    orders(&format!(
        "rpc Get(Order) returns (Order) {{ option (google.api.http) = {{ {get} }}; }}\n\
         rpc Find(Item) returns (Item) {{ option (google.api.http) = {{ {find} }}; }}"
    ))
}

fn assert_refused(cases: &[(String, &[&str])]) {
    let folder = Folder::new();
    for (text, expected) in cases {
        folder.write("shop/orders.proto", text);
        assert_eq!(folder.refused_protos(&["shop"]), *expected, "{text}");
    }
}

#[test]
fn a_proto_file_that_does_not_compile_is_told_with_line_and_column() {
    let rule = r#"get: "/v1""#;
    assert_refused(&[
        (
            orders("rpc Get(Order) returns (Order) { option (google.api.http) = { get: \"/v1\" } };"),
            &["shop: orders.proto:5:76: expected ';', but found '}'"],
        ),
        (
            get_with(rule).replace("google/api/annotations", "shop/missing"),
            &["shop: orders.proto:3:1: import 'shop/missing.proto' not found"],
        ),
        (
            get_with(rule).replace("import \"google/api/annotations.proto\";", ""),
            &["shop: orders.proto:5:34: name 'google.api.http' is not defined"],
        ),
        (get_with(rule).replace("Get(Order)", "Get(Odrer)"), &["shop: orders.proto:5:9: name 'Odrer' is not defined"]),
        (
            get_with(rule).replace("syntax = \"proto3\"", "edition = \"2023\""),
            &[
                "shop: orders.proto: expected syntax proto2 or proto3, found edition 2023, which is read from descriptor sets \
                 alone: make one, `protoc --include_imports --descriptor_set_out=api.binpb -I shop orders.proto` or `buf build \
                 -o api.binpb`, and name it in place of the file",
            ],
        ),
        (
            "hello".to_owned(),
            &[
                "shop: orders.proto:1:1: expected 'enum', 'extend', 'import', 'message', 'option', 'service', 'package' or \
               ';', but found 'hello'",
            ],
        ),
    ]);
}

#[test]
fn a_file_of_an_edition_that_another_imports_is_told_by_its_own_name() {
    let folder = Folder::new();
    folder.write(
        "shop/orders.proto",
        get_with(r#"get: "/v1""#).replace("import \"google", "import \"new.proto\"; import \"google"),
    );
    folder.write("shop/new.proto", "// new\nedition = \"2024\";");
    let problem = "shop: new.proto: expected syntax proto2 or proto3, found edition 2024, which is read from descriptor sets \
                   alone: make one, `protoc --include_imports --descriptor_set_out=api.binpb -I shop new.proto` or `buf build -o \
                   api.binpb`, and name it in place of the file";
    assert_eq!(folder.refused_protos(&["shop"]), [problem]);
}

#[test]
fn two_fields_of_one_json_name_are_told_by_their_names() {
    let order = |syntax: &str, fields: &str| {
        format!("syntax = \"{syntax}\";\npackage shop.v1;\nmessage Order {{ {fields} }}\n")
    };
    let camel: &[&str] = &[
        "shop: orders.proto: shop.v1.Order.unitPrice: expected a JSON name of its own, found `unitPrice`, that of `unit_price`",
    ];
    let swapped: &[&str] = &[
        "shop: orders.proto: shop.v1.Order.id: expected a JSON name of its own, found `count`, the name of a field that JSON calls `number`",
    ];
    for syntax in ["proto2", "proto3"] {
        assert_refused(&[
            (order(syntax, "optional string unit_price = 1; optional string unitPrice = 2;"), camel),
            (
                order(
                    syntax,
                    r#"optional string id = 1 [json_name = "count"]; optional int32 count = 2 [json_name = "number"];"#,
                ),
                swapped,
            ),
        ]);
    }
}

#[test]
fn every_file_that_does_not_compile_is_told() {
    let folder = Folder::new();
    folder
        .write("shop/a.proto", "message {")
        .write("shop/b.proto", "import \"a.proto\";")
        .write("shop/sub/c.proto", "!");
    let [a, c] = ["a.proto:1:9: expected an identifier, but found '{'", "c.proto:1:1: invalid token"];
    assert_eq!(folder.refused_protos(&["shop"]), [format!("shop: {a}"), format!("shop: sub/{c}")]);
    let none = "none.proto: No such file or directory (os error 2)".to_owned();
    let expected = [format!("shop: {a}"), none, format!("shop/sub: {c}")];
    assert_eq!(folder.refused_protos(&["shop/a.proto", "none.proto", "shop/sub/c.proto"]), expected);
}

#[test]
fn a_rule_that_cannot_be_served_is_told_by_its_rpc_and_template() {
    assert_refused(&[
        (
            get_with(r#"get: "/v1/{id=orders/*:x""#),
            &[r#"shop.v1.Orders.Get: "/v1/{id=orders/*:x": column 17: expected `}`, found `:`"#],
        ),
        (
            get_with(r#"get: "/v1/{nme}?name={item.nme}""#),
            &[
                r#"shop.v1.Orders.Get: "/v1/{nme}?name={item.nme}": column 6: expected a field of `shop.v1.Order`, found `nme`"#,
                r#"shop.v1.Orders.Get: "/v1/{nme}?name={item.nme}": column 17: expected a field of `shop.v1.Item`, found `nme`"#,
            ],
        ),
        (
            get_with(r#"get: "/v1/{tags}""#),
            &[r#"shop.v1.Orders.Get: "/v1/{tags}": column 6: expected a field of one value, found the list `tags`"#],
        ),
        (
            get_with(r#"get: "/v1/{item}/{notes}""#),
            &[
                r#"shop.v1.Orders.Get: "/v1/{item}/{notes}": column 6: expected a field that one text can fill, found the message `item`"#,
                r#"shop.v1.Orders.Get: "/v1/{item}/{notes}": column 13: expected a field that one text can fill, found the message `notes`"#,
            ],
        ),
        (
            get_with(r#"get: "/v1" response_body: "itme""#),
            &[r#"shop.v1.Orders.Get: "/v1": response_body "itme": expected a field of `shop.v1.Order`, found `itme`"#],
        ),
        (
            get_with(r#"get: "/v1" body: "*""#),
            &[r#"shop.v1.Orders.Get: "/v1": a GET request has no body (RFC 9110, section 9.3)"#],
        ),
        (
            get_with(r#"post: "/v1" body: "itme""#),
            &[r#"shop.v1.Orders.Get: "/v1": body "itme": expected a field of `shop.v1.Order`, found `itme`"#],
        ),
        (
            get_with(r#"get: "/v1" additional_bindings { get: "/v2" additional_bindings { get: "/v3" } }"#),
            &["shop.v1.Orders.Get: additional_bindings cannot hold additional_bindings"],
        ),
        (get_with(r#"body: "*""#), &[r#"shop.v1.Orders.Get: the rule has no method and path, such as `get: "/v1"`"#]),
        (
            orders("rpc Get(Order) returns (Order);"),
            &["no rpc in the descriptors has a google.api.http option: nothing could be called"],
        ),
        (
            and_find(r#"get: "v1""#, r#"put: "/v1/{id}" body: "b""#),
            &[
                r#"shop.v1.Orders.Get: "v1": column 1: expected `/`, found `v`"#,
                r#"shop.v1.Orders.Find: "/v1/{id}": column 6: expected a field of `shop.v1.Item`, found `id`"#,
                r#"shop.v1.Orders.Find: "/v1/{id}": body "b": expected a field of `shop.v1.Item`, found `b`"#,
            ],
        ),
    ]);
}

#[test]
fn two_rules_that_no_request_could_tell_apart_are_told_with_both_rpcs() {
    assert_refused(&[
        (
            and_find(r#"get: "/v1/{id}""#, r#"get: "/v1/{name}""#),
            &[
                r#"shop.v1.Orders.Get: "/v1/{id}": GET at this path is the rule "/v1/{name}" of shop.v1.Orders.Find too, and no query key could tell them apart; to serve one of the two, leave the other out: `expose: {except: [shop.v1.Orders.Find]}`"#,
            ],
        ),
        (
            and_find(r#"get: "/v1?id={id}&n={count}""#, r#"get: "/v1?id={name}""#),
            &[
                r#"shop.v1.Orders.Get: "/v1?id={id}&n={count}": GET at this path is the rule "/v1?id={name}" of shop.v1.Orders.Find too, and no query key could tell them apart; to serve one of the two, leave the other out: `expose: {except: [shop.v1.Orders.Find]}`"#,
            ],
        ),
        (
            and_find(r#"get: "/v1" additional_bindings { post: "/v2/{id}" }"#, r#"post: "/v2/{name}""#),
            &[
                r#"shop.v1.Orders.Get: "/v2/{id}": POST at this path is the rule "/v2/{name}" of shop.v1.Orders.Find too, and no query key could tell them apart; to serve one of the two, leave the other out: `expose: {except: [shop.v1.Orders.Find]}`"#,
            ],
        ),
        (
            get_with(r#"get: "/v1/{id}" additional_bindings { get: "/v1/{item.name}" }"#),
            &[
                r#"shop.v1.Orders.Get: "/v1/{id}": GET at this path is the rule "/v1/{item.name}" of shop.v1.Orders.Get too, and no query key could tell them apart"#,
            ],
        ),
    ]);
}

const FOUND: &[&str] = &["GET /v1/{id} shop.v1.Orders.Get"];

#[test]
fn proto_takes_a_file_a_folder_and_a_descriptor_set_of_any_extension() {
    let folder = Folder::new();
    folder.write("api/shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    let set = descriptor_set(&folder.path("api"), &["shop/orders.proto"], true);
    let names = ["orders.binpb", "orders.pb", "orders.desc", "orders.txt", "orders"];
    for name in names {
        folder.write(name, &set);
    }
    for path in ["api/shop/orders.proto", "api/shop", "api", "."].into_iter().chain(names) {
        assert_eq!(folder.routes(&[path]), FOUND, "{path}");
    }
}

#[test]
fn the_import_root_of_a_file_is_the_nearest_folder_above_it_that_has_its_imports() {
    let folder = Folder::new();
    let importing = get_with(r#"get: "/v1/{id}""#).replace("import ", "import \"shop/common/money.proto\";\nimport ");
    folder.write("api/shop/v1/orders.proto", importing);
    folder.write("api/shop/common/money.proto", "syntax = \"proto3\";\npackage shop.common;\nmessage Money {}\n");
    assert_eq!(folder.routes(&["api/shop/v1/orders.proto"]), FOUND);
    assert_eq!(folder.routes(&["api"]), FOUND);
    let absolute = folder.path("api/shop/v1/orders.proto");
    assert_eq!(folder.routes(&[absolute.to_str().unwrap()]), FOUND);
    // A folder is an import root itself.
    assert_eq!(
        folder.refused_protos(&["api/shop"]),
        ["api/shop: v1/orders.proto:3:1: import 'shop/common/money.proto' not found"]
    );
}

#[test]
fn the_annotations_need_not_be_in_the_folder_and_win_if_they_are() {
    let folder = Folder::new();
    folder.write("api/orders.proto", get_with(r#"get: "/v1/{id}""#));
    assert_eq!(folder.routes(&["api"]), FOUND);
    let annotations = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto/google/api");
    for name in ["annotations.proto", "http.proto"] {
        folder.write(&format!("api/google/api/{name}"), std::fs::read(annotations.join(name)).unwrap());
    }
    assert_eq!(folder.routes(&["api"]), FOUND);
    folder.write("api/google/api/http.proto", "message {");
    let expected = ["api: google/api/http.proto:1:9: expected an identifier, but found '{'"];
    assert_eq!(folder.refused_protos(&["api"]), expected);
}

#[test]
fn several_protos_may_share_files() {
    let folder = Folder::new();
    let items = get_with(r#"post: "/items" body: "*""#).replace("shop.v1", "shop.v2");
    folder.write("orders/orders.proto", get_with(r#"get: "/v1/{id}""#)).write("items/items.proto", &items);
    folder.copy("proto/google", "items/google");
    folder.write("orders.binpb", descriptor_set(&folder.path("orders"), &["orders.proto"], true));
    folder.write("items.binpb", descriptor_set(&folder.path("items"), &["items.proto"], true));
    let both = ["GET /v1/{id} shop.v1.Orders.Get", "POST /items shop.v2.Orders.Get"];
    for orders in ["orders", "orders/orders.proto", "orders.binpb"] {
        for items in ["items", "items/items.proto", "items.binpb"] {
            assert_eq!(folder.routes(&[orders, items]), both, "{orders} {items}");
        }
        assert_eq!(folder.routes(&[orders, "orders.binpb"]), FOUND, "{orders}");
    }
    folder.write("old/orders.proto", get_with(r#"get: "/v0""#));
    let expected = ["old: orders.proto is here and in orders.binpb, and the two differ"];
    assert_eq!(folder.refused_protos(&["orders.binpb", "old"]), expected);
}

#[test]
fn a_descriptor_set_that_cannot_be_used_says_why() {
    let folder = Folder::new();
    folder.write("orders.proto", get_with(r#"get: "/v1/{id}""#));
    let whole = descriptor_set(&folder.path("."), &["orders.proto"], true);
    let set_of = |file| FileDescriptorSet { file: vec![file] }.encode_to_vec();
    let file = FileDescriptorProto { name: Some("orders.proto".to_owned()), ..Default::default() };
    let editions = FileDescriptorProto { syntax: Some("editions".to_owned()), ..file.clone() };
    let method = MethodDescriptorProto { input_type: Some(".shop.Order".to_owned()), ..Default::default() };
    let service =
        ServiceDescriptorProto { name: Some("Orders".to_owned()), method: vec![method], ..Default::default() };
    let dangling = FileDescriptorProto { service: vec![service], ..file };
    let is_none = "expected a .proto file, a folder of them or an encoded google.protobuf.FileDescriptorSet \
                   (protoc --include_imports --descriptor_set_out), found something else";
    for (set, expected) in [
        (
            descriptor_set(&folder.path("."), &["orders.proto"], false),
            "orders.proto imports google/api/annotations.proto, which is not there: was the set made with --include_imports?",
        ),
        (set_of(dangling), "orders.proto: name '.shop.Order' is not defined"),
        (set_of(editions), "orders.proto: expected syntax proto2 or proto3, or edition 2023 or 2024, found editions"),
        (b"hello\n".to_vec(), is_none),
        (Vec::new(), is_none),
        (whole[..whole.len() - 1].to_vec(), is_none),
        (b"\x0a\x02\xff\xff".to_vec(), "holds something that is no file descriptor"),
        (std::fs::read(env!("CARGO_BIN_EXE_towbar")).unwrap()[..4096].to_vec(), is_none),
    ] {
        folder.write("set.binpb", &set);
        assert_eq!(folder.refused_protos(&["set.binpb"]), [format!("set.binpb: {expected}")]);
    }
}

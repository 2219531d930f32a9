//! What `--proto` takes, and the exact text for descriptors that cannot be served.
//!
//! A wrong rule is told by its rpc and its template with the column; a wrong `.proto` file by file, line and column.

use std::path::Path;

use crate::support::folder;
use crate::support::folder::{Folder, get_with, orders};
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
fn a_proto_file_that_does_not_compile_is_reported_with_line_and_column() {
    let rule = r#"get: "/v1""#;
    assert_refused(&[
        (
            orders("rpc Get(Order) returns (Order) { option (google.api.http) = { get: \"/v1\" } };"),
            &["shop: orders.proto:5:76: expected ';', but found '}'"],
        ),
        (
            get_with(rule).replace("google/api/annotations", "shop/missing"),
            &[
                "shop: orders.proto:3:1: import \"shop/missing.proto\" was not found in the import roots (shop); add its root \
                 with `-I` or `schema.import_paths`",
            ],
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
fn an_imported_file_that_uses_an_edition_is_reported_by_its_own_name() {
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

/// A service with these messages, of which it is the `Order` that is served.
fn served(syntax: &str, messages: &str) -> String {
    format!(
        "syntax = \"{syntax}\";\npackage shop.v1;\nimport \"google/api/annotations.proto\";\n{messages}\nmessage Empty {{}}\n\
         service Orders {{ rpc Get(Empty) returns (Order) {{ option (google.api.http) = {{ get: \"/v1/orders\" }}; }} }}\n"
    )
}

#[test]
fn fields_whose_json_names_collide_are_reported_with_both_names() {
    let order = |syntax: &str, fields: &str| served(syntax, &format!("message Order {{ {fields} }}"));
    let camel: &[&str] =
        &["shop: orders.proto: shop.v1.Order.unitPrice: JSON name `unitPrice` is already used by `unit_price`"];
    let swapped: &[&str] = &[
        "shop: orders.proto: shop.v1.Order.id: JSON name `count` is the name of another field, whose JSON name is `number`",
    ];
    for syntax in ["proto2", "proto3"] {
        assert_refused(&[
            (order(syntax, "optional string unit_price = 1; optional string unitPrice = 2;"), camel),
            // In what a served message holds.
            (
                served(
                    syntax,
                    "message Order { map<string, Line> lines = 1; } message Line { optional Price price = 1; optional Order order = 2; }
                     message Price { optional int32 a_b = 1; optional int32 aB = 2; }",
                ),
                &["shop: orders.proto: shop.v1.Price.aB: JSON name `aB` is already used by `a_b`"],
            ),
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
fn distinct_json_names_are_served_and_collisions_in_unserved_messages_are_ignored() {
    let folder = Folder::new();
    for (case, messages) in [
        (
            "case alone",
            "message Order { optional string name = 1; optional string Name = 2; optional string NAME = 3; }",
        ),
        ("underscores", "message Order { optional string a_b = 1; optional string ab = 2; }"),
        ("a JSON name", "message Order { optional string a_b = 1 [json_name = \"other\"]; optional string aB = 2; }"),
        (
            "unserved",
            "message Order {} message Event { optional string eventType = 1; optional string event_type = 2; \
             message Inner { optional int32 x_y = 1; optional int32 xY = 2; } } message Log { repeated Event events = 1; }",
        ),
    ] {
        for syntax in ["proto2", "proto3"] {
            folder.write("shop/orders.proto", served(syntax, messages));
            assert_eq!(folder.routes(&["shop"]), ["GET /v1/orders shop.v1.Orders.Get"], "{case} {syntax}");
        }
    }
}

#[test]
fn every_file_that_does_not_compile_is_reported() {
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
fn a_rule_that_cannot_be_served_is_reported_with_its_rpc_and_template() {
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
            &[r#"shop.v1.Orders.Get: "/v1/{tags}": column 6: expected a single value, found the list `tags`"#],
        ),
        (
            get_with(r#"get: "/v1/{item}/{notes}""#),
            &[
                r#"shop.v1.Orders.Get: "/v1/{item}/{notes}": column 6: expected a single value, found the message `item`; use one of its fields"#,
                r#"shop.v1.Orders.Get: "/v1/{item}/{notes}": column 13: expected a single value, found the message `notes`; use one of its fields"#,
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
            &["shop.v1.Orders.Get: additional_bindings cannot be nested"],
        ),
        (
            get_with(r#"gett: "/v1""#),
            &[
                "shop: orders.proto:5:34: invalid value of type 'google.api.HttpRule' for option '(google.api.http)': field 'gett' \
                 not found for message 'google.api.HttpRule'",
            ],
        ),
        (
            get_with(r#"get: "/v1/post" body: "" additional_bindings { put: "/v2" } post: "/v2""#),
            &[
                "shop: orders.proto:5:34: invalid value of type 'google.api.HttpRule' for option '(google.api.http)': a value is \
                 already set for oneof 'pattern': the rule has both `get` and `post`; keep one, and move the others to additional_bindings",
            ],
        ),
        (
            get_with(r#"get: "/v1""#).replace(
                "option (google.api.http) = { get: \"/v1\" }",
                "option (google.api.http).put = \"/v1\"; option (google.api.http).get = \"/v2\"",
            ),
            &[
                "shop: orders.proto: shop.v1.Orders.Get: the rule has both `get` and `put`; keep one, and move the others \
                 to additional_bindings",
            ],
        ),
        (get_with(r#"get: "/:list""#), &[r#"shop.v1.Orders.Get: "/:list": column 2: expected a segment, found `:`"#]),
        (
            get_with(r#"body: "*""#),
            &[r#"shop.v1.Orders.Get: the rule has no method; add one with its path, such as `get: "/v1"`"#],
        ),
        (
            orders("rpc Get(Order) returns (Order);"),
            &[
                "no rpc in the schema has a google.api.http option, so none can be called; annotate one, or add a file to \
               `rules.files`",
            ],
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
fn ambiguous_rules_are_reported_with_both_rpcs() {
    assert_refused(&[
        (
            and_find(r#"get: "/v1/{id}""#, r#"get: "/v1/{name}""#),
            &[
                r#"shop.v1.Orders.Get: "/v1/{id}": GET at this path also matches the rule "/v1/{name}" of shop.v1.Orders.Find, and no query parameter tells the two apart; exclude one of them with `expose: {except: [shop.v1.Orders.Find]}`, or give it another path in a rules file (`rules.files`)"#,
            ],
        ),
        (
            and_find(r#"get: "/v1?id={id}&n={count}""#, r#"get: "/v1?id={name}""#),
            &[
                r#"shop.v1.Orders.Get: "/v1?id={id}&n={count}": GET at this path also matches the rule "/v1?id={name}" of shop.v1.Orders.Find, and no query parameter tells the two apart; exclude one of them with `expose: {except: [shop.v1.Orders.Find]}`, or give it another path in a rules file (`rules.files`)"#,
            ],
        ),
        (
            and_find(r#"get: "/v1" additional_bindings { post: "/v2/{id}" }"#, r#"post: "/v2/{name}""#),
            &[
                r#"shop.v1.Orders.Get: "/v2/{id}": POST at this path also matches the rule "/v2/{name}" of shop.v1.Orders.Find, and no query parameter tells the two apart; exclude one of them with `expose: {except: [shop.v1.Orders.Find]}`, or give it another path in a rules file (`rules.files`)"#,
            ],
        ),
        (
            get_with(r#"get: "/v1/{id}" additional_bindings { get: "/v1/{item.name}" }"#),
            &[
                r#"shop.v1.Orders.Get: "/v1/{id}": GET at this path also matches the rule "/v1/{item.name}" of shop.v1.Orders.Get, and no query parameter tells the two apart; remove one of the two rules"#,
            ],
        ),
    ]);
}

const FOUND: &[&str] = &["GET /v1/{id} shop.v1.Orders.Get"];

#[test]
fn the_proto_flag_accepts_files_folders_and_descriptor_sets_of_any_extension() {
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
fn the_import_root_of_a_file_is_the_nearest_parent_folder_that_contains_its_imports() {
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
        [
            "api/shop: v1/orders.proto:3:1: import \"shop/common/money.proto\" was not found in the import roots (api/shop); it \
             is at api/shop/common/money.proto: add `-I api`, or api to `schema.import_paths`"
        ]
    );
}

#[test]
fn google_api_annotations_are_built_in_and_a_copy_in_the_folder_takes_precedence() {
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
fn several_sources_may_share_a_file_with_equal_content() {
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
    let expected = ["old: orders.proto is also in orders.binpb with different content; keep one of the two"];
    assert_eq!(folder.refused_protos(&["orders.binpb", "old"]), expected);
}

#[test]
fn an_unusable_descriptor_set_is_refused_with_the_reason() {
    let folder = Folder::new();
    folder.write("orders.proto", get_with(r#"get: "/v1/{id}""#));
    let whole = descriptor_set(&folder.path("."), &["orders.proto"], true);
    let set_of = |file| FileDescriptorSet { file: vec![file] }.encode_to_vec();
    let file = FileDescriptorProto { name: Some("orders.proto".to_owned()), ..Default::default() };
    let editions = FileDescriptorProto { syntax: Some("editions".to_owned()), ..file.clone() };
    let order = Some(".shop.Order".to_owned());
    let method = MethodDescriptorProto {
        name: Some("Get".to_owned()),
        input_type: order.clone(),
        output_type: order,
        ..Default::default()
    };
    let service =
        ServiceDescriptorProto { name: Some("Orders".to_owned()), method: vec![method], ..Default::default() };
    let dangling = FileDescriptorProto { service: vec![service], ..file };
    let is_none = "expected a .proto file, a folder of them or an encoded google.protobuf.FileDescriptorSet \
                   (protoc --include_imports --descriptor_set_out), found something else";
    for (set, expected) in [
        (
            descriptor_set(&folder.path("."), &["orders.proto"], false),
            "orders.proto imports google/api/annotations.proto, which is missing; create the descriptor set with \
             `--include_imports`",
        ),
        (
            set_of(dangling),
            "orders.proto: Orders.Get: expected a message that is declared in the descriptors, found \
                            `.shop.Order`",
        ),
        (set_of(editions), "orders.proto: expected syntax proto2 or proto3, or edition 2023 or 2024, found editions"),
        (b"hello\n".to_vec(), is_none),
        (Vec::new(), is_none),
        (whole[..whole.len() - 1].to_vec(), is_none),
        (b"\x0a\x02\xff\xff".to_vec(), "contains an entry that is not a file descriptor"),
        (std::fs::read(env!("CARGO_BIN_EXE_towbar")).unwrap()[..4096].to_vec(), is_none),
    ] {
        folder.write("set.binpb", &set);
        let mut told = folder.refused_protos(&["set.binpb"]);
        told.dedup();
        assert_eq!(told, [format!("set.binpb: {expected}")]);
    }
}

/// A file of one message, in the package that it is in.
fn money(package: &str) -> String {
    format!("syntax = \"proto3\";\npackage {package};\nmessage Money {{ int64 units = 1; }}\n")
}

/// A service whose order has a field of each of these types.
fn importing(imports: &[&str], types: &[&str]) -> String {
    let imports: String = imports.iter().map(|import| format!("import \"{import}\"; ")).collect();
    let fields: String =
        types.iter().zip(10..).map(|(name, number)| format!("{name} f{number} = {number}; ")).collect();
    get_with(r#"get: "/v1/{id}""#)
        .replace(
            "import \"google/api/annotations.proto\";",
            &format!("{imports}import \"google/api/annotations.proto\";"),
        )
        .replace("message Order {", &format!("message Order {{ {fields}"))
}

#[test]
fn every_source_is_an_import_root_for_all_others_in_any_order() {
    let folder = Folder::new();
    folder.write("api/shop/orders.proto", importing(&["money/money.proto"], &["money.Money"]));
    folder.write("shared/money/money.proto", money("money").replace("message", "import \"base.proto\"; message"));
    folder.write("base/base.proto", "syntax = \"proto3\";");
    for sources in [
        &["api", "shared", "base"][..],
        &["base", "shared", "api"],
        &["shared", "api/shop/orders.proto", "base/base.proto"],
        &["api/shop/orders.proto", "shared/money/money.proto", "base"],
        // A file that two sources have is one file, whatever they call it.
        &["api", "api/shop", "shared", "shared/money", "base", "."],
    ] {
        assert_eq!(folder.routes(sources), FOUND, "{sources:?}");
    }
    for flags in [["-I", "shared", "-I", "base"], ["--proto-path", "shared", "--proto-path", "base"]] {
        let ended = folder.run(&[&["routes", "--proto", "api"], &flags[..]].concat());
        assert!(ended.stdout.contains("shop.v1.Orders.Get"), "{ended:?}");
    }
    let refused = folder.refused_protos(&["api", "shared"]);
    let missing = "shared: money/money.proto:3:1: import \"base.proto\" was not found in the import roots (api, shared); add its \
                   root with `-I` or `schema.import_paths`";
    assert_eq!(refused, [missing]);
    folder.write("towbar.yaml", "schema: {paths: [api], import_paths: [shared, base]}\n");
    let ended = folder.run(&["routes", "--config", "towbar.yaml"]);
    assert!(ended.stdout.contains("shop.v1.Orders.Get"), "{ended:?}");
    folder.write("towbar.yaml", "schema: {paths: api, import_paths: [shared, nowhere, base/base.proto]}\n");
    let expected = [
        "shared: money/money.proto:3:1: import \"base.proto\" was not found in the import roots (shared, nowhere, \
         base/base.proto, api); add its root with `-I` or `schema.import_paths`",
        "nowhere: No such file or directory (os error 2)",
        "base/base.proto: expected a folder to search for imports, found a file",
    ];
    assert_eq!(folder.refusal(&["routes", "--config", "towbar.yaml"]), expected);
}

#[test]
fn vendored_files_are_found_by_any_import_path_and_read_only_if_imported() {
    let folder = Folder::new();
    folder.copy("proto/google", "api/third_party/googleapis/google");
    folder.write("api/third_party/googleapis/google/type/money.proto", money("google.type"));
    folder.write("api/third_party/deep/down/acme/acme.proto", money("acme"));
    // Nobody imports these: they are not read, let alone served.
    folder.write("api/third_party/broken.proto", "message {");
    folder.write("api/third_party/googleapis/google/pubsub.proto", get_with(r#"get: "/v1/topics""#));
    let imports = [
        "google/type/money.proto",
        "third_party/googleapis/google/type/money.proto",
        "googleapis/google/api/http.proto",
        "third_party/googleapis/google/api/annotations.proto",
        "acme/acme.proto",
    ];
    folder.write("api/shop/orders.proto", importing(&imports, &["google.type.Money", "acme.Money"]));
    for sources in [&["api"][..], &["api/shop/orders.proto", "api"], &["."]] {
        assert_eq!(folder.routes(sources), FOUND, "{sources:?}");
    }
}

#[test]
fn a_missing_import_is_reported_with_what_to_do() {
    let folder = Folder::new();
    folder.write("api/kv.proto", money("kv")).write("api/shop/money.proto", money("shop"));
    let roots = "was not found in the import roots (api); add its root with `-I` or `schema.import_paths`";
    for (import, expected) in [
        ("kv.proto", None),
        ("./money.proto", None),
        ("./kv.proto", Some("import \"./kv.proto\" was not found in the folder of the file".to_owned())),
        (
            "../kv.proto",
            Some("import \"../kv.proto\" is not a path from an import root; write `import \"kv.proto\";`".to_owned()),
        ),
        (
            "shop//money.proto",
            Some(
                "import \"shop//money.proto\" is not a path from an import root; write it with single slashes and without \
                 \".\" or \"..\""
                    .to_owned(),
            ),
        ),
        (
            "../../kv.proto",
            Some(
                "import \"../../kv.proto\" is not a path from an import root: \"..\" leads out of api; make the folder above \
                 an import root with `-I`"
                    .to_owned(),
            ),
        ),
        ("google/type/money.proto", Some(format!("import \"google/type/money.proto\" {roots}"))),
        (
            "money.proto",
            Some(
                "import \"money.proto\" was not found in the import roots (api); it is at api/shop/money.proto: add `-I \
                 api/shop`, or api/shop to `schema.import_paths`"
                    .to_owned(),
            ),
        ),
    ] {
        folder.write("api/shop/orders.proto", importing(&[import], &[]));
        match expected {
            None => assert_eq!(folder.routes(&["api"]), FOUND, "{import}"),
            Some(expected) => {
                assert_eq!(folder.refused_protos(&["api"]), [format!("api: shop/orders.proto:3:1: {expected}")], "{import}");
            }
        }
    }
    // Not the first import that is missing from the nearest folder: the one that is missing from all.
    folder.write("api/shop/orders.proto", importing(&["shop/money.proto", "gogoproto/gogo.proto"], &[]));
    let expected = "api: shop/orders.proto:3:28: import \"gogoproto/gogo.proto\" was not found in the import roots (api, \
                    api/shop); add its root with `-I` or `schema.import_paths`, or leave its options out with \
                    `schema.skip_missing_option_imports: true`";
    assert_eq!(folder.refused_protos(&["api/shop/orders.proto"]), [expected]);
}

#[test]
fn a_broken_file_that_no_served_rpc_needs_is_skipped_with_a_warning() {
    let folder = Folder::new();
    folder.write("towbar.yaml", format!("schema: api\nlisten: 127.0.0.1:0\nupstream: {}\n", folder::NOBODY));
    let check = || folder.run(&["check", "--config", "towbar.yaml"]);
    folder.write("api/shop/orders.proto", get_with(r#"get: "/v1/{id}""#));
    folder.write("api/old.proto", "message {");
    folder.write("api/uses_old.proto", "syntax = \"proto3\"; import \"old.proto\"; message Uses {}");
    let unserved =
        "syntax = \"proto3\"; import \"no/where.proto\"; service Inner { rpc Do(M) returns (M); } message M {}";
    folder.write("api/unserved.proto", unserved);
    let [old, unserved] = [
        "api: old.proto:1:9: expected an identifier, but found '{'",
        "api: unserved.proto:1:20: import \"no/where.proto\" was not found in the import roots (api); add its root with `-I` or \
         `schema.import_paths`",
    ];
    let warnings: String = [unserved, old]
        .iter()
        .map(|problem| format!("warning: {problem}; the file is skipped, because no served rpc needs it\n"))
        .collect();
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let ended = check();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "no problems found\n"), "{}", ended.stderr);
    assert_eq!(lines(&ended.stderr), lines(&warnings));
    // Named itself, it is needed.
    assert_eq!(folder.refused_protos(&["api/shop", "api/old.proto"]), [old]);
    // So it is where an rpc that is served needs it, by whatever way, or may be in it.
    folder.write(
        "api/more.proto",
        importing(&["uses_old.proto"], &[]).replace("shop.v1", "more").replace("/v1", "/more"),
    );
    assert_eq!(folder.refused_protos(&["api"]), [old]);
    folder.write("api/more.proto", "service {");
    let more = "api: more.proto:1:9: expected an identifier, but found '{'";
    assert_eq!(folder.refused_protos(&["api"]), [more, unserved]);
    // What is not exposed is not served.
    folder.write(
        "api/more.proto",
        importing(&["uses_old.proto"], &[]).replace("shop.v1", "more").replace("/v1", "/more"),
    );
    folder.write(
        "towbar.yaml",
        format!("schema: api\nlisten: 127.0.0.1:0\nupstream: {}\nexpose: shop.v1.Orders\n", folder::NOBODY),
    );
    assert_eq!(lines(&check().stderr), lines(&warnings));
}

#[test]
fn options_of_other_tools_can_be_skipped_if_their_files_are_missing() {
    let folder = Folder::new();
    let imports = [
        "validate/validate.proto",
        "buf/validate/validate.proto",
        "protoc-gen-openapiv2/options/annotations.proto",
        "github.com/gogo/protobuf/gogoproto/gogo.proto",
        "google/api/field_behavior.proto",
    ];
    let text = importing(&imports, &[])
        .replace(
            "service Orders {",
            "option (gogoproto.marshaler_all) = true;\n\
             option (grpc.gateway.protoc_gen_openapiv2.options.openapiv2_swagger) = { info: { title: \"Shop\" } };\n\
             service Orders { option (.grpc.gateway.protoc_gen_openapiv2.options.openapiv2_tag) = {};\n",
        )
        .replace(
            "message Order {",
            "enum E { option (gogoproto.goproto_enum_prefix) = false; ZERO = 0 [(gogoproto.enumvalue_customname) = \"Z\"]; }\n\
             message Order { option (validate.ignored) = true; oneof one { option (validate.required) = true; string x = 20; }\n\
             string n = 21 [(validate.rules).string.min_len = 1, (buf.validate.field).required = true, debug_redact = true,\n\
             (gogoproto.nullable) = false, (google.api.field_behavior) = REQUIRED, json_name = \"other\"];",
        );
    folder.write("api/orders.proto", &text);
    let key = |skip: &str| format!("schema: {{paths: api{skip}}}\nlisten: 127.0.0.1:0\nupstream: {}\n", folder::NOBODY);
    folder.write("towbar.yaml", key(", skip_missing_option_imports: true"));
    let ended = folder.run(&["check", "--config", "towbar.yaml"]);
    let warnings: String = imports
        .iter()
        .map(|import| {
            format!(
                "warning: api: orders.proto imports {import}, which was not found: its options are left out \
                 (`schema.skip_missing_option_imports`)\n"
            )
        })
        .collect();
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (Some(0), "no problems found\n", warnings.as_str())
    );
    // Without the switch all of them are missed.
    folder.write("towbar.yaml", key(""));
    assert_eq!(folder.refusal(&["check", "--config", "towbar.yaml"]).len(), imports.len());
    // Nothing else is left out: neither other imports nor other options.
    folder.write("towbar.yaml", key(", skip_missing_option_imports: true"));
    folder.write("api/orders.proto", text.replace("(buf.validate.field)", "(acme.field)"));
    let refused = folder.refusal(&["check", "--config", "towbar.yaml"]);
    assert_eq!(refused, ["api: orders.proto:12:16: name 'acme.field' is not defined"]);
    folder.write("api/orders.proto", text.replace("buf/validate/validate.proto", "acme/options.proto"));
    let refused = folder.refusal(&["check", "--config", "towbar.yaml"]);
    let expected = "api: orders.proto:3:35: import \"acme/options.proto\" was not found in the import roots (api); add its root with \
                    `-I` or `schema.import_paths`";
    assert_eq!(refused, [expected]);
}

#[test]
fn proto_files_with_a_byte_order_mark_crlf_or_latin1_comments_are_read() {
    let folder = Folder::new();
    let text = importing(&["money.proto"], &["shop.Money"]);
    folder.write("api/money.proto", format!("\u{feff}{}", money("shop")));
    let latin = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
    let comment = format!("// Caf\u{e9}\n/* \u{fc} */\n{text}");
    for (case, bytes) in [
        ("a byte order mark", format!("\u{feff}{text}").into_bytes()),
        ("CR LF", text.replace('\n', "\r\n").into_bytes()),
        ("both, and comments", format!("\u{feff}{}", comment.replace('\n', "\r\n")).into_bytes()),
        ("Latin-1 comments", latin(&comment)),
    ] {
        folder.write("api/orders.proto", bytes);
        assert_eq!(folder.routes(&["api"]), FOUND, "{case}");
    }
    let redefined = text.replace("service Orders {", "option go_package = \"caf\u{e9}\";\nservice Orders {");
    folder.write("api/orders.proto", latin(&redefined));
    let expected = "api: orders.proto:4:25: byte 0xe9 is not UTF-8; save the file as UTF-8";
    assert_eq!(folder.refused_protos(&["api"]), [expected]);
    let wide: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    folder.write("api/orders.proto", wide);
    assert_eq!(folder.refused_protos(&["api"]), ["api: orders.proto: the file is UTF-16; save it as UTF-8"]);
}

#[test]
fn a_descriptor_set_may_have_its_files_in_any_order() {
    let folder = Folder::new();
    folder
        .write("api/orders.proto", importing(&["money.proto"], &["shop.Money"]))
        .write("api/money.proto", money("shop"));
    let set = descriptor_set(&folder.path("api"), &["orders.proto"], true);
    // Field by field, as the options of extensions are to stay.
    let mut files: Vec<&[u8]> = Vec::new();
    let mut rest = set.as_slice();
    while !rest.is_empty() {
        let start = rest;
        prost::encoding::decode_key(&mut rest).unwrap();
        let length = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
        rest = &rest[length..];
        files.push(&start[..start.len() - rest.len()]);
    }
    assert!(files.len() > 3);
    files.reverse();
    folder.write("set.binpb", files.concat());
    assert_eq!(folder.routes(&["set.binpb"]), FOUND);
    files.pop();
    folder.write("set.binpb", files.concat());
    let refused = folder.refused_protos(&["set.binpb"]);
    assert!(
        refused[0].ends_with(", which is missing; create the descriptor set with `--include_imports`"),
        "{refused:?}"
    );
}

#[test]
fn of_many_duplicate_declarations_the_first_is_reported_with_both_files() {
    let folder = Folder::new();
    const FILES: usize = 400;
    for number in 0..FILES {
        // Each file imports the three before it, so that a fault in the middle is in the way of all behind it.
        let imports: String =
            (number.saturating_sub(3)..number).map(|at| format!("import \"f{at:04}.proto\"; ")).collect();
        let twice = if number % 8 == 7 { number - 7 } else { number };
        let text = format!(
            "syntax = \"proto3\"; package shop; {imports}import \"google/api/annotations.proto\"; message M{twice} {{ int32 \
             a{number} = 1; }} service S{number} {{ rpc Get(M{twice}) returns (M{twice}) {{ option (google.api.http) = {{ get: \
             \"/v{number}\" }}; }} }}"
        );
        folder.write(&format!("api/f{number:04}.proto"), text);
    }
    let refused = folder.refused_protos(&["api"]);
    let first = "api: f0007.proto declares shop.M0, which f0000.proto in api also declares; remove one of the two";
    assert_eq!(refused, [first]);
}

//! Files of an edition, which no library has checked before: what is wrong with them stops the start, all of it at once.

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
    descriptor_proto,
};
use towbar::codec::{self, Body, Ignored, Print, Request, RequestError};
use towbar::format::wire;
use towbar::schema::Schema;

/// A set of these files. `edition` of descriptor.proto is not known to prost-types: it is appended.
fn set(files: &[(FileDescriptorProto, &[u8])]) -> Vec<u8> {
    let mut set = Vec::new();
    for (file, more) in files {
        wire::put_tag(&mut set, 1, wire::LENGTH);
        wire::put_bytes(&mut set, &[&file.encode_to_vec(), *more].concat());
    }
    set
}

/// `edition = EDITION_2023`.
const EDITION: &[u8] = b"\x70\xe8\x07";
/// The same with `option features.enum_type = CLOSED`.
const CLOSED: &[u8] = b"\x70\xe8\x07\x42\x05\x92\x03\x02\x10\x02";

/// The same with `option features.json_format = LEGACY_BEST_EFFORT`.
const BEST_EFFORT: &[u8] = b"\x70\xe8\x07\x42\x05\x92\x03\x02\x30\x02";
/// The same with `option features.utf8_validation = NONE`.
const ANY_BYTES: &[u8] = b"\x70\xe8\x07\x42\x05\x92\x03\x02\x20\x03";

fn file(name: &str) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("shop".to_owned()),
        syntax: Some("editions".to_owned()),
        ..Default::default()
    }
}

fn message(name: &str, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field: fields, ..Default::default() }
}

fn field(name: &str, number: i32) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::String.into()),
        ..Default::default()
    }
}

fn typed(name: &str, number: i32, kind: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto {
        r#type: Some(kind.into()),
        type_name: Some(type_name.to_owned()).filter(|name| !name.is_empty()),
        ..field(name, number)
    }
}

fn enumeration(name: &str, values: &[(&str, i32)]) -> EnumDescriptorProto {
    let value = |&(name, number): &(&str, i32)| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        ..Default::default()
    };
    EnumDescriptorProto { name: Some(name.to_owned()), value: values.iter().map(value).collect(), ..Default::default() }
}

fn with_message(message: DescriptorProto) -> FileDescriptorProto {
    FileDescriptorProto { message_type: vec![message], ..file("orders.proto") }
}

fn with_enum(declared: EnumDescriptorProto) -> FileDescriptorProto {
    FileDescriptorProto { enum_type: vec![declared], ..file("orders.proto") }
}

fn extending(number: i32, extendee: &str) -> FileDescriptorProto {
    let range = descriptor_proto::ExtensionRange { start: Some(100), end: Some(200), ..Default::default() };
    let order = DescriptorProto { extension_range: vec![range], ..message("Order", Vec::new()) };
    let extension = FieldDescriptorProto { extendee: Some(extendee.to_owned()), ..field("note", number) };
    FileDescriptorProto { extension: vec![extension], ..with_message(order) }
}

fn map_of(key: Type, numbers: [i32; 2]) -> FileDescriptorProto {
    let mut entry = message("NotesEntry", vec![typed("key", numbers[0], key, ""), field("value", numbers[1])]);
    entry.options = Some(MessageOptions { map_entry: Some(true), ..Default::default() });
    let notes = typed("notes", 1, Type::Message, ".shop.Order.NotesEntry");
    let notes = FieldDescriptorProto { label: Some(Label::Repeated.into()), ..notes };
    with_message(DescriptorProto { nested_type: vec![entry], ..message("Order", vec![notes]) })
}

fn in_oneof(index: i32, label: Label) -> FileDescriptorProto {
    let field = FieldDescriptorProto { oneof_index: Some(index), label: Some(label.into()), ..field("id", 1) };
    let oneof = OneofDescriptorProto { name: Some("choice".to_owned()), ..Default::default() };
    with_message(DescriptorProto { oneof_decl: vec![oneof], ..message("Order", vec![field]) })
}

fn renamed(name: &str, number: i32, json_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { json_name: Some(json_name.to_owned()), ..field(name, number) }
}

/// What is wrong with a set, were all of its messages served.
fn problems(set: &[u8]) -> Vec<String> {
    let problems = match Schema::decode("set.binpb", set) {
        Ok(schema) => schema.clashes(schema.messages().collect::<Vec<_>>().iter()),
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn descriptors_that_a_compiler_refuses_are_reported_with_the_declaration() {
    let order = |fields| with_message(message("Order", fields));
    for (file, expected) in [
        (order(vec![field("id", 1), field("name", 1)]), "shop.Order.name: number 1 is already used by `id`"),
        (order(vec![field("id", 1), field("id", 2)]), "shop.Order.id: this name is declared twice"),
        (
            order(vec![field("unit_price", 1), field("unitPrice", 2)]),
            "shop.Order.unitPrice: JSON name `unitPrice` is already used by `unit_price`",
        ),
        (
            order(vec![renamed("id", 1, "name"), field("name", 2)]),
            "shop.Order.name: JSON name `name` is already used by `id`",
        ),
        (
            order(vec![field("id", 0)]),
            "shop.Order.id: expected a number from 1 to 536870911, except 19000 to 19999, found 0",
        ),
        (
            order(vec![field("id", 19_000)]),
            "shop.Order.id: expected a number from 1 to 536870911, except 19000 to 19999, found 19000",
        ),
        (
            order(vec![typed("item", 1, Type::Message, ".shop.Item")]),
            "shop.Order.item: expected a message that is declared in the descriptors, found `.shop.Item`",
        ),
        (
            order(vec![typed("item", 1, Type::Enum, ".shop.Order")]),
            "shop.Order.item: expected an enum that is declared in the descriptors, found `.shop.Order`",
        ),
        (
            map_of(Type::Float, [1, 2]),
            "shop.Order.NotesEntry.key: expected an integer, bool or string as the key of a map, found float",
        ),
        (
            map_of(Type::Bytes, [1, 2]),
            "shop.Order.NotesEntry.key: expected an integer, bool or string as the key of a map, found bytes",
        ),
        (
            map_of(Type::String, [1, 3]),
            "shop.Order.NotesEntry: expected a map entry with the fields 1 and 2, found 1 and 3",
        ),
        (in_oneof(1, Label::Optional), "shop.Order.id: expected one of the 1 oneofs of its message, found number 1"),
        (in_oneof(-1, Label::Optional), "shop.Order.id: expected one of the 1 oneofs of its message, found number -1"),
        (in_oneof(0, Label::Repeated), "shop.Order.id: expected a single value in a oneof, found a list"),
        (with_enum(enumeration("Size", &[])), "shop.Size: expected at least one value, found none"),
        (
            with_enum(enumeration("Size", &[("SMALL", 1), ("NONE", 0)])),
            "shop.Size: expected 0 as the first value of an open enum, found SMALL = 1",
        ),
        (
            with_enum(enumeration("Size", &[("NONE", 0), ("SMALL", 1), ("LITTLE", 1)])),
            "shop.Size.LITTLE: number 1 is already used by `SMALL`; use another, or set allow_alias",
        ),
        (with_enum(enumeration("Size", &[("NONE", 0), ("NONE", 1)])), "shop.Size.NONE: this name is declared twice"),
        (
            extending(100, ".shop.Oder"),
            "shop.note: expected to extend a message that is declared in the descriptors, found `shop.Oder`",
        ),
        (
            extending(200, ".shop.Order"),
            "shop.note: expected a number in the extension ranges of `shop.Order`, found 200",
        ),
    ] {
        assert_eq!(problems(&set(&[(file, EDITION)])), [format!("set.binpb: orders.proto: {expected}")]);
    }
}

#[test]
fn an_ambiguous_json_name_is_refused_in_every_syntax() {
    for (fields, expected) in [
        (
            vec![field("unit_price", 1), field("unitPrice", 2)],
            vec!["unitPrice: JSON name `unitPrice` is already used by `unit_price`"],
        ),
        (vec![renamed("id", 1, "name"), field("name", 2)], vec!["name: JSON name `name` is already used by `id`"]),
        (
            vec![renamed("id", 1, "key"), renamed("name", 2, "key")],
            vec!["name: JSON name `key` is already used by `id`"],
        ),
        (
            vec![renamed("id", 1, "name"), renamed("name", 2, "title")],
            vec!["id: JSON name `name` is the name of another field, whose JSON name is `title`"],
        ),
        (
            vec![renamed("id", 1, "name"), renamed("name", 2, "id")],
            vec![
                "id: JSON name `name` is the name of another field, whose JSON name is `id`",
                "name: JSON name `id` is the name of another field, whose JSON name is `name`",
            ],
        ),
        (vec![renamed("id", 1, "[shop.note]")], vec!["id: JSON name `[shop.note]` has the form of an extension's"]),
        // These are told apart.
        (vec![field("name", 1), field("Name", 2)], vec![]),
        (vec![renamed("id", 1, "ID"), renamed("name", 2, "[name")], vec![]),
    ] {
        for (syntax, edition) in
            [("proto2", &b""[..]), ("proto3", b""), ("editions", EDITION), ("editions", BEST_EFFORT)]
        {
            let outer = DescriptorProto {
                nested_type: vec![message("Order", fields.clone())],
                ..message("Shop", vec![field("id", 1)])
            };
            let file = FileDescriptorProto { syntax: Some(syntax.to_owned()), ..with_message(outer) };
            let expected: Vec<String> =
                expected.iter().map(|problem| format!("set.binpb: orders.proto: shop.Shop.Order.{problem}")).collect();
            assert_eq!(problems(&set(&[(file, edition)])), expected, "{syntax} {edition:?}");
        }
    }
}

#[test]
fn a_string_must_be_utf8_whatever_the_features_say() {
    for edition in [EDITION, ANY_BYTES] {
        let order = set(&[(with_message(message("Order", vec![field("id", 1)])), edition)]);
        let order = Schema::decode("set.binpb", &order).unwrap().message("shop.Order").unwrap();
        let printed = codec::reply(&order, b"\x0a\x02\xc3\x28", &Print::default()).unwrap_err();
        assert_eq!(printed.to_string(), "the reply is no shop.Order: id: the string is not UTF-8");
        let body = Body { text: b"{\"id\":\"\xc3\x28\"}", field: None, ignored: &Ignored::default() };
        let RequestError::Body(error) = Request::new(&order).encode(Some(body)).unwrap_err() else { panic!("no body") };
        assert_eq!(error.to_string(), "the body: not valid UTF-8 (line 1, column 8)");
    }
}

#[test]
fn descriptors_that_a_compiler_accepts_are_accepted() {
    let aliases = EnumDescriptorProto {
        options: Some(EnumOptions { allow_alias: Some(true), ..Default::default() }),
        ..enumeration("Size", &[("NONE", 0), ("SMALL", 1), ("LITTLE", 1)])
    };
    for (file, edition) in [
        (map_of(Type::Bool, [1, 2]), EDITION),
        (in_oneof(0, Label::Optional), EDITION),
        (with_enum(aliases), EDITION),
        (with_enum(enumeration("Size", &[("SMALL", 1)])), CLOSED),
        (extending(199, ".shop.Order"), EDITION),
    ] {
        assert_eq!(problems(&set(&[(file, edition)])), [""; 0]);
    }
    // Every feature of every edition: the messages of the official conformance suite.
    assert_eq!(problems(include_bytes!("../conformance/messages.binpb")), [""; 0]);
}

#[test]
fn all_problems_of_all_files_are_reported_at_once() {
    let twice = FileDescriptorProto {
        message_type: vec![message("Order", vec![field("id", 1), field("tag", 1), field("Tag", 2), field("no", 0)])],
        enum_type: vec![enumeration("Size", &[("SMALL", 1)])],
        ..file("orders.proto")
    };
    let rpc = MethodDescriptorProto {
        name: Some("Get".to_owned()),
        input_type: Some(".shop.Order".to_owned()),
        output_type: Some(".shop.Item".to_owned()),
        ..Default::default()
    };
    let service = ServiceDescriptorProto { name: Some("Orders".to_owned()), method: vec![rpc], ..Default::default() };
    let items = FileDescriptorProto {
        dependency: vec!["orders.proto".to_owned()],
        message_type: vec![message("Order", Vec::new())],
        service: vec![service],
        ..file("items.proto")
    };
    let number = "expected a number from 1 to 536870911, except 19000 to 19999, found 0";
    assert_eq!(
        problems(&set(&[(twice, EDITION), (items, EDITION)])),
        [
            "orders.proto: shop.Order: expected one declaration of this name, found two".to_owned(),
            format!("orders.proto: shop.Order.no: {number}"),
            "orders.proto: shop.Order.tag: number 1 is already used by `id`".to_owned(),
            "orders.proto: shop.Size: expected 0 as the first value of an open enum, found SMALL = 1".to_owned(),
            "items.proto: shop.Order: expected one declaration of this name, found two".to_owned(),
            "items.proto: shop.Orders.Get: expected a message that is declared in the descriptors, found \
             `.shop.Item`"
                .to_owned(),
        ]
        .map(|problem| format!("set.binpb: {problem}"))
    );
}

#[test]
fn a_file_that_imports_an_edition_file_is_checked_too() {
    let import = FileDescriptorProto {
        syntax: Some("proto3".to_owned()),
        dependency: vec!["orders.proto".to_owned()],
        message_type: vec![message("Item", vec![field("id", 1), field("name", 1)])],
        ..file("items.proto")
    };
    assert_eq!(
        problems(&set(&[(file("orders.proto"), EDITION), (import.clone(), b"")])),
        ["set.binpb: items.proto: shop.Item.name: number 1 is already used by `id`"]
    );
    // Without the file that it imports, its own problems are told all the same.
    assert_eq!(
        problems(&set(&[(import, b"")])),
        [
            "set.binpb: items.proto imports orders.proto, which is missing; create the descriptor set with `--include_imports`",
            "set.binpb: items.proto: shop.Item.name: number 1 is already used by `id`",
        ]
    );
}

#[test]
fn a_message_with_more_than_65535_fields_is_refused() {
    let numbers = || (1..).filter(|number| !(19_000..20_000).contains(number));
    let of = |fields: usize| {
        let fields = numbers().take(fields).map(|number| field(&format!("f{number}"), number)).collect();
        set(&[(with_message(message("Order", fields)), EDITION)])
    };
    let order = Schema::decode("set.binpb", &of(65_535)).unwrap().message("shop.Order").unwrap();
    for name in ["f1", "f66535"] {
        assert_eq!(order.field(name).unwrap().name(), name);
    }
    assert_eq!(problems(&of(65_536)), ["shop.Order: expected at most 65535 fields and extensions, found 65536"]);
}

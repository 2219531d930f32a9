//! Imports that only provide options for other tools. The gateway does not need those options, so the imported files
//! may be missing.

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, UninterpretedOption,
};

/// The end of a file's name, and the prefixes of the options that it declares.
const KNOWN: [(&str, &[&str]); 16] = [
    ("validate/validate.proto", &["validate.", "buf.validate."]),
    ("buf/validate/expression.proto", &["buf.validate."]),
    ("buf/validate/priv/private.proto", &["buf.validate."]),
    ("protoc-gen-openapiv2/options/annotations.proto", &["grpc.gateway.protoc_gen_openapiv2.options."]),
    ("protoc-gen-openapiv2/options/openapiv2.proto", &["grpc.gateway.protoc_gen_openapiv2.options."]),
    ("protoc-gen-swagger/options/annotations.proto", &["grpc.gateway.protoc_gen_swagger.options."]),
    ("gogoproto/gogo.proto", &["gogoproto."]),
    ("openapiv3/annotations.proto", &["openapi.v3.", "gnostic.openapi.v3."]),
    ("openapi/v3/annotations.proto", &["openapi.v3.", "gnostic.openapi.v3."]),
    ("tagger/tagger.proto", &["tagger."]),
    (
        "google/api/client.proto",
        &[
            "google.api.method_signature",
            "google.api.default_host",
            "google.api.oauth_scopes",
            "google.api.api_version",
        ],
    ),
    ("google/api/field_behavior.proto", &["google.api.field_behavior"]),
    ("google/api/field_info.proto", &["google.api.field_info"]),
    (
        "google/api/resource.proto",
        &["google.api.resource", "google.api.resource_reference", "google.api.resource_definition"],
    ),
    ("google/api/routing.proto", &["google.api.routing"]),
    (
        "google/api/visibility.proto",
        &[
            "google.api.enum_visibility",
            "google.api.value_visibility",
            "google.api.field_visibility",
            "google.api.message_visibility",
            "google.api.method_visibility",
            "google.api.api_visibility",
        ],
    ),
];

fn known(import: &str) -> Option<&'static [&'static str]> {
    let is_it = |name: &str| import.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    KNOWN.iter().find(|(name, _)| is_it(name)).map(|(_, options)| *options)
}

/// Whether a file with this name holds only options that may be left out.
pub(super) fn is_known(import: &str) -> bool {
    known(import).is_some()
}

/// Removes these imports from a file, together with all options that they declare.
pub(super) fn leave_out(file: &mut FileDescriptorProto, imports: &[String]) {
    let gone: Vec<usize> = (0..file.dependency.len()).filter(|&at| imports.contains(&file.dependency[at])).collect();
    if gone.is_empty() {
        return;
    }
    let place = |old: i32| {
        let old = usize::try_from(old).ok().filter(|old| !gone.contains(old))?;
        i32::try_from(old - gone.iter().filter(|gone| **gone < old).count()).ok()
    };
    file.public_dependency = file.public_dependency.iter().filter_map(|old| place(*old)).collect();
    file.weak_dependency = file.weak_dependency.iter().filter_map(|old| place(*old)).collect();
    file.dependency.retain(|import| !imports.contains(import));
    let names = imports.iter().filter_map(|import| known(import)).flatten().copied().collect();
    let package = file.package.clone().unwrap_or_default();
    LeaveOut { names, package }.file(file);
}

struct LeaveOut {
    names: Vec<&'static str>,
    package: String,
}

impl LeaveOut {
    fn file(&self, file: &mut FileDescriptorProto) {
        self.options(file.options.as_mut().map(|options| &mut options.uninterpreted_option));
        file.message_type.iter_mut().for_each(|message| self.message(message));
        file.enum_type.iter_mut().for_each(|declared| self.enumeration(declared));
        file.extension.iter_mut().for_each(|field| self.field(field));
        for service in &mut file.service {
            self.options(service.options.as_mut().map(|options| &mut options.uninterpreted_option));
            for method in &mut service.method {
                self.options(method.options.as_mut().map(|options| &mut options.uninterpreted_option));
            }
        }
    }

    fn message(&self, message: &mut DescriptorProto) {
        self.options(message.options.as_mut().map(|options| &mut options.uninterpreted_option));
        message.field.iter_mut().chain(&mut message.extension).for_each(|field| self.field(field));
        message.nested_type.iter_mut().for_each(|nested| self.message(nested));
        message.enum_type.iter_mut().for_each(|declared| self.enumeration(declared));
        for oneof in &mut message.oneof_decl {
            self.options(oneof.options.as_mut().map(|options| &mut options.uninterpreted_option));
        }
        for range in &mut message.extension_range {
            self.options(range.options.as_mut().map(|options| &mut options.uninterpreted_option));
        }
    }

    fn field(&self, field: &mut FieldDescriptorProto) {
        self.options(field.options.as_mut().map(|options| &mut options.uninterpreted_option));
    }

    fn enumeration(&self, declared: &mut EnumDescriptorProto) {
        self.options(declared.options.as_mut().map(|options| &mut options.uninterpreted_option));
        for value in &mut declared.value {
            self.options(value.options.as_mut().map(|options| &mut options.uninterpreted_option));
        }
    }

    fn options(&self, options: Option<&mut Vec<UninterpretedOption>>) {
        if let Some(options) = options {
            options.retain(|option| !self.is_left_out(option));
        }
    }

    /// A name is relative to the package of the file or to a parent of that package.
    fn is_left_out(&self, option: &UninterpretedOption) -> bool {
        let Some(first) = option.name.first().filter(|first| first.is_extension) else { return false };
        let written = first.name_part.trim_start_matches('.');
        let mut scope = self.package.as_str();
        loop {
            let full = if scope.is_empty() { written.to_owned() } else { format!("{scope}.{written}") };
            let is_of =
                |name: &&'static str| if name.ends_with('.') { full.starts_with(*name) } else { full == **name };
            if self.names.iter().any(is_of) {
                return true;
            }
            match (scope.rsplit_once('.'), scope) {
                (_, "") => return false,
                (Some((outer, _)), _) => scope = outer,
                (None, _) => scope = "",
            }
        }
    }
}

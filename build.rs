//! Compiles `proto/`: descriptors for the gateway, Rust messages and services for the sample bank and the tests.
//!
//! Out, in `$OUT_DIR`: `descriptors.binpb` (every file with its imports, options and comments), `protos.rs` (the modules
//! of all packages), `google.rpc.serde.rs` (their JSON form). No `protoc` is needed.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// The include root: imports are written from here.
const ROOT: &str = "proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    collect(Path::new(ROOT), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;

    // Encoded by protox itself: `prost_types::FileDescriptorSet` would lose the options that are extensions.
    let descriptors = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.binpb"), &descriptors)?;

    let mut code = tonic_prost_build::configure()
        .build_transport(false)
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::pbjson_types")
        .skip_debug(messages_of_the_bank(&compiler))
        .include_file("protos.rs")
        .emit_rerun_if_changed(false);
    for nested in enums_in_messages_of_the_bank(&compiler) {
        code = code.enum_attribute(nested, "#[derive(Debug)]");
    }
    code.compile_fds(compiler.file_descriptor_set())?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors)?
        .extern_path(".google.protobuf", "::pbjson_types")
        .build(&[".google.rpc"])?;
    Ok(())
}

/// The `.proto` files below `folder`, which is watched so that a new file is seen too.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}

/// Messages that get no `Debug`: many hold redacted fields or messages that do, and what has no `Debug` is not logged.
fn messages_of_the_bank(compiler: &protox::Compiler) -> Vec<String> {
    let pool = compiler.descriptor_pool();
    pool.all_messages()
        .filter(|message| message.package_name().starts_with("io.token."))
        .filter(|message| message.parent_message().is_none())
        .map(|message| format!(".{}", message.full_name()))
        .collect()
}

/// Enums that lost `Debug` with the message around them, although an enum has nothing to hide.
fn enums_in_messages_of_the_bank(compiler: &protox::Compiler) -> Vec<String> {
    let pool = compiler.descriptor_pool();
    pool.all_enums()
        .filter(|nested| nested.package_name().starts_with("io.token."))
        .filter(|nested| nested.parent_message().is_some())
        .map(|nested| format!(".{}", nested.full_name()))
        .collect()
}

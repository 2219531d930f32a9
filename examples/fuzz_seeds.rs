//! Writes the cases of `tests/cases/` as seeds into the corpus of each fuzz target. `.ci/fuzz` runs it on its copy of
//! the corpus.
//!
//! `cargo run --example fuzz_seeds -- FOLDER`, where FOLDER contains one folder per target.
#![allow(clippy::unwrap_used, dead_code, reason = "it uses a part of the tests' support")]

#[path = "../tests/support/cases.rs"]
mod cases;
#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a crate of its own for the fuzz targets")]
mod checks;
#[path = "../tests/support/seeds.rs"]
mod seeds;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus =
        PathBuf::from(std::env::args_os().nth(1).ok_or("expected the folder of the corpora, found no argument")?);
    let seeds = seeds::all();
    for seed in &seeds {
        let folder = corpus.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&seed.name), &seed.data)?;
    }
    println!("{} seeds from tests/cases", seeds.len());
    Ok(())
}

//! What the fuzz targets check, for every file of their corpus: the seeds, and every input that once was a fault.

use std::fs;
use std::panic;
use std::path::Path;

use crate::support::cases;

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a crate of its own for the fuzz targets")]
mod checks;
#[path = "../support/seeds.rs"]
mod seeds;

#[test]
fn every_file_of_the_fuzz_corpus_passes_its_check() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut faults = Vec::new();
    for (target, check) in checks::TARGETS {
        let files = fs::read_dir(corpus.join(target)).unwrap();
        let mut count = 0;
        for file in files {
            let path = file.unwrap().path();
            let data = fs::read(&path).unwrap();
            count += 1;
            if panic::catch_unwind(|| check(&data)).is_err() {
                faults.push(format!("{target}/{}", path.file_name().unwrap().display()));
            }
        }
        assert!(count > 0, "{target} has no seeds");
    }
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn every_fuzz_seed_passes_its_check() {
    let mut faults = Vec::new();
    let mut counts = [0; 2];
    for seed in seeds::all() {
        let (_, check) = checks::TARGETS.into_iter().find(|(target, _)| *target == seed.target).unwrap();
        counts[usize::from(seed.target == "wire_to_json")] += 1;
        if panic::catch_unwind(|| check(&seed.data)).is_err() {
            faults.push(format!("{}: {}", seed.target, seed.name));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(counts.iter().all(|&count| count > 100), "{counts:?}: where are the cases?");
}

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::descriptor_set(data));

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::passed_certificate(data));

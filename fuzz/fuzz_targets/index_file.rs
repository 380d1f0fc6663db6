#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| immuta_fuzz_cases::index_file::run(data));

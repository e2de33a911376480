#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyvault_fuzz_entries::call("page_body", data));

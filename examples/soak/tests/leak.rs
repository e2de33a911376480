//! The soak prints no password, whatever fault is injected.

use keyvault_test_support::example::{assert_no_leak, example, run};

/// A busy machine may make the soak fail, so this test does not check its result.
#[test]
fn no_password_is_printed_under_faults() {
    let (_, output) = run(&mut example("soak", &["--seconds", "15"]));
    assert_no_leak("soak", &output, &["soaking-password"]);
    let text = String::from_utf8_lossy(&output);
    assert!(text.contains("after the shutdown"), "the soak did not reach its end: {text}");
}

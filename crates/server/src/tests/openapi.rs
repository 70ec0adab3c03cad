//! `docs/reference/openapi.json` is what the server serves. `UPDATE_EXPECT=1` writes it anew.

#[test]
fn the_copy_in_the_reference_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let text = crate::openapi_json();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(copy == text, "run the test once with UPDATE_EXPECT=1 and look at the difference");
}

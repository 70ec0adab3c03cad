//! Every code has its page, and every page its code.

use std::collections::BTreeSet;
use std::path::Path;

use crate::codes::Code;

#[test]
fn codes_and_pages_are_equal() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    let pages: BTreeSet<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
        .collect();
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| code.text().to_owned()).collect();
    assert_eq!(codes, pages);
    for code in Code::ALL {
        let page = crate::assets::error_page(code.text()).unwrap();
        assert!(page.starts_with(&format!("# `{}`", code.text())), "{page}");
        assert!(page.contains(&format!("HTTP {}", code.status().as_u16())), "{page}");
    }
}

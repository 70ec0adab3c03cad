//! The pack that the fuzzer begins with: written once, and it must hold for ever.

use std::path::Path;

use super::world::refund;
use crate::{Pack, check};

/// The byte before it tells the fuzzer which parser it is for.
const WHICH: u8 = b'E';

#[test]
fn a_pack_that_was_written_once_holds_for_ever() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/evidence");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, [&[WHICH], refund().encode().as_slice()].concat()).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    assert_eq!(kept[0], WHICH);
    let pack = Pack::parse(&kept[1..]).unwrap();
    let report = check(&pack, None);
    assert!(report.holds(), "{report:?}");
}

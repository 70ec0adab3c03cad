//! The pack that the fuzzer begins with: written once, and it must hold for ever.

use crate::{Pack, check};

/// The byte before it tells the fuzzer which parser it is for.
const WHICH: u8 = b'E';

#[test]
fn a_pack_that_was_written_once_holds_for_ever() {
    let kept = include_bytes!("../../../../fuzz/corpus/evidence");
    assert_eq!(kept[0], WHICH);
    let pack = Pack::parse(&kept[1..]).unwrap();
    let report = check(&pack, None);
    assert!(report.holds(), "{report:?}");
}

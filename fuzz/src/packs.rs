//! Packs of evidence: what is taken in is checked to the end, and can be written and read again.

use evidence::{Pack, check};

pub fn pack(bytes: &[u8]) {
    let Ok(pack) = Pack::parse(bytes) else { return };
    drop(check(&pack, None));
    assert_eq!(Pack::parse(&pack.encode()).expect("was a pack"), pack);
}

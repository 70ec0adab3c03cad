//! The bytes themselves, pinned: a change here is a new version of the format (`docs/format.md`).

use std::fmt::Write as _;

use expect_test::expect;

use super::memory::Memory;
use super::world::{SEGMENT, SHOP, World, append, define, entry};
use crate::frame::{HEAD_LEN, Head, decode};
use crate::{Backend, FaultKind};

fn split(hex: &str, width: usize) -> String {
    let mut out = String::new();
    for start in (0..hex.len()).step_by(width) {
        writeln!(out, "  {}", &hex[start..(start + width).min(hex.len())]).unwrap();
    }
    out
}

/// One frame after the other: its fields, then its content.
fn dump(mut bytes: &[u8]) -> String {
    let mut out = String::new();
    while !bytes.is_empty() {
        let (frame, len) = decode(bytes).unwrap();
        writeln!(out, "{:?} {}", frame.kind, hex::encode(&bytes[..HEAD_LEN])).unwrap();
        out.push_str(&split(&hex::encode(frame.bytes), 96));
        bytes = &bytes[len..];
    }
    out
}

#[test]
fn each_kind_of_frame_has_its_bytes() {
    let disk = Memory::default();
    let journal = disk.open();
    let log = define(&journal, SHOP);
    append(&journal, vec![entry(log, SHOP, 0, &["a"])]).unwrap();
    journal.close().unwrap();
    let bytes = disk.get(SEGMENT);
    expect![[r#"
        Segment 1c00000092a5ac2001ffffffff00000000000000000100000000000000
          636f756e7465727369676e206c6f670a030000000000000000000000
        Commit 1400000058e488ab05ffffffff00000000000000000100000000000000
          0100000039000000000000009b98b1f900000000
        Log 4c000000422bf522020000000000000000000000000100000000000000
          0900746573742f73686f703f00746573742f73686f702b30633232633536312b4159714934393130436647562f564c62
          4c54793658584c4b5a776d2f485a5153472f4e306941473044323963
        Commit 40000000c070cd3505ffffffff01000000000000000100000000000000
          0100000069000000000000000f1ff0d501000000000000000000000000000000e3b0c44298fc1c149afbf4c8996fb924
          27ae41e4649b934ca495991b7852b855
        Entry 7e00000062687ea8030000000000000000000000000100000000000000
          7b226174223a313030302c22636f6d6d697473223a7b2261223a22636139373831313263613162626463616661633233
          31623339613233646334646137383665666638313437633465373262393830373738356166656534386262227d2c226c
          6f67223a22746573742f73686f70222c22736571223a302c2276223a317d
        Payload 2f0000003ce03ad1040000000000000000000000000100000000000000
          ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb050072756e5f317365616c65642061
        Commit 40000000b50afcec05ffffffff02000000000000000100000000000000
          02000000e7000000000000003db8bff60100000000000000010000000000000007367e04bbe7c4ec156757ddee848507
          a750ea4780a65263c20d0a5600afe87a
    "#]]
    .assert_eq(&dump(&bytes));
    let note = String::from_utf8(disk.get("checkpoints/test~shop")).unwrap();
    expect![[r#"
        test/shop
        1
        BzZ+BLvnxOwVZ1fd7oSFB6dQ6keAplJjwg0KVgCv6Ho=

        — test/shop DCLFYUR/JhHO3S4mk9mzwVXUfTNfFKAv8MkW8p1FtgyjqW9/LiHS/OCi4rjair+szl+eWp0AyToPvB4d3GiMUxPliwI=
    "#]].assert_eq(&note);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let world = World::new(false);
    let mut bytes = world.bytes.clone();
    // The version follows the magic of the first frame; the checksum is made right again.
    bytes[HEAD_LEN + 16] = 4;
    let len = Head::read(&bytes).unwrap().frame_len();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..4]), &bytes[8..len]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    let copy = world.with(&bytes);
    let fault = copy.fault();
    assert_eq!(fault.kind, FaultKind::NewerFormat { found: 4, known: 3 });
    let refused = copy.try_open().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the journal is damaged: `journal/0000000000000000.seg` at byte 0: \
         format 4 is newer than this program, which knows format 3"
    );
    assert!(refused.hint().unwrap().contains("a newer one"));
    assert_eq!(copy.get(SEGMENT), bytes, "nothing was cut");
}

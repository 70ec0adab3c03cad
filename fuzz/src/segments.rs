//! Segments: bytes as they are, and bytes whose checksums were made right, so that what lies behind those is reached.

use std::collections::BTreeMap;
use std::path::Path;

use crate::disk::OneSegment;

const HEAD: usize = 29;
const COMMIT: u8 = 5;

pub fn plain(bytes: &[u8]) {
    let disk = OneSegment(bytes.to_vec().into());
    drop(journal::verify_on(&disk, Path::new("data"), &BTreeMap::new(), &mut |_| {}));
}

pub fn resealed(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let (mut at, mut begin, mut count) = (0, 0, 0u32);
    while let Some(head) = bytes.get(at..at + HEAD) {
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let end = (at + HEAD).saturating_add(len).min(bytes.len());
        let len = u32::try_from(end - at - HEAD).unwrap_or(u32::MAX);
        bytes[at..at + 4].copy_from_slice(&len.to_le_bytes());
        if bytes[at + 8] == COMMIT && len >= 16 {
            let crc = crc32c::crc32c(&bytes[begin..at]);
            bytes[at + HEAD..at + HEAD + 4].copy_from_slice(&count.to_le_bytes());
            bytes[at + HEAD + 4..at + HEAD + 12].copy_from_slice(&((at - begin) as u64).to_le_bytes());
            bytes[at + HEAD + 12..at + HEAD + 16].copy_from_slice(&crc.to_le_bytes());
            (begin, count) = (end, 0);
        } else {
            count += 1;
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[at..at + 4]), &bytes[at + 8..end]);
        bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
    plain(&bytes);
}

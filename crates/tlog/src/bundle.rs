//! Entry bundles (c2sp.org/tlog-tiles, "Log entries"): up to 256 entries in one file, each behind its length.

use crate::tile::TILE_WIDTH;

/// The largest entry: its length stands in two bytes.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Why bytes are not a bundle, or entries cannot be put into one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// More entries than a bundle holds, or none.
    #[error("a bundle holds 1 to 256 entries, not {0}")]
    Width(usize),
    /// An entry whose length does not fit.
    #[error("an entry of {0} bytes does not fit: at most {ENTRY_BYTES_MAX} are taken")]
    TooLarge(usize),
    /// The bytes end within an entry, or before the last one.
    #[error("the bundle ends in the middle of entry {0}")]
    CutShort(u64),
    /// Bytes after the last entry.
    #[error("{0} bytes follow the last entry of the bundle")]
    Rest(usize),
}

/// The bytes of a bundle.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
    if entries.is_empty() || entries.len() as u64 > TILE_WIDTH {
        return Err(BundleError::Width(entries.len()));
    }
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| 2 + entry.as_ref().len()).sum());
    for entry in entries {
        let entry = entry.as_ref();
        let len = u16::try_from(entry.len()).map_err(|_| BundleError::TooLarge(entry.len()))?;
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle that is `width` entries wide: 1 to 256.
pub fn parse_bundle(bytes: &[u8], width: u64) -> Result<Vec<&[u8]>, BundleError> {
    if width == 0 || width > TILE_WIDTH {
        return Err(BundleError::Width(usize::try_from(width).unwrap_or(usize::MAX)));
    }
    let mut rest = bytes;
    let mut entries = Vec::new();
    for number in 0..width {
        let cut = BundleError::CutShort(number);
        let (len, after) = rest.split_first_chunk::<2>().ok_or(cut)?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*len))).ok_or(cut)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::Rest(rest.len())) }
}

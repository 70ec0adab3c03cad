//! The tree in files (c2sp.org/tlog-tiles): 256 hashes of every eighth level in one file, under a name that says which.
//!
//! A tile never changes; the last one of a level may be partial, and is replaced by a wider one under another name.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::proof::HashSource;
use crate::text::decimal;
use crate::tree::Hash;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree in one tile.
pub(crate) const TILE_HEIGHT: u8 = 8;
/// The highest level of tiles. The specification allows 63; a tree with a size of 64 bits has none above this one.
pub(crate) const LEVEL_MAX: u8 = 7;
/// The longest name: `tile/entries/` and six groups of digits, `.p/255` after them.
const PATH_BYTES_MAX: usize = 64;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TileKind {
    /// Hashes: at level 0 of entries, above of full tiles of the level below.
    Hashes(u8),
    /// Entries themselves.
    Entries,
}

/// Names one tile. Printed and parsed as its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    /// INVARIANT: 1 to 256, and the last hash belongs to a tree whose size has 64 bits.
    width: u16,
}

/// Hashes on a level of tiles in a tree: one for each perfect subtree of `256^level` entries.
fn hashes_on(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(TILE_HEIGHT) * u32::from(level)).unwrap_or(0)
}

impl Tile {
    /// Tile `index` of hashes on a level, with its first `width` hashes; `None` if no tree has it.
    pub fn hashes(level: u8, index: u64, width: u64) -> Option<Self> {
        Self::new(TileKind::Hashes(level), index, width).filter(|_| level <= LEVEL_MAX)
    }

    /// Bundle `index`, with its first `width` entries; `None` if no tree has it.
    pub fn entries(index: u64, width: u64) -> Option<Self> {
        Self::new(TileKind::Entries, index, width)
    }

    fn new(kind: TileKind, index: u64, width: u64) -> Option<Self> {
        let tile = Self { kind, index, width: u16::try_from(width).ok()? };
        ((1..=TILE_WIDTH).contains(&width) && tile.is_in(u64::MAX)).then_some(tile)
    }

    /// What it holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its number on its level, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    pub fn width(&self) -> u64 {
        u64::from(self.width)
    }

    /// Whether nothing can be added to it.
    pub fn is_full(&self) -> bool {
        self.width() == TILE_WIDTH
    }

    /// The tile that takes its place once it is full; `None` if no tree has it.
    pub fn whole(&self) -> Option<Self> {
        Self::new(self.kind, self.index, TILE_WIDTH)
    }

    /// The level on which its hashes stand; bundles go with the leaves.
    pub fn level(&self) -> u8 {
        match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        }
    }

    /// The hashes (or entries) that it holds, counted on its level.
    pub fn range(&self) -> Range<u64> {
        let first = self.index * TILE_WIDTH;
        first..first + self.width()
    }

    /// Whether a tree of this size has everything that it holds.
    pub fn is_in(&self, size: u64) -> bool {
        let end = self.index.checked_mul(TILE_WIDTH).and_then(|first| first.checked_add(self.width()));
        end.is_some_and(|end| end <= hashes_on(self.level(), size))
    }

    /// The content of a tile of hashes, one after the other; a bundle's is made by [`crate::encode_bundle`].
    pub fn read<S: HashSource>(&self, source: &S) -> Result<Vec<u8>, S::Error> {
        let mut bytes = Vec::with_capacity(usize::from(self.width) * HASH_BYTES);
        for index in self.range() {
            bytes.extend_from_slice(&source.hash(self.level() * TILE_HEIGHT, index)?);
        }
        Ok(bytes)
    }
}

/// The tiles of hashes that a log writes when it grows from `old` to `new` entries: full ones, and the partial one at
/// the end of each level. From 0: all tiles of a log. Bundles are named like the tiles of level 0.
pub fn tiles(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    (0..=LEVEL_MAX).flat_map(move |level| {
        let (before, after) = (hashes_on(level, old), hashes_on(level, new));
        let first = before / TILE_WIDTH;
        let end = if before < after { after.div_ceil(TILE_WIDTH) } else { first };
        (first..end)
            .filter_map(move |index| Tile::hashes(level, index, (after - index * TILE_WIDTH).min(TILE_WIDTH)))
    })
}

/// The hashes of a tile of this width; `None` unless there are exactly as many.
pub fn parse_hashes(bytes: &[u8], width: u64) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    (rest.is_empty() && hashes.len() as u64 == width).then(|| hashes.to_vec())
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => write!(f, "tile/entries/")?,
        }
        let mut groups = 1;
        while groups < 7 && self.index >= 1000_u64.pow(groups) {
            groups += 1;
        }
        for group in (1..groups).rev() {
            write!(f, "x{:03}/", self.index / 1000_u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// A path that names no tile of any tree, or not in the one way in which it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path names no tile")]
pub struct TilePathError;

impl FromStr for Tile {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        parse(path).ok_or(TilePathError)
    }
}

fn parse(path: &str) -> Option<Tile> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(u8::try_from(decimal(level)?).ok().filter(|level| *level <= LEVEL_MAX)?),
    };
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (number, decimal(width).filter(|width| *width < TILE_WIDTH)?),
        None => (rest, TILE_WIDTH),
    };
    let mut index = 0_u64;
    let mut groups = number.split('/').peekable();
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    let tile = Tile::new(kind, index, width)?;
    // One name for one tile: groups of zeros in front would make more.
    (tile.to_string() == path).then_some(tile)
}

//! Tiles from anywhere, checked against a root before anything in them is used.
//!
//! ```text
//! root of the checkpoint
//!   └── the partial tiles at the right edge, one for each level: together they have that root
//!         └── full tiles: the root of each is a hash in the tile above
//!               └── entries: each has its hash in a tile of level 0
//! ```
//!
//! So the place that tiles come from can refuse to answer, but it cannot lie.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::bundle::parse_bundle;
use crate::proof::HashSource;
use crate::tile::{LEVEL_MAX, TILE_HEIGHT, TILE_WIDTH, Tile, parse_hashes};
use crate::tree::{Hash, Tree, leaf_hash, perfect_root};

/// Full tiles that are remembered: 4 MiB.
const CACHED_MAX: usize = 512;

/// The hashes of a tile that was checked.
type Hashes = Rc<Vec<Hash>>;

/// Where tiles come from: a folder, a server.
pub trait TileSource {
    /// Why a tile could not be had.
    type Error: std::error::Error + 'static;

    /// The bytes of a tile. Of a partial tile of hashes, the full one is taken too: logs may delete partial ones.
    fn fetch(&self, tile: &Tile) -> Result<Vec<u8>, Self::Error>;
}

/// Why a hash or an entry was not had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError<E: std::error::Error + 'static> {
    /// The tile could not be had.
    #[error("could not fetch `{tile}`")]
    Source {
        /// The tile.
        tile: Tile,
        /// Why.
        source: E,
    },
    /// The tile has another length than its name says, or a bundle has other entries.
    #[error("`{0}` does not hold what its name says")]
    Form(Tile),
    /// The tile does not belong to the tree.
    #[error("`{0}` does not belong to the tree")]
    Foreign(Tile),
    /// The tiles at the right edge do not have the root that was asked for.
    #[error("the tiles do not have the root of the checkpoint")]
    Root,
    /// The tree has no such hash or entry.
    #[error("the tree of {size} entries does not reach that far")]
    Beyond {
        /// Its entries.
        size: u64,
    },
}

/// The tree of one checkpoint, over tiles from a source that is not trusted.
#[derive(Debug)]
pub struct VerifiedTiles<S> {
    source: S,
    size: u64,
    /// The partial tile at the end of each level; empty where there is none. Checked against the root.
    edge: Vec<Hashes>,
    /// Full tiles that were checked, by level and index.
    full: RefCell<BTreeMap<(u8, u64), Hashes>>,
}

impl<S: TileSource> VerifiedTiles<S> {
    /// Fetches the right edge (at most eight tiles) and holds it against the root.
    pub fn open(source: S, size: u64, root: &Hash) -> Result<Self, StoreError<S::Error>> {
        let mut edge = Vec::new();
        for level in 0..=LEVEL_MAX {
            let on_level = size >> (level * TILE_HEIGHT);
            let hashes = match Tile::hashes(level, on_level / TILE_WIDTH, on_level % TILE_WIDTH) {
                Some(tile) => fetch_hashes(&source, tile)?,
                None => Vec::new(),
            };
            edge.push(Rc::new(hashes));
        }
        let mut peaks = Vec::new();
        for mut hashes in edge.iter().rev().map(|hashes| hashes.as_slice()) {
            while !hashes.is_empty() {
                let (peak, rest) = hashes.split_at(1 << hashes.len().ilog2());
                peaks.push(perfect_root(peak));
                hashes = rest;
            }
        }
        let tree = Tree::from_peaks(size, peaks).ok_or(StoreError::Root)?;
        if tree.root() != *root {
            return Err(StoreError::Root);
        }
        Ok(Self { source, size, edge, full: RefCell::default() })
    }

    /// Entries of the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The entries of a bundle, as many as the tree has of it.
    pub fn entries(&self, bundle: u64) -> Result<Vec<Vec<u8>>, StoreError<S::Error>> {
        let beyond = StoreError::Beyond { size: self.size };
        let end = self.size / TILE_WIDTH;
        let width = if bundle < end { TILE_WIDTH } else { self.size % TILE_WIDTH };
        let tile = Tile::entries(bundle, width).filter(|tile| tile.is_in(self.size)).ok_or(beyond)?;
        let hashes = self.tile(0, bundle)?;
        let bytes = self.source.fetch(&tile).map_err(|source| StoreError::Source { tile, source })?;
        let entries = parse_bundle(&bytes, width).map_err(|_| StoreError::Form(tile))?;
        if !entries.iter().zip(hashes.iter()).all(|(entry, hash)| leaf_hash(entry) == *hash) {
            return Err(StoreError::Foreign(tile));
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// The hashes of a tile, checked: as many as the tree has of it.
    fn tile(&self, level: u8, index: u64) -> Result<Hashes, StoreError<S::Error>> {
        let beyond = StoreError::Beyond { size: self.size };
        let end = (self.size >> (level * TILE_HEIGHT)) / TILE_WIDTH;
        if index >= end {
            return if index == end { Ok(Rc::clone(&self.edge[usize::from(level)])) } else { Err(beyond) };
        }
        if let Some(known) = self.full.borrow().get(&(level, index)) {
            return Ok(Rc::clone(known));
        }
        let tile = Tile::hashes(level, index, TILE_WIDTH).ok_or(beyond)?;
        // At most seven steps up: no level above has full tiles.
        let above = self.tile(level + 1, index / TILE_WIDTH)?;
        let hashes = fetch_hashes(&self.source, tile)?;
        let place = usize::try_from(index % TILE_WIDTH).expect("a remainder of 256");
        if above.get(place) != Some(&perfect_root(&hashes)) {
            return Err(StoreError::Foreign(tile));
        }
        let hashes = Rc::new(hashes);
        let mut full = self.full.borrow_mut();
        if full.len() >= CACHED_MAX {
            full.clear();
        }
        let _none = full.insert((level, index), Rc::clone(&hashes));
        Ok(hashes)
    }
}

fn fetch_hashes<S: TileSource>(source: &S, tile: Tile) -> Result<Vec<Hash>, StoreError<S::Error>> {
    let bytes = source.fetch(&tile).map_err(|source| StoreError::Source { tile, source })?;
    let mut hashes = parse_hashes(&bytes, tile.width())
        .or_else(|| parse_hashes(&bytes, TILE_WIDTH))
        .ok_or(StoreError::Form(tile))?;
    hashes.truncate(usize::try_from(tile.width()).expect("a tile is at most 256 wide"));
    Ok(hashes)
}

impl<S: TileSource> HashSource for VerifiedTiles<S> {
    type Error = StoreError<S::Error>;

    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let beyond = || StoreError::Beyond { size: self.size };
        let (tile_level, inner) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let in_tile = TILE_WIDTH >> inner;
        if tile_level > LEVEL_MAX {
            return Err(beyond());
        }
        let hashes = self.tile(tile_level, index / in_tile)?;
        let first = usize::try_from((index % in_tile) << inner).expect("a place in a tile");
        let under = hashes.get(first..first + (1 << inner)).ok_or_else(beyond)?;
        Ok(perfect_root(under))
    }
}

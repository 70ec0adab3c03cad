//! Orders, users and products: loaded once from three JSON files, changed record by record.
//!
//! Records are checked when they are loaded (`shape`) and the tools keep that shape, so nothing inside checks again. The
//! shop itself does not know which changes are allowed: that is `tools`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::python;
use crate::shape;
use crate::value::{Record, Rows};

/// Largest data file that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Why the data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShopError {
    /// A file cannot be read.
    #[error("`{}` cannot be read: {cause}", path.display())]
    Read { path: PathBuf, cause: std::io::Error },
    /// A file is larger than is read.
    #[error("`{}` has {bytes} bytes; at most {FILE_BYTES_MAX} are read", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    /// A file is not JSON.
    #[error("`{}` is not valid JSON: {cause}", path.display())]
    Json { path: PathBuf, cause: serde_json::Error },
    /// A record is not what a record of its kind is.
    #[error("{table} `{id}`: {problem}")]
    Shape { table: &'static str, id: String, problem: String },
}

/// One of the two tables that change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Orders, by order id.
    Orders,
    /// Users, by user id.
    Users,
}

impl Table {
    /// The table's name: `orders` or `users`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Users => "users",
        }
    }
}

/// A record as it is after a write.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its table.
    pub table: Table,
    /// Its id.
    pub id: String,
    /// Its new content.
    pub record: Record,
}

/// Records that differ from those that were loaded: id to SHA-256, by table.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changed {
    /// Changed orders.
    pub orders: BTreeMap<String, String>,
    /// Changed users.
    pub users: BTreeMap<String, String>,
}

/// All that the CRM knows.
#[derive(Clone, Debug)]
pub struct Shop {
    orders: BTreeMap<String, Record>,
    users: BTreeMap<String, Record>,
    products: BTreeMap<String, Record>,
    /// User ids in the order of the file: the first match of a search wins.
    users_in_order: Vec<String>,
    digest: String,
}

impl Shop {
    /// Loads `orders.json`, `users.json` and `products.json` from a folder, or from `db` inside it.
    pub fn load(folder: &Path) -> Result<Self, ShopError> {
        let inside = folder.join("db");
        let folder = if inside.is_dir() { inside.as_path() } else { folder };
        let mut hash = Sha256::new();
        let mut rows = |name: &str| read(&folder.join(name), &mut hash);
        let (orders, users, products) = (rows("orders.json")?, rows("users.json")?, rows("products.json")?);
        let users_in_order = users.0.iter().map(|(id, _)| id.clone()).collect();
        let shop = Self {
            orders: orders.0.into_iter().collect(),
            users: users.0.into_iter().collect(),
            products: products.0.into_iter().collect(),
            users_in_order,
            digest: hex::encode(hash.finalize()),
        };
        shape::check(&shop)?;
        Ok(shop)
    }

    /// The SHA-256 of the files that were loaded.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// An order.
    pub fn order(&self, id: &str) -> Option<&Record> {
        self.orders.get(id)
    }

    /// A user.
    pub fn user(&self, id: &str) -> Option<&Record> {
        self.users.get(id)
    }

    /// A product.
    pub fn product(&self, id: &str) -> Option<&Record> {
        self.products.get(id)
    }

    /// A record of either table that changes.
    pub fn get(&self, table: Table, id: &str) -> Option<&Record> {
        self.table(table).get(id)
    }

    /// All orders, by id.
    pub fn orders(&self) -> &BTreeMap<String, Record> {
        &self.orders
    }

    /// All products, by id.
    pub fn products(&self) -> &BTreeMap<String, Record> {
        &self.products
    }

    /// All users in the order of the file.
    pub fn users(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.users_in_order.iter().filter_map(|id| Some((id.as_str(), self.users.get(id)?)))
    }

    /// Takes in what a write changed.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            let table = match change.table {
                Table::Orders => &mut self.orders,
                Table::Users => &mut self.users,
            };
            table.insert(change.id.clone(), change.record.clone());
        }
    }

    /// The records that differ from those of `initial`.
    pub fn changed_since(&self, initial: &Self) -> Changed {
        let changed = |table| {
            let before = initial.table(table);
            let differs = |(id, record): &(&String, &Record)| before.get(*id) != Some(*record);
            let rows = self.table(table).iter().filter(differs);
            rows.map(|(id, record)| (id.clone(), python::digest(record))).collect()
        };
        Changed { orders: changed(Table::Orders), users: changed(Table::Users) }
    }

    fn table(&self, table: Table) -> &BTreeMap<String, Record> {
        match table {
            Table::Orders => &self.orders,
            Table::Users => &self.users,
        }
    }
}

fn read(path: &Path, hash: &mut Sha256) -> Result<Rows, ShopError> {
    let failed = |cause| ShopError::Read { path: path.to_owned(), cause };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(ShopError::TooLarge { path: path.to_owned(), bytes });
    }
    let text = fs::read(path).map_err(failed)?;
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(&text);
    serde_json::from_slice(&text).map_err(|cause| ShopError::Json { path: path.to_owned(), cause })
}

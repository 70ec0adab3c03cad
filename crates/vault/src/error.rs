//! What can go wrong with keys.

use std::path::PathBuf;

/// What can go wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The root key file lies where the data lies: whoever takes one takes both.
    #[error("the root key `{path}` lies inside the data directory; keep it elsewhere")]
    RootKeyInside { path: PathBuf },
    /// It cannot be read or made.
    #[error("the root key `{path}` could not be {what}: {cause}")]
    RootKeyFile { path: PathBuf, what: &'static str, cause: String },
    /// It is not 64 hexadecimal digits.
    #[error("the root key in {whence} is not 64 hexadecimal digits")]
    RootKeyForm { whence: String },
    /// It is another one than the vault was made with.
    #[error("this root key does not open the vault; use the one that it was made with")]
    RootKeyWrong,
    /// The key database failed.
    #[error("the key store failed: {0}")]
    Store(String),
    /// There is no room for new keys on the disk.
    #[error("the disk is full: no key can be made")]
    NoRoom,
    /// The payload's key was destroyed.
    #[error("the payload was erased: its key was destroyed")]
    Erased,
    /// The bytes are not what was sealed.
    #[error("the payload does not fit its commitment")]
    Damaged,
    /// More than a payload may have.
    #[error("a payload of {bytes} bytes is larger than {max}")]
    TooLarge { bytes: usize, max: usize },
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::NoRoom,
            _ => Self::Store(error.to_string()),
        }
    }
}

//! The root key: 32 bytes that wrap all others. It lives outside the data directory.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use kernel::clock::Entropy;
use zeroize::Zeroizing;

use crate::error::Error;

/// The key that wraps the others. Wiped from memory when dropped.
#[derive(Clone)]
pub struct RootKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(…)")
    }
}

impl RootKey {
    /// Reads the key from text: 64 hexadecimal digits.
    pub fn from_text(text: &str, whence: &str) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *key)
            .map_err(|_| Error::RootKeyForm { whence: whence.to_owned() })?;
        Ok(Self(key))
    }

    /// Reads the key file; makes one, readable by its owner alone, where there is none and `make` says so. A file
    /// inside `data` is refused.
    pub fn from_file(path: &Path, data: &Path, make: Option<&dyn Entropy>) -> Result<Self, Error> {
        let failed = |what| {
            move |cause: std::io::Error| Error::RootKeyFile {
                path: path.to_owned(),
                what,
                cause: cause.to_string(),
            }
        };
        if lies_inside(path, data) {
            return Err(Error::RootKeyInside { path: path.to_owned() });
        }
        if let (false, Some(entropy)) = (path.exists(), make) {
            let mut key = Zeroizing::new([0; 32]);
            entropy.fill(&mut *key);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(failed("made"))?;
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(failed("made"))?;
            let text = Zeroizing::new(format!("{}\n", hex::encode(*key)));
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("written"))?;
            // Its name, too: without this key nothing opens any more.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::File::open(folder.unwrap_or(Path::new(".")));
            folder.and_then(|folder| folder.sync_all()).map_err(failed("written"))?;
            return Ok(Self(key));
        }
        let text = Zeroizing::new(fs::read_to_string(path).map_err(failed("read"))?);
        Self::from_text(&text, &path.display().to_string())
    }

    /// Wraps a key; `about` binds it to its place.
    pub(crate) fn wrap(&self, key: &[u8; 32], about: &str, entropy: &dyn Entropy) -> Vec<u8> {
        let mut nonce = [0; 24];
        entropy.fill(&mut nonce);
        let cipher = XChaCha20Poly1305::new(&(*self.0).into());
        let payload = Payload { msg: key, aad: about.as_bytes() };
        let sealed =
            cipher.encrypt(&XNonce::from(nonce), payload).expect("32 bytes are within the cipher's limit");
        [&nonce[..], &sealed].concat()
    }

    /// Unwraps a key.
    pub(crate) fn unwrap(&self, wrapped: &[u8], about: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
        let (nonce, sealed) = wrapped.split_first_chunk::<24>().ok_or(Error::RootKeyWrong)?;
        let cipher = XChaCha20Poly1305::new(&(*self.0).into());
        let payload = Payload { msg: sealed, aad: about.as_bytes() };
        let plain =
            Zeroizing::new(cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| Error::RootKeyWrong)?);
        let key = plain.as_slice().try_into().map_err(|_| Error::RootKeyWrong)?;
        Ok(Zeroizing::new(key))
    }
}

/// Whether a path lies in a folder, or is it. Compares real paths, as far as they exist.
pub fn lies_inside(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| -> PathBuf {
        let mut known = path.to_owned();
        let mut rest = Vec::new();
        while !known.exists() {
            match (known.file_name().map(ToOwned::to_owned), known.parent()) {
                (Some(name), Some(parent)) => {
                    rest.push(name);
                    known =
                        if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() };
                }
                _ => break,
            }
        }
        let mut whole = known.canonicalize().unwrap_or(known);
        whole.extend(rest.into_iter().rev());
        whole
    };
    real(path).starts_with(real(folder))
}

//! A CRM with a ledger of its own and a clock that stands still.

use std::path::{Path, PathBuf};

use retail_crm::crm::{Answer, CallError, Clock, Crm, CrmError, Request};
use serde_json::Value as Json;
use tempfile::TempDir;

/// The folder of the example: `examples/retail`.
pub(crate) fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn clock() -> Clock {
    Box::new(|| "2026-03-02T15:04:05Z".to_owned())
}

pub(crate) struct Stage {
    pub crm: Crm,
    pub folder: TempDir,
    data: PathBuf,
}

impl Stage {
    /// The example's own shop.
    pub(crate) fn new() -> Self {
        Self::with(&example().join("data"), 0)
    }

    pub(crate) fn with(data: &Path, faults: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let crm = Crm::open(data, &folder.path().join("ledger.jsonl"), faults, clock()).unwrap();
        Self { crm, folder, data: data.to_owned() }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    pub(crate) fn lines(&self) -> String {
        String::from_utf8(self.crm.ledger().unwrap()).unwrap()
    }

    /// Stops the CRM and starts it on the same ledger.
    pub(crate) fn restart(self) -> Result<Self, CrmError> {
        let Self { crm, folder, data } = self;
        drop(crm);
        let crm = Crm::open(&data, &folder.path().join("ledger.jsonl"), 0, clock())?;
        Ok(Self { crm, folder, data })
    }

    pub(crate) fn call(&self, tool: &str, arguments: Json) -> Answer {
        self.try_call(tool, arguments).unwrap()
    }

    pub(crate) fn try_call(&self, tool: &str, arguments: Json) -> Result<Answer, CallError> {
        self.crm.call(&request(tool, arguments))
    }
}

pub(crate) fn request(tool: &str, arguments: Json) -> Request {
    let Json::Object(arguments) = arguments else { panic!("arguments are an object") };
    Request { tool: tool.to_owned(), arguments, meta: None }
}

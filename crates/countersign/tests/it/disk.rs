//! A disk that fails and a disk that is full, under a real process.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::shop::{Shop, transcript};

#[test]
fn a_failing_write_of_the_journal_ends_the_process_and_says_why() {
    let mut shop = Shop::open();
    let agent = shop.key("--agent", "shop-agent");
    let before = shop.ok(&["status"])["entries"].as_u64().unwrap();
    // From now on no file of the process grows beyond so many bytes; the journal is longer already.
    let limit = ["--pid", &shop.pid().to_string(), "--fsize=4096"].map(str::to_owned);
    assert!(Command::new("prlimit").args(limit).status().unwrap().success());
    let answer = Http::new(&shop, &agent).post("/v1/runs", &json!({ "conversation": "never kept" }));
    assert!(answer.as_ref().is_none_or(|(status, _)| *status >= 500), "nothing is acknowledged: {answer:?}");
    let (status, log) = shop.ended();
    assert!(!status.success(), "{status}");
    assert!(log.contains("the journal failed; the server stops") && log.contains("File too large"), "{log}");

    shop.start();
    assert_eq!(shop.ok(&["status"])["entries"], before, "what was acknowledged is there, and nothing else");
    let answer = Http::new(&shop, &agent).post("/v1/runs", &json!({ "conversation": "kept" }));
    assert_eq!(answer.unwrap().0, 201);
}

#[test]
fn on_a_full_disk_reading_goes_on_and_work_resumes_with_room() {
    let mut shop = Shop::open();
    let agent = shop.key("--agent", "shop-agent");
    shop.stop();
    let Some(disk) = Small::mount(&shop.data(), "48m") else {
        // Only root may mount; the journal's own tests fill a disk that is not one.
        return;
    };
    shop.start_with(&["--low-space", "0"]);
    let http = Http::new(&shop, &agent);
    let run = |name: &str| http.post("/v1/runs", &json!({ "title": "t".repeat(150), "conversation": name }));
    let (status, first) = run("first").unwrap();
    assert_eq!(status, 201, "{first}");

    disk.fill();
    // Room that was made ahead is used up first. Each run is a subject, so keys run out, too.
    let mut last = 0;
    let refused =
        (0..5_000).map(|name| (name, run(&name.to_string()).unwrap())).find(|(name, (status, _))| {
            last = *name;
            *status != 201
        });
    let (_, (status, told)) = refused.unwrap();
    assert!(status == 503 || status == 507, "after {last} runs: {status} {told}");
    assert_eq!(told["code"], "disk_full", "{told}");
    for _ in 0..3 {
        let (status, told) = run("again").unwrap();
        assert!(status >= 500 && told["code"] == "disk_full", "{status} {told}");
    }
    let id = first["id"].as_str().unwrap();
    let (status, read) = http.get(&format!("/v1/runs/{id}")).unwrap();
    assert_eq!((status, &read["id"]), (200, &first["id"]), "{read}");
    let (status, list) = http.get("/v1/runs").unwrap();
    assert_eq!(status, 200, "{list}");
    let health = http.get("/healthz").unwrap().1;
    let degraded = health["degraded"].to_string();
    assert!(degraded.contains("disk is full") || degraded.contains("No space left"), "{health}");
    assert_eq!(http.get("/readyz").unwrap().0, 503);

    disk.free();
    let resumed = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        run("resumed").is_some_and(|(status, _)| status == 201 || status == 200)
    });
    assert!(resumed, "{}", http.get("/healthz").unwrap().1);
    let entries = shop.ok(&["status"])["entries"].clone();
    shop.stop();
    let whole = transcript(&shop.run(&["verify"]));
    assert!(whole.contains("verified:") && whole.ends_with("exit 0\n"), "{whole}");
    shop.start();
    assert!(shop.ok(&["status"])["entries"].as_u64() >= entries.as_u64());
    let (status, read) = Http::new(&shop, &agent).get(&format!("/v1/runs/{id}")).unwrap();
    assert_eq!((status, &read["title"]), (200, &"t".repeat(150).into()), "{read}");
}

/// A small file system of its own in the place of a folder, with what the folder held.
struct Small(PathBuf);

impl Small {
    fn mount(dir: &Path, size: &str) -> Option<Self> {
        let aside = dir.with_extension("aside");
        std::fs::rename(dir, &aside).unwrap();
        std::fs::create_dir(dir).unwrap();
        let options = format!("size={size},mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir).output();
        if !mounted.is_ok_and(|mounted| mounted.status.success()) {
            return None;
        }
        let small = Self(dir.to_owned());
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(dir).status().unwrap();
        assert!(copied.success());
        Some(small)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Until there is no room for another byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        for piece in [1 << 16, 1 << 9, 1] {
            while file.write_all(&vec![1; piece]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: the server may still be on it.
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// Requests of an agent.
struct Http {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Http {
    fn new(shop: &Shop, key: &str) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { runtime, client, url: shop.url(), key: key.to_owned() }
    }

    /// Status and body; `None` where there was no whole answer.
    fn send(&self, request: reqwest::RequestBuilder) -> Option<(u16, Value)> {
        self.runtime.block_on(async {
            let answer = request.bearer_auth(&self.key).send().await.ok()?;
            let status = answer.status().as_u16();
            let text = answer.text().await.ok()?;
            Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
        })
    }

    fn get(&self, path: &str) -> Option<(u16, Value)> {
        self.send(self.client.get(format!("{}{path}", self.url)))
    }

    fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let request = self.client.post(format!("{}{path}", self.url));
        self.send(request.header("content-type", "application/json").body(body.to_string()))
    }
}

//! One judgement of the example's workspace: building the request, and deciding.
//!
//! `cargo bench -p policy --bench judge`. CPU only: no disk, no network.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use kernel::judge::{Judge, Question, RunSubject};
use policy::Bundle;
use serde_json::json;

fn folder(path: &Path, under: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(path).expect("the example is there").map(Result::unwrap) {
        let name = format!("{under}{}", entry.file_name().to_str().expect("a name"));
        if entry.file_type().expect("a type").is_dir() {
            folder(&entry.path(), &format!("{name}/"), files);
        } else {
            files.insert(name, std::fs::read_to_string(entry.path()).expect("text"));
        }
    }
}

fn judgement(criterion: &mut Criterion) {
    let mut files = BTreeMap::new();
    folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/retail/workspace"), "", &mut files);
    let bundle = Bundle::compile(&files).map_err(|_| "the example compiles").expect("it does").bundle;
    let tool = "crm.get_order_details".parse().expect("a name");
    let arguments = bundle.parse(&tool, json!({ "order_id": "#W0000001" })).expect("they fit");
    let question = Question {
        workspace: "shop".parse().expect("a name"),
        run: RunSubject {
            run: "run_00000000000000000000000001".parse().expect("an id"),
            agent: "shop-agent".parse().expect("a name"),
            owner: "mara".parse().expect("a name"),
            deputy: None,
            stage: "production".to_owned(),
            on_behalf_of: None,
            depth: 0,
            tainted: false,
        },
        tool,
        arguments,
        facts: vec![],
        counters: BTreeMap::new(),
    };
    criterion.bench_function("judgement", |bencher| bencher.iter(|| bundle.judge(black_box(&question))));
}

criterion_group!(benches, judgement);
criterion_main!(benches);

//! `peers restate-service PORT`: five durable steps, for Restate to call.
//! `peers restate-client INGRESS CONCURRENCY SECONDS`: asks for workflows and waits for each; a line of JSON.

mod load;

use restate_sdk::prelude::*;

struct Bench;

#[service]
impl Bench {
    #[handler]
    async fn five(&self, context: Context<'_>, _name: String) -> Result<u32, HandlerError> {
        for number in 0..5u32 {
            context.run(|| async move { Ok(number) }).name(format!("step-{number}")).await?;
        }
        Ok(5)
    }
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["restate-service", port] => {
            let address = format!("127.0.0.1:{port}").parse().expect("a port");
            HttpServer::new(Endpoint::builder().bind(Bench).build()).listen_and_serve(address).await;
        }
        ["restate-client", ingress, concurrency, seconds] => {
            let http = reqwest::Client::builder().no_proxy().build().expect("a client");
            let url = format!("{ingress}/Bench/five");
            let one = |name: String| {
                let (http, url) = (http.clone(), url.clone());
                async move {
                    let answer = http.post(url).json(&name).send().await.expect("an answer");
                    assert!(answer.status().is_success(), "{}", answer.status());
                    answer.bytes().await.expect("a body");
                }
            };
            load::drive("restate-rust", one, number(concurrency), number(seconds)).await;
        }
        _ => panic!("usage: peers restate-service PORT | restate-client INGRESS CONCURRENCY SECONDS"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a whole number")
}

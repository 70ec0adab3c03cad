//! Which addresses may be reached: a corpus, and names that lie.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel::clock::Clock;
use kernel::ports::BoxFuture;

use super::support::{Raw, SetClock, behave, digest, mcp_spec, pay, told};
use crate::egress::Lookup;
use crate::{Connectors, Setup, Spec, SpecError, check_address};

#[test]
fn only_public_addresses_are_public() {
    let public = [
        "1.1.1.1",
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2001:4860:4860::8888",
    ];
    for text in public {
        assert!(check_address("h", text.parse().unwrap(), false).is_ok(), "{text}");
    }
    let private = [
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "127.0.0.1",
        "127.255.0.9",
        "100.64.0.1",
        "198.18.0.1",
        "::1",
        "fc00::1",
        "fd12:3456::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
    ];
    for text in private {
        let address: IpAddr = text.parse().unwrap();
        assert!(check_address("h", address, false).is_err(), "{text}");
        assert!(check_address("h", address, true).is_ok(), "{text}");
    }
    let never = [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.1.1",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.51.100.1",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2606:4700::5efe:10.0.0.1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "3fff::1",
        "100::1",
        "fd00:ec2::254",
        "5f00::1",
        "4000::1",
        "2001:20::1",
    ];
    for text in never {
        let address: IpAddr = text.parse().unwrap();
        assert!(check_address("h", address, true).is_err(), "{text}");
        assert!(check_address("h", address, false).is_err(), "{text}");
    }
}

#[test]
fn an_address_written_as_numbers_is_judged_however_it_is_written() {
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
        "0xa9fea9fe",
        "[fd00:ec2::254]",
    ];
    for host in hosts {
        let spec = Spec { allow_private: false, ..mcp_spec(&format!("http://{host}:80/mcp")) };
        assert!(matches!(spec.check(), Err(SpecError::Egress(_))), "{host}");
    }
    for url in [
        "ftp://x/",
        "file:///etc/passwd",
        "http://u:p@x/",
        "http://x/#f",
        "http://",
        "x",
        "http://169.254.169.254/",
    ] {
        assert!(mcp_spec(url).check().is_err(), "{url}");
    }
}

/// Answers with one list after the other, then with the last one.
#[derive(Debug)]
struct Liar {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Lookup for Liar {
    fn lookup<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Box::pin(std::future::ready(Ok(self.answers[turn].clone())))
    }
}

/// A connector whose name servers answer so, at the port of the server; private addresses as stated.
fn lied_to(server: &Raw, answers: &[&[&str]], allow_private: bool) -> (Connectors, Arc<Liar>) {
    let answers =
        answers.iter().map(|list| list.iter().map(|text| text.parse().unwrap()).collect()).collect();
    let liar = Arc::new(Liar { answers, asked: AtomicUsize::new(0) });
    let clock: Arc<dyn Clock> = Arc::new(SetClock::default());
    let connectors = Connectors::with_lookup(Setup { clock, digest }, Arc::<Liar>::clone(&liar));
    let url = server.url.replace("127.0.0.1", "crm.example.com");
    connectors.replace(vec![Spec { allow_private, ..mcp_spec(&url) }]).unwrap();
    (connectors, liar)
}

#[tokio::test]
async fn a_name_is_judged_by_where_it_leads() {
    let server = Raw::start(behave).await;
    for answers in [&["127.0.0.1"][..], &["8.8.8.8", "127.0.0.1"], &["::ffff:127.0.0.1"]] {
        let (connectors, _) = lied_to(&server, &[answers], false);
        let said = told(&connectors, pay()).await;
        assert!(said.starts_with("failed blocked: `crm.example.com` is at "), "{said}");
    }
    let (connectors, _) = lied_to(&server, &[&["169.254.169.254"]], true);
    let said = told(&connectors, pay()).await;
    assert!(said.ends_with("a link-local address, which no connector may reach"), "{said}");
    let (connectors, _) = lied_to(&server, &[&[]], true);
    assert_eq!(
        told(&connectors, pay()).await,
        "failed unreachable (retry): `crm.example.com` has no address"
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    // Each request goes to a new connection here, so each is resolved and judged anew.
    let server = Raw::start(|request| {
        let super::support::Reply::Raw(bytes) = behave(request) else { return super::support::Reply::Cut };
        let answer = String::from_utf8(bytes).unwrap();
        super::support::Reply::Raw(answer.replacen("\r\n", "\r\nconnection: close\r\n", 1).into_bytes())
    })
    .await;
    let (connectors, liar) = lied_to(&server, &[&["127.0.0.1"], &["127.0.0.1"], &["169.254.169.254"]], true);
    let said = told(&connectors, pay()).await;
    assert!(said.starts_with("failed blocked: `crm.example.com` is at 169.254.169.254"), "{said}");
    assert!(liar.asked.load(Ordering::SeqCst) >= 3);
    assert_eq!(server.calls(), 0);
}

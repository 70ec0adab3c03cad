//! Deciding again: the recorded request under the packed bundle, and its facts from their own records. What else the
//! request rests on is looked at in `grounds`.

use kernel::action::Proposal;
use kernel::event::{Decided, Entry, Event};
use kernel::json::{self, Limits};
use kernel::judge::{Fact, Judge as _, Judgement, Verdict};
use serde_json::Value;

use crate::check::Proved;
use crate::difference::shown;
use crate::report::Report;

/// What a request may cost: it was bounded when it was made, but this one comes from a file.
const REQUEST: Limits = Limits { bytes_max: 8 << 20, depth_max: 64, values_max: 200_000 };

/// Decides every decision of the pack again.
pub(crate) fn check(proved: &Proved, proposal: Option<&Proposal>, report: &mut Report) {
    for entry in &proved.entries {
        if let Event::ActionDecided(decided) = &entry.event {
            report.decisions += 1;
            let part = format!("decision {}", decided.round);
            match proposal {
                Some(proposal) => Round { proved, proposal, entry, decided, part: &part }.check(report),
                None => report.open(&part, "it cannot be taken again without its proposal"),
            }
        }
    }
}

/// One decision.
pub(crate) struct Round<'a> {
    pub(crate) proved: &'a Proved,
    pub(crate) proposal: &'a Proposal,
    pub(crate) entry: &'a Entry,
    pub(crate) decided: &'a Decided,
    pub(crate) part: &'a str,
}

impl Round<'_> {
    fn check(&self, report: &mut Report) {
        let recorded = match self.value(self.entry, "request") {
            Ok(Some(value)) => value,
            Ok(None) => {
                report.open(self.part, "it cannot be taken again: its request is not readable in this pack");
                return;
            }
            Err(why) => return report.failed(self.part, why),
        };
        let (request, counters) = (&recorded["request"], &recorded["counters"]);
        if request.get("principal").is_none() {
            return self.without_facts(request, report);
        }
        let Some(bundle) = self.proved.bundles.get(&self.decided.bundle) else {
            report.open(self.part, "it cannot be taken again: its bundle is not usable");
            return;
        };
        if bundle.version() != self.decided.judge {
            let (then, now) = (&self.decided.judge, bundle.version());
            report.open(self.part, format!("`{then}` decided then, `{now}` decides now"));
        }
        let Some(judged) = bundle.judge_again(&self.proposal.tool, request.clone()) else {
            return report
                .failed(self.part, format!("the bundle does not know the tool `{}`", self.proposal.tool));
        };
        let wrong = self.outcome(&judged);
        if wrong.is_empty() {
            report.decided_again += 1;
            report.proved(self.part, format!("decided again: {}, the same", outcome_words(&judged)));
        }
        for text in wrong {
            report.failed(self.part, text);
        }
        let facts = self.facts(request, report);
        self.made_anew(bundle, request, counters, facts, report);
    }

    /// A payload as a value; `None` where the pack does not reveal it.
    pub(crate) fn value(&self, entry: &Entry, name: &str) -> Result<Option<Value>, String> {
        let Some(commitment) = entry.commits.get(name) else {
            return Err(format!("its entry commits to no `{name}`"));
        };
        let Some(bytes) = self.proved.payloads.get(commitment) else { return Ok(None) };
        json::parse(bytes, REQUEST).map(Some).map_err(|why| format!("its `{name}` cannot be read: {why}"))
    }

    /// A fact was not to be had, so nothing was asked of the rules: the verdict is `never`, and nothing else may be.
    fn without_facts(&self, request: &Value, report: &mut Report) {
        let code = match request["fault"].as_str() {
            Some("absent") => "fact_absent",
            Some("invalid") => "fact_invalid",
            _ => return report.failed(self.part, "its request is none"),
        };
        let name = shown(request.get("fact"));
        if self.decided.verdict == Verdict::Never && self.decided.code == code {
            report.open(
                self.part,
                format!("refused without asking the rules, for the fact {name} could not be had: nothing to take again"),
            );
        } else {
            report.failed(
                self.part,
                format!("the fact {name} could not be had, and the verdict is not `never`"),
            );
        }
    }

    /// What is different between the record and a judgement.
    fn outcome(&self, judged: &Judgement) -> Vec<String> {
        let then = self.decided;
        let mut wrong = vec![];
        if (then.verdict, &then.code, &then.rules) != (judged.verdict, &judged.code, &judged.rules) {
            let recorded = Judgement {
                verdict: then.verdict,
                rules: then.rules.clone(),
                code: then.code.clone(),
                obligations: None,
                request: Value::Null,
            };
            wrong.push(format!(
                "recorded is {}; the packed bundle and request give {}",
                outcome_words(&recorded),
                outcome_words(judged)
            ));
        }
        if then.obligations != judged.obligations {
            wrong.push("the rules ask other things of approvers than was recorded".to_owned());
        }
        wrong
    }

    /// Each fact from its own payload, held against the entry and the request. `None` where one cannot be read.
    fn facts(&self, request: &Value, report: &mut Report) -> Option<Vec<Fact>> {
        let decided_on = request["context"]["facts"].as_object();
        let mut facts = Some(Vec::new());
        for recorded in &self.decided.facts {
            let part = format!("{}, fact `{}`", self.part, recorded.name);
            let value = match self.value(self.entry, &format!("fact.{}", recorded.name)) {
                Ok(Some(value)) => value,
                Ok(None) => {
                    report
                        .open(&part, "its source and age are proved, its value is not readable in this pack");
                    facts = None;
                    continue;
                }
                Err(why) => {
                    report.failed(&part, why);
                    facts = None;
                    continue;
                }
            };
            let Ok(fact) = serde_json::from_value::<Fact>(value) else {
                report.failed(&part, "its payload is not a fact");
                facts = None;
                continue;
            };
            let origin = (&fact.name, &fact.source, fact.version, fact.read_at);
            if origin != (&recorded.name, &recorded.source, recorded.version, recorded.read_at) {
                report.failed(
                    &part,
                    "name, source, version or time are others in its payload than in its entry",
                );
            }
            let used = decided_on.and_then(|facts| facts.get(&fact.name));
            if used == Some(&fact.value) {
                let age = self.entry.at.since(fact.read_at);
                let text =
                    format!("{} from `{}`, {} ms old when it was used", fact.shown, fact.source, age.0);
                if age <= fact.age_max {
                    report.proved(&part, text);
                } else {
                    report.open(&part, format!("{text}: older than its {} ms", fact.age_max.0));
                }
            } else {
                let (used, own) = (shown(used), shown(Some(&fact.value)));
                report.failed(&part, format!("decided on {used}, and its own record says {own}"));
            }
            if let Some(facts) = &mut facts {
                facts.push(fact);
            }
        }
        for name in decided_on.into_iter().flat_map(|facts| facts.keys()) {
            if !self.decided.facts.iter().any(|fact| fact.name == *name) {
                report.failed(
                    &format!("{}, fact `{name}`", self.part),
                    "decided on, and the entry does not name it",
                );
                facts = None;
            }
        }
        facts
    }
}

/// Verdict, reason and rules in words.
fn outcome_words(judged: &Judgement) -> String {
    let verdict = serde_json::to_value(judged.verdict).unwrap_or_default();
    let verdict = verdict.as_str().unwrap_or_default();
    if judged.rules.is_empty() {
        format!("`{verdict}` ({})", judged.code)
    } else {
        format!("`{verdict}` ({}) by {}", judged.code, judged.rules.join(", "))
    }
}

//! What a request rests on: made anew from arguments, facts, counters and bundle, it must be the recorded one. And whether
//! those who answered might.

use std::collections::BTreeMap;

use kernel::event::Event;
use kernel::id::{PersonId, WorkspaceId};
use kernel::judge::{ApproverQuestion, Fact, Judge as _, Question, RunSubject};
use policy::Bundle;
use serde_json::Value;

use crate::again::Round;
use crate::difference::{differences, shown};
use crate::report::Report;

impl Round<'_> {
    /// The request, made from arguments, facts, counters and bundle as the server makes it.
    pub(crate) fn made_anew(
        &self,
        bundle: &Bundle,
        request: &Value,
        counters: &Value,
        facts: Option<Vec<Fact>>,
        report: &mut Report,
    ) {
        let part = format!("{}, request", self.part);
        let proposed =
            self.proved.entries.iter().find(|entry| matches!(entry.event, Event::ActionProposed { .. }));
        let arguments = match proposed.map(|entry| self.value(entry, "arguments")) {
            Some(Ok(Some(value))) => value,
            Some(Err(why)) => return report.failed(&part, why),
            _ => {
                return report.open(&part, "that it is about the proposed arguments is not shown: they are not readable in this pack");
            }
        };
        let Some(facts) = facts else {
            return report.open(&part, "that it rests on the recorded facts is not shown for all of them");
        };
        self.answers(bundle, request, report);
        self.arguments_facts(bundle, &arguments, &facts, report);
        let counters: BTreeMap<String, i64> = serde_json::from_value(counters.clone()).unwrap_or_default();
        let (Some(run), Ok(workspace)) = (self.run(bundle, request), bundle.name().parse()) else {
            return report.failed(&part, "it names no run");
        };
        let question =
            Question { workspace, run, tool: self.proposal.tool.clone(), arguments, facts, counters };
        let anew = bundle.judge(&question).request;
        let found = differences(request, &anew);
        if found.is_empty() {
            report.proved(&part, "arguments, facts, counters and bundle give the same request");
        }
        for (place, recorded, made) in found {
            report.failed(&part, format!("`{place}` is {recorded}; the packed parts give {made}"));
        }
    }

    /// Whether those who countersigned this decision might. Another bundle may have been in force when they did, so a no
    /// is for people to look at.
    fn answers(&self, bundle: &Bundle, request: &Value, report: &mut Report) {
        let (Some(obligations), Ok(workspace)) =
            (&self.decided.obligations, bundle.name().parse::<WorkspaceId>())
        else {
            return;
        };
        // Asked about is the first decision; those that follow only ask whether its countersignatures still count.
        for entry in self.proved.entries.iter().filter(|_| self.decided.round == 1) {
            let Event::ApprovalGiven { by, roles, .. } = &entry.event else { continue };
            let part = format!("`{}` (entry {})", entry.event.kind(), entry.seq);
            let Some(mut run) = self.run(bundle, request) else { continue };
            run.deputy = bundle.agents().get(&run.agent).and_then(|agent| agent.deputy.clone());
            let question = ApproverQuestion {
                workspace: workspace.clone(),
                person: by.clone(),
                roles: roles.clone(),
                action: self.proposal.action.clone(),
                tool: self.proposal.tool.clone(),
                run,
                obligations: obligations.clone(),
            };
            match bundle.may_answer(&question) {
                Ok(()) => report.proved(&part, format!("asked again, the rules let `{by}` answer")),
                Err(why) => report.open(
                    &part,
                    format!(
                        "the rules that asked do not let `{by}` answer ({why}): were others in force then?"
                    ),
                ),
            }
        }
    }

    /// Facts that come from the arguments alone can be taken again; the others must come from the declared source.
    fn arguments_facts(&self, bundle: &Bundle, arguments: &Value, facts: &[Fact], report: &mut Report) {
        let tool = &self.proposal.tool;
        let Ok(needs) = bundle.needs(tool, arguments) else {
            return report
                .failed(self.part, "the facts that the bundle wants cannot be told from the arguments");
        };
        for need in &needs {
            let part = format!("{}, fact `{}`", self.part, need.name);
            let Some(fact) = facts.iter().find(|fact| fact.name == need.name) else {
                report.failed(&part, "the bundle wants it, and it was not recorded");
                continue;
            };
            match &need.read {
                Some(read) if fact.source != read.tool.as_str() => {
                    report.failed(
                        &part,
                        format!("it is from `{}`, the bundle has it from `{}`", fact.source, read.tool),
                    );
                }
                Some(_) => {}
                None => match bundle.fact(tool, &need.name, arguments, None, fact.read_at) {
                    Ok(again) if again.value == fact.value => {}
                    Ok(again) => report.failed(
                        &part,
                        format!(
                            "recorded is {}; the arguments give {}",
                            shown(Some(&fact.value)),
                            shown(Some(&again.value))
                        ),
                    ),
                    Err(_) => report.failed(&part, "it cannot be taken from the arguments"),
                },
            }
        }
    }

    /// Who asked. Agent, owner and stage are the bundle's; for whom the run acts stands in another entry of the log, so
    /// the request's own word is taken.
    fn run(&self, bundle: &Bundle, request: &Value) -> Option<RunSubject> {
        let entities = request["entities"].as_array()?;
        let attributes = &entities.iter().find(|entity| entity["uid"]["type"] == "Run")?["attrs"];
        let id = |name: &str| attributes[name]["__entity"]["id"].as_str();
        let agent = id("agent")?.parse().ok()?;
        let declared = bundle.agents().get(&agent);
        let person = |text: &str| text.parse::<PersonId>().ok();
        Some(RunSubject {
            run: self.proposal.run.clone(),
            owner: match declared {
                Some(declared) => declared.owner.clone(),
                None => person(id("owner")?)?,
            },
            deputy: None,
            stage: declared.map_or_else(
                || attributes["stage"].as_str().unwrap_or_default().to_owned(),
                |declared| declared.stage.clone(),
            ),
            agent,
            on_behalf_of: id("on_behalf_of").and_then(person),
            depth: attributes["depth"].as_i64().unwrap_or_default(),
            tainted: attributes["tainted"].as_bool().unwrap_or_default(),
        })
    }
}

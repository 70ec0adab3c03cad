//! Cedar policies with their annotations: split into statements, so that every problem has its line.

use std::collections::BTreeMap;

use cedar_policy::{Effect, Policy, PolicyId};
use kernel::clock::Millis;
use kernel::id::Role;
use kernel::judge::Obligations;

use crate::problem::{Problems, line_and_column, line_of, nearest};

/// Annotations that mean something.
const ANNOTATIONS: [&str; 8] =
    ["id", "gate", "never", "approver_role", "quorum", "expires", "redact", "reason"];
/// `risk` is kept apart because its values are ranked.
const RISK: &str = "risk";
const RISKS: [&str; 3] = ["low", "medium", "high"];
/// How long an approval stands where the gate does not say.
const EXPIRES_DEFAULT: Millis = Millis(24 * 3_600_000);
/// The longest: thirty days.
const EXPIRES_MAX: i64 = 30 * 24 * 3_600_000;
const QUORUM_MAX: u32 = 20;
const STATEMENT_BYTES_MAX: usize = 16 * 1024;
/// Brackets inside one another, and operators in one statement: Cedar's reader goes one call deeper for each.
const NESTING_MAX: usize = 32;
const OPERATORS_MAX: usize = 500;
const ID_BYTES_MAX: usize = 100;
const SYNTAX_HINT: &str = "see docs/guide/policies.md for the form of a rule";

/// A rule, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// File in the folder; `(built in)` for the platform's floor.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// As written.
    pub text: String,
    /// `permit`, `gate` or `never`
    pub effect: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A rule, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub(crate) rule: Rule,
    pub(crate) policy: Policy,
    /// What a gate asks for.
    pub(crate) gate: Option<Obligations>,
}

/// Splits a file into statements: each ends with `;` outside strings and comments.
fn statements(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut start, mut quoted, mut escaped, mut comment) = (Vec::new(), 0, false, false, false);
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' if comment => comment = false,
            _ if comment => {}
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'/' if !quoted && bytes.get(at + 1) == Some(&b'/') => comment = true,
            b';' if !quoted => {
                found.push((start, &text[start..=at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push((start, &text[start..]));
    found.retain(|(_, statement)| {
        statement.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with("//"))
    });
    // The statement begins where its comments end.
    for (start, statement) in &mut found {
        let skipped: usize = statement
            .split_inclusive('\n')
            .take_while(|line| line.trim().is_empty() || line.trim().starts_with("//"))
            .map(str::len)
            .sum();
        *start += skipped;
        *statement = &statement[skipped..];
        let blank = statement.len() - statement.trim_start().len();
        *start += blank;
        *statement = statement[blank..].trim_end();
    }
    found
}

fn is_too_involved(statement: &str) -> bool {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in statement.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let operators =
        ["&&", "||", " if ", "+", "-", "*", "."].map(|operator| statement.matches(operator).count());
    deepest > NESTING_MAX || operators.iter().sum::<usize>() > OPERATORS_MAX
}

/// Parses a file of policies; problems go into the list.
pub(crate) fn parse(file: &str, text: &str, roles: &[String], problems: &mut Problems) -> Vec<Parsed> {
    let mut parsed = Vec::new();
    for (start, statement) in statements(text) {
        let line = line_of(text, start);
        if statement.len() > STATEMENT_BYTES_MAX {
            let message = format!("a policy of {} bytes; at most {STATEMENT_BYTES_MAX}", statement.len());
            problems.error(file, line, "policy_too_large", message, "split it");
            continue;
        }
        if is_too_involved(statement) {
            let message = format!(
                "a policy with more than {NESTING_MAX} brackets inside one another, or {OPERATORS_MAX} operators"
            );
            problems.error(file, line, "policy_too_large", message, "split it");
            continue;
        }
        match Policy::parse(None, statement) {
            Ok(policy) => parsed.extend(lint(file, line, statement, policy, roles, problems)),
            Err(errors) => {
                for error in errors.iter() {
                    let place = place_in(error, statement);
                    let (line, column) = line_and_column(text, start + place.unwrap_or(0));
                    let place = (line, place.map(|_| column));
                    problems.error_at(file, place, "policy_syntax", error.to_string(), SYNTAX_HINT);
                }
            }
        }
    }
    parsed
}

/// Where in its statement Cedar found a fault, in bytes.
pub(crate) fn place_in(error: &dyn miette::Diagnostic, statement: &str) -> Option<usize> {
    let first = error.labels()?.next()?;
    // A fault at the end is found behind what is missing.
    Some(first.offset().min(statement.trim_end().len().saturating_sub(1)))
}

fn lint(
    file: &str,
    line: u32,
    text: &str,
    policy: Policy,
    roles: &[String],
    problems: &mut Problems,
) -> Option<Parsed> {
    let annotations: BTreeMap<String, String> =
        policy.annotations().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    for key in annotations.keys() {
        if !ANNOTATIONS.contains(&key.as_str()) && key != RISK {
            let hint = nearest(key, ANNOTATIONS.into_iter().chain([RISK])).map_or_else(
                || format!("known are {}, {RISK}", ANNOTATIONS.join(", ")),
                |near| format!("did you mean `@{near}`?"),
            );
            problems.error(file, line, "annotation_unknown", format!("`@{key}` means nothing"), hint);
        }
    }
    let Some(id) = annotations.get("id").filter(|id| !id.is_empty()).cloned() else {
        problems.error(
            file,
            line,
            "policy_without_id",
            "the policy has no `@id`",
            "give it one: `@id(\"refund-above-500\")`",
        );
        return None;
    };
    if id.len() > ID_BYTES_MAX
        || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    {
        problems.error(
            file,
            line,
            "policy_id_invalid",
            format!("`{}` is not an id: it stands in every decision", id.escape_default()),
            format!("at most {ID_BYTES_MAX} letters, digits, `-`, `_` and `.`"),
        );
        return None;
    }
    let is_gate = annotations.get("gate").map(String::as_str);
    let is_never = annotations.get("never").map(String::as_str);
    let effect = match (policy.effect(), is_gate, is_never) {
        (Effect::Permit, None, None) => "permit",
        (Effect::Permit, _, _) => {
            problems.error(
                file,
                line,
                "gate_on_permit",
                format!("`{id}` is a permit with `@gate` or `@never`"),
                "a gate is a forbid that a person may lift",
            );
            return None;
        }
        (Effect::Forbid, Some("approval"), None) => "gate",
        (Effect::Forbid, None, Some("true")) => "never",
        (Effect::Forbid, _, _) => {
            problems.error(
                file,
                line,
                "forbid_without_level",
                format!("`{id}` does not say who may lift it"),
                "write `@gate(\"approval\")` if a person may, `@never(\"true\")` if nobody may",
            );
            return None;
        }
    };
    let gate = (effect == "gate").then(|| obligations(file, line, &id, &annotations, roles, problems));
    if effect != "gate" {
        for key in ["approver_role", "quorum", "expires", "redact", RISK] {
            if annotations.contains_key(key) {
                problems.error(
                    file,
                    line,
                    "obligation_without_gate",
                    format!("`@{key}` on `{id}`, which is no gate"),
                    "remove it, or make it a gate",
                );
            }
        }
    }
    let policy = policy.new_id(PolicyId::new(&id));
    let rule = Rule {
        id,
        file: file.to_owned(),
        line,
        text: text.to_owned(),
        effect: effect.to_owned(),
        annotations,
    };
    Some(Parsed { rule, policy, gate })
}

fn obligations(
    file: &str,
    line: u32,
    id: &str,
    annotations: &BTreeMap<String, String>,
    roles: &[String],
    problems: &mut Problems,
) -> Obligations {
    let mut gate = Obligations { quorum: 1, expires_in: EXPIRES_DEFAULT, ..Obligations::default() };
    let list = |key: &str| -> Vec<String> {
        let text = annotations.get(key).map(String::as_str).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    for name in list("approver_role") {
        match name.parse::<Role>() {
            Ok(role) if roles.contains(&name) => drop(gate.approver_roles.insert(role)),
            _ => {
                let hint = nearest(&name, roles.iter().map(String::as_str)).map_or_else(
                    || "declare it in workspace.toml under `roles`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                problems.error(
                    file,
                    line,
                    "role_unknown",
                    format!("`{id}` names the role `{name}`, which is not declared"),
                    hint,
                );
            }
        }
    }
    if list("approver_role").is_empty() {
        problems.warn(
            file,
            line,
            "gate_without_role",
            format!("anybody in the workspace may lift `{id}`"),
            "name a role: `@approver_role(\"finance\")`",
        );
    }
    if let Some(text) = annotations.get("quorum") {
        match text.parse::<u32>() {
            Ok(quorum @ 1..=QUORUM_MAX) => gate.quorum = quorum,
            _ => problems.error(
                file,
                line,
                "quorum_invalid",
                format!("`{text}` is not a quorum"),
                format!("a whole number from 1 to {QUORUM_MAX}"),
            ),
        }
    }
    if let Some(text) = annotations.get("expires") {
        match duration(text).filter(|span| (1..=EXPIRES_MAX).contains(&span.0)) {
            Some(span) => gate.expires_in = span,
            None => problems.error(
                file,
                line,
                "expires_invalid",
                format!("`{text}` is not a duration of at most 30 days"),
                "ISO 8601, for example `PT4H`",
            ),
        }
    }
    if let Some(text) = annotations.get(RISK) {
        if RISKS.contains(&text.as_str()) {
            gate.risk = Some(text.clone());
        } else {
            problems.error(
                file,
                line,
                "risk_invalid",
                format!("`{text}` is not a risk"),
                "low, medium or high",
            );
        }
    }
    for path in list("redact") {
        match path.strip_prefix("input.") {
            Some(rest) => drop(gate.redact.insert(format!("/{}", rest.replace('.', "/")))),
            None => problems.error(
                file,
                line,
                "redact_invalid",
                format!("`{path}` is not an argument"),
                "write `input.card_number`",
            ),
        }
    }
    gate
}

/// Several gates: roles are and-ed, quorum the largest, expiry the shortest, redactions joined, risk the highest.
pub(crate) fn merge<'a>(gates: impl Iterator<Item = &'a Obligations>) -> Option<Obligations> {
    gates.cloned().reduce(|mut all, gate| {
        all.approver_roles.extend(gate.approver_roles);
        all.quorum = all.quorum.max(gate.quorum);
        all.expires_in = all.expires_in.min(gate.expires_in);
        all.redact.extend(gate.redact);
        let rank = |risk: &Option<String>| {
            risk.as_ref().and_then(|risk| RISKS.iter().position(|known| known == risk))
        };
        if rank(&gate.risk) > rank(&all.risk) {
            all.risk = gate.risk;
        }
        all
    })
}

/// An ISO 8601 duration of days, hours, minutes and seconds.
pub(crate) fn duration(text: &str) -> Option<Millis> {
    // The library also reads "5 s"; one form is enough.
    let span: jiff::Span = text.starts_with('P').then_some(text)?.parse().ok()?;
    // A day is 24 hours here: expiries do not bend with summer time.
    let total = span.total((jiff::Unit::Millisecond, jiff::SpanRelativeTo::days_are_24_hours())).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "bounded below")]
    (total.abs() < 1e15).then_some(Millis(total as i64))
}

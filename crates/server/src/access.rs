//! Who may do what: principal × scope × role × right, in one place, tested as a table.
//!
//! A right is what a route asks for. Agents see and move their own runs only (the engine and `show` look at that);
//! whether a person may answer a given approval is policy's to say. Here stands what neither of them can lift.

use kernel::actor::Scope;
use kernel::id::Role;

use crate::caller::{Caller, Who};
use crate::codes::Code;
use crate::problem::Fault;

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    /// See runs and actions: one's own, for agents.
    See,
    /// See what belongs to the workspace: approvals, people's inbox, policies, status.
    SeeWorkspace,
    /// See the log itself.
    Audit,
    /// Start and end runs, propose, withdraw.
    Act,
    /// Answer approvals.
    Answer,
    /// Settle an unknown outcome by hand.
    Resolve,
    /// Hold, let go on and cancel runs, tell them something, take incidents.
    Steer,
    /// Bring policies into force.
    Publish,
    /// Try a connector.
    Connect,
    /// Make and revoke keys.
    Keys,
    /// Make one-time links for others.
    Invite,
    /// Erase what is held about a subject, and put legal holds.
    Erase,
}

impl Right {
    /// In the words of a refusal.
    fn words(self) -> &'static str {
        match self {
            Self::See => "see this",
            Self::SeeWorkspace => "see what belongs to the whole workspace",
            Self::Audit => "read the log",
            Self::Act => "act as an agent",
            Self::Answer => "answer requests for approval",
            Self::Resolve => "settle unknown outcomes",
            Self::Steer => "steer runs",
            Self::Publish => "publish policies",
            Self::Connect => "try connectors",
            Self::Keys => "make and revoke keys",
            Self::Invite => "make login links",
            Self::Erase => "erase what is held about a subject",
        }
    }

    /// The scope that a key must have for it.
    fn scope(self) -> Scope {
        match self {
            Self::See | Self::SeeWorkspace | Self::Audit | Self::Connect => Scope::Read,
            Self::Act => Scope::Act,
            Self::Answer | Self::Resolve | Self::Steer => Scope::Answer,
            Self::Publish => Scope::Publish,
            Self::Keys | Self::Invite | Self::Erase => Scope::Keys,
        }
    }

    /// Roles of which a person must hold one; `None`: any person.
    fn roles(self) -> Option<&'static [&'static str]> {
        match self {
            Self::See | Self::SeeWorkspace | Self::Act | Self::Answer | Self::Invite => None,
            Self::Audit => Some(&["auditor", "governor", "admin"]),
            Self::Resolve => Some(&["owner"]),
            Self::Publish => Some(&["governor"]),
            Self::Connect | Self::Steer => Some(&["owner", "governor", "admin"]),
            Self::Keys => Some(&["admin"]),
            Self::Erase => Some(&["admin", "governor"]),
        }
    }
}

/// Whether this caller has this right.
pub(crate) fn check(caller: &Caller, right: Right) -> Result<(), Fault> {
    let denied = |hint: String| {
        Err(Fault::new(Code::Forbidden, format!("{} may not {}", caller.who.words(), right.words()), hint))
    };
    let scoped = caller.scopes.contains(&right.scope());
    match &caller.who {
        // The operator is not a person: answers and settlements carry a person's name.
        Who::Operator => match right {
            Right::Answer | Right::Resolve => denied("use the key or the login link of a person".to_owned()),
            _ => Ok(()),
        },
        Who::Agent(_) => match right {
            Right::See if scoped || caller.scopes.contains(&Scope::Act) => Ok(()),
            Right::Act if scoped => Ok(()),
            Right::See | Right::Act => denied(format!("use a key with the scope `{}`", word(right.scope()))),
            _ => denied("agents see and move their own runs only".to_owned()),
        },
        Who::Person(_, roles) => {
            let held = |wanted: &str| roles.iter().any(|role| role.as_str() == wanted);
            match right {
                Right::Act => denied("people do not act as agents; propose with an agent's key".to_owned()),
                Right::Invite => denied("ask whoever runs the server".to_owned()),
                _ if !scoped => denied(format!("use a key with the scope `{}`", word(right.scope()))),
                // Whoever is a viewer and nothing else looks on.
                Right::Answer if only_viewer(roles) => denied("ask somebody who holds a role".to_owned()),
                _ => match right.roles() {
                    Some(wanted) if !wanted.iter().any(|role| held(role)) => {
                        denied(format!("it takes the role {}", wanted.join(" or ")))
                    }
                    _ => Ok(()),
                },
            }
        }
    }
}

fn only_viewer(roles: &std::collections::BTreeSet<Role>) -> bool {
    roles.iter().all(|role| role.as_str() == "viewer")
}

/// A scope as it stands on the wire.
pub(crate) fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Act => "act",
        Scope::Read => "read",
        Scope::Answer => "answer",
        Scope::Publish => "publish",
        Scope::Keys => "keys",
    }
}

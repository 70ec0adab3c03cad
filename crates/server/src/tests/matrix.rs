//! Who may do what, as a table.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use kernel::actor::Scope;
use kernel::id::Role;

use crate::access::{Right, check};
use crate::caller::{ALL_SCOPES, Caller, Who};

const RIGHTS: [Right; 11] = [
    Right::See,
    Right::SeeWorkspace,
    Right::Audit,
    Right::Act,
    Right::Answer,
    Right::Resolve,
    Right::Steer,
    Right::Publish,
    Right::Connect,
    Right::Keys,
    Right::Invite,
];

fn caller(who: &str, scopes: &[Scope]) -> Caller {
    let who = match who.split_once(' ') {
        None if who == "operator" => Who::Operator,
        Some(("agent", name)) => Who::Agent(name.parse().unwrap()),
        Some((_, roles)) => {
            let roles: BTreeSet<Role> = roles.split('+').map(|role| role.parse().unwrap()).collect();
            Who::Person("p".parse().unwrap(), roles)
        }
        None => unreachable!("a caller of the table"),
    };
    Caller { who, scopes: scopes.iter().copied().collect(), csrf: None, session: None }
}

#[test]
fn the_table_of_rights() {
    let mut table = String::new();
    for (who, scopes) in [
        ("operator", &ALL_SCOPES[..]),
        ("agent a", &[Scope::Act, Scope::Read]),
        ("agent a", &[Scope::Read]),
        ("agent a", &ALL_SCOPES),
        ("person viewer", &ALL_SCOPES),
        ("person reviewer", &ALL_SCOPES),
        ("person reviewer", &[Scope::Read]),
        ("person finance", &[Scope::Read, Scope::Answer]),
        ("person owner", &ALL_SCOPES),
        ("person governor", &ALL_SCOPES),
        ("person governor", &[Scope::Read, Scope::Answer]),
        ("person auditor", &ALL_SCOPES),
        ("person admin", &ALL_SCOPES),
    ] {
        let caller = caller(who, scopes);
        let may: Vec<String> = RIGHTS
            .iter()
            .filter(|right| check(&caller, **right).is_ok())
            .map(|right| format!("{right:?}"))
            .collect();
        writeln!(table, "{who} ({}): {}", scopes.len(), may.join(" ")).unwrap();
    }
    let wanted = "\
operator (5): See SeeWorkspace Audit Act Steer Publish Connect Keys Invite
agent a (2): See Act
agent a (1): See
agent a (5): See Act
person viewer (5): See SeeWorkspace
person reviewer (5): See SeeWorkspace Answer
person reviewer (1): See SeeWorkspace
person finance (2): See SeeWorkspace Answer
person owner (5): See SeeWorkspace Answer Resolve Steer Connect
person governor (5): See SeeWorkspace Audit Answer Steer Publish Connect
person governor (2): See SeeWorkspace Audit Answer Steer Connect
person auditor (5): See SeeWorkspace Audit Answer
person admin (5): See SeeWorkspace Audit Answer Steer Connect Keys
";
    assert_eq!(table, wanted);
}

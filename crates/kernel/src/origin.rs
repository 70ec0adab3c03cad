//! Names of logs: a log that was restored to a point in its past goes on under another origin, with the same tree.
//!
//! `retail`, then `retail/2`, `retail/3`. No workspace has `/` in its name.

/// The name that a log had when it began.
pub fn base(name: &str) -> &str {
    match name.rsplit_once('/') {
        Some((base, number)) if number.parse::<u64>().is_ok() => base,
        _ => name,
    }
}

/// What it is called after another restore to a point in its past.
pub fn next(name: &str) -> String {
    let number = name.rsplit_once('/').and_then(|(_, number)| number.parse::<u64>().ok()).unwrap_or(1);
    format!("{}/{}", base(name), number.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_counted() {
        for (name, began, then) in [
            ("retail", "retail", "retail/2"),
            ("retail/2", "retail", "retail/3"),
            ("retail/9", "retail", "retail/10"),
            ("log.example/shop", "log.example/shop", "log.example/shop/2"),
            ("a-1", "a-1", "a-1/2"),
        ] {
            assert_eq!((base(name), next(name).as_str()), (began, then));
        }
    }
}

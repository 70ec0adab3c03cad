//! Classes of retention: how many days after the end of a run what it holds is kept.

use std::collections::BTreeMap;

use kernel::id::RetentionClass;
use kernel::retention::{DAYS_MAX, FLOOR_DAYS, Retention, STANDARD};

use super::Work;
use crate::files::RetentionFile;
use crate::problem::{line_with, nearest};

pub(super) const FILE: &str = "retention.toml";
/// The longest reason; it is kept sealed beside an entry for each agent.
const REASON_BYTES_MAX: usize = 4 * 1024;

/// A class, and why it is shorter than the floor.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    pub(super) retention: Retention,
    pub(super) reason: Option<String>,
}

/// Classes by name. `standard` is always among them.
pub(super) type Classes = BTreeMap<RetentionClass, Class>;

impl Work<'_> {
    pub(super) fn retention_classes(&mut self) -> Classes {
        let standard = Class::default();
        let mut classes = Classes::from([(standard.retention.class.clone(), standard)]);
        let Some(text) = self.files.get(FILE) else { return classes };
        let Some(file) = self.toml::<RetentionFile>(FILE, text) else { return classes };
        for (name, class) in file.classes {
            let line = line_with(text, &format!("[classes.{name}]"));
            let Some(id) = self.slug::<RetentionClass>(FILE, line, &name) else { continue };
            let reason = class.reason.filter(|reason| !reason.trim().is_empty());
            if !(1..=DAYS_MAX).contains(&class.days) {
                let message = format!("`{name}` keeps for {} days", class.days);
                let hint = format!("1 to {DAYS_MAX}; {FLOOR_DAYS} or more without a reason");
                self.problems.error(FILE, line, "retention_days_invalid", message, hint);
                continue;
            }
            if class.days < FLOOR_DAYS && reason.is_none() {
                let message = format!("`{name}` keeps for {} days, less than {FLOOR_DAYS}", class.days);
                let hint =
                    "keep for longer, or add `reason = \"…\"`: it goes on record when the folder is applied";
                self.problems.error(FILE, line, "retention_too_short", message, hint);
                continue;
            }
            if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
                let message = format!("the reason of `{name}` is longer than {REASON_BYTES_MAX} bytes");
                self.problems.error(FILE, line, "retention_reason_too_long", message, "shorten it");
                continue;
            }
            let retention = Retention { class: id.clone(), days: class.days };
            classes.insert(id, Class { retention, reason });
        }
        classes
    }

    /// The class that an agent names, `standard` unless it names one.
    pub(super) fn retention_of(&mut self, file: &str, named: Option<&str>, classes: &Classes) -> Class {
        let name = named.unwrap_or(STANDARD);
        if let Some(class) = name.parse().ok().and_then(|id: RetentionClass| classes.get(&id)) {
            return class.clone();
        }
        let near = nearest(name, classes.keys().map(RetentionClass::as_str));
        let hint = near.map_or_else(
            || format!("add `[classes.NAME]` with `days = {FLOOR_DAYS}` or more to {FILE}"),
            |near| format!("did you mean `{near}`?"),
        );
        let line = line_with(&self.files[file], "retention");
        let name: String = name.chars().take(80).flat_map(char::escape_default).collect();
        self.problems.error(
            file,
            line,
            "retention_unknown",
            format!("`{name}` is not a class of retention"),
            hint,
        );
        Class::default()
    }
}

//! Facts: what is read, through which tool, and as what it is taken.

use std::collections::BTreeMap;

use kernel::clock::Millis;
use kernel::id::{Role, ToolId};
use kernel::judge::{EffectClass, Tool};
use kernel::money::Rounding;

use super::Work;
use crate::fact::{FactKind, FactSpec, digits_of};
use crate::files::FactFile;
use crate::problem::{line_with, nearest};

const AGE_DEFAULT: Millis = Millis(60_000);

impl Work<'_> {
    pub(super) fn read_tool(
        &mut self,
        file: &str,
        line: u32,
        name: &str,
        beside: &ToolId,
        pinned: &BTreeMap<ToolId, Tool>,
    ) -> Option<ToolId> {
        let full =
            if name.contains('.') { name.to_owned() } else { format!("{}.{name}", beside.connector()) };
        match full.parse::<ToolId>().ok().and_then(|id| pinned.get(&id)) {
            Some(tool) if tool.class == EffectClass::Read => Some(tool.id.clone()),
            Some(tool) => {
                self.problems.error(
                    file,
                    line,
                    "not_a_read",
                    format!("`{}` is not of class read", tool.id),
                    "facts and look-ups may change nothing",
                );
                None
            }
            None => {
                let hint = nearest(&full, pinned.keys().map(ToolId::as_str)).map_or_else(
                    || "name a pinned read tool".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                self.problems.error(file, line, "tool_unknown", format!("there is no tool `{full}`"), hint);
                None
            }
        }
    }

    pub(super) fn fact(
        &mut self,
        file: &str,
        name: &str,
        form: &FactFile,
        tool: &ToolId,
        pinned: &BTreeMap<ToolId, Tool>,
    ) -> Option<FactSpec> {
        let line = line_with(&self.files[file], &format!("[tools.{}.facts.{name}]", tool.name()));
        self.slug::<Role>(file, line, name)?;
        let digits = form.currency.as_deref().map_or(0, digits_of);
        let kind = match (form.kind.as_str(), &form.currency) {
            ("money", Some(currency))
                if currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()) =>
            {
                let rounding = match form.rounding.as_deref() {
                    None | Some("exact") => Rounding::Exact,
                    Some("up") => Rounding::Up,
                    Some("half_even") => Rounding::HalfEven,
                    Some(other) => {
                        self.problems.error(
                            file,
                            line,
                            "rounding_unknown",
                            format!("`{other}` is not a rounding"),
                            "exact, up or half_even",
                        );
                        return None;
                    }
                };
                FactKind::Money { currency: currency.clone(), digits, rounding }
            }
            ("money", _) => {
                self.problems.error(
                    file,
                    line,
                    "currency_missing",
                    format!("the fact `{name}` is money without a currency"),
                    "currency = \"USD\"",
                );
                return None;
            }
            ("integer", _) => FactKind::Integer,
            ("text", _) => FactKind::Text,
            ("bool", _) => FactKind::Bool,
            ("texts", _) => FactKind::Texts,
            (other, _) => {
                self.problems.error(
                    file,
                    line,
                    "fact_type_unknown",
                    format!("`{other}` is not a type of fact"),
                    "money, integer, text, bool or texts",
                );
                return None;
            }
        };
        let read = match &form.read {
            None => None,
            Some(reader) => {
                let reader = self.read_tool(file, line, reader, tool, pinned)?;
                let arguments = self.query(file, form.arguments.as_deref().unwrap_or("{}"), "arguments")?;
                Some((reader, arguments))
            }
        };
        let tolerance = match form
            .tolerance
            .as_deref()
            .map(|text| kernel::money::minor_units(text, digits, Rounding::Exact))
        {
            None => 0,
            Some(Ok(tolerance)) if tolerance >= 0 => tolerance,
            Some(_) => {
                self.problems.error(
                    file,
                    line,
                    "tolerance_invalid",
                    format!("the tolerance of `{name}` is not an amount"),
                    "tolerance = \"0.50\"",
                );
                0
            }
        };
        let value = self.query(file, &form.value, "value")?;
        let age_max = self.duration(file, form.max_age.as_ref(), AGE_DEFAULT, 30 * 24 * 3_600_000);
        Some(FactSpec { name: name.to_owned(), kind, read, value, age_max, tolerance })
    }
}

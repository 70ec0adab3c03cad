//! Money: decimal text to integer minor units, never through a float.

/// How digits beyond the minor unit are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// They must be zero.
    #[default]
    Exact,
    /// Away from zero: a limit is never passed by rounding.
    Up,
    /// To the nearest, ties to the even one.
    HalfEven,
}

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("it is not a decimal number")]
    NotDecimal,
    /// More digits than the currency has.
    #[error("it has more decimals than the currency")]
    TooFine,
    /// Beyond 2^53 minor units.
    #[error("it is too large")]
    TooLarge,
}

/// The largest amount: every JSON reader keeps it exactly.
pub const MINOR_MAX: i64 = crate::json::SAFE_INTEGER_MAX;
/// Longer texts are no amounts.
const TEXT_BYTES_MAX: usize = 64;

/// Reads a decimal text as minor units of a currency with `digits` decimals: "712.40" with 2 gives 71240.
pub fn minor_units(text: &str, digits: u32, rounding: Rounding) -> Result<i64, MoneyError> {
    let text = text.trim();
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let dot_without_digits = body.contains('.') && fraction.is_empty();
    if text.len() > TEXT_BYTES_MAX
        || whole.is_empty()
        || dot_without_digits
        || !digits_only(whole)
        || !digits_only(fraction)
    {
        return Err(MoneyError::NotDecimal);
    }
    let kept = fraction.len().min(digits as usize);
    let (kept, rest) = fraction.split_at(kept);
    let padding = "0".repeat(digits as usize - kept.len());
    let minor: i128 = format!("{whole}{kept}{padding}").parse().map_err(|_| MoneyError::TooLarge)?;
    let more = match rounding {
        _ if rest.bytes().all(|byte| byte == b'0') => 0,
        Rounding::Exact => return Err(MoneyError::TooFine),
        Rounding::Up => 1,
        Rounding::HalfEven => {
            let tie = rest.starts_with('5') && rest[1..].bytes().all(|byte| byte == b'0');
            i128::from(if tie { minor % 2 == 1 } else { rest.as_bytes()[0] >= b'5' })
        }
    };
    let minor = i64::try_from(minor + more).map_err(|_| MoneyError::TooLarge)?;
    if minor > MINOR_MAX {
        return Err(MoneyError::TooLarge);
    }
    Ok(if negative { -minor } else { minor })
}

/// Adds amounts; too large is an error, never a wrap.
pub fn sum(amounts: impl IntoIterator<Item = i64>) -> Result<i64, MoneyError> {
    let total = amounts.into_iter().try_fold(0_i64, i64::checked_add).ok_or(MoneyError::TooLarge)?;
    if total.abs() > MINOR_MAX { Err(MoneyError::TooLarge) } else { Ok(total) }
}

/// Writes minor units for people: 71240 with 2 digits and "USD" gives "712.40 USD".
pub fn shown(minor: i64, digits: u32, currency: &str) -> String {
    let scale = 10_u64.pow(digits.min(9));
    let (sign, amount) = (if minor < 0 { "-" } else { "" }, minor.unsigned_abs());
    if digits == 0 {
        return format!("{sign}{amount} {currency}");
    }
    format!("{sign}{}.{:0width$} {currency}", amount / scale, amount % scale, width = digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_at_their_borders() {
        let exact = |text| minor_units(text, 2, Rounding::Exact);
        for (text, expected) in [
            ("500.00", Ok(50_000)),
            ("500.01", Ok(50_001)),
            ("500", Ok(50_000)),
            ("500.1", Ok(50_010)),
            ("0.1", Ok(10)),
            ("-0", Ok(0)),
            ("-1.50", Ok(-150)),
            ("500.000", Ok(50_000)),
            ("499.995", Err(MoneyError::TooFine)),
            ("1e999", Err(MoneyError::NotDecimal)),
            ("5e4", Err(MoneyError::NotDecimal)),
            ("NaN", Err(MoneyError::NotDecimal)),
            ("", Err(MoneyError::NotDecimal)),
            (".5", Err(MoneyError::NotDecimal)),
            ("5.", Err(MoneyError::NotDecimal)),
            ("+5", Err(MoneyError::NotDecimal)),
            ("1,000.00", Err(MoneyError::NotDecimal)),
            ("٥", Err(MoneyError::NotDecimal)),
            ("90071992547409.91", Ok(MINOR_MAX)),
            ("90071992547409.92", Err(MoneyError::TooLarge)),
            ("99999999999999999999999999999999999999999", Err(MoneyError::TooLarge)),
        ] {
            assert_eq!(exact(text), expected, "{text:?}");
        }
        assert_eq!(minor_units("499.995", 2, Rounding::Up), Ok(50_000));
        assert_eq!(minor_units("500.001", 2, Rounding::Up), Ok(50_001));
        assert_eq!(minor_units("499.995", 2, Rounding::HalfEven), Ok(50_000));
        assert_eq!(minor_units("499.985", 2, Rounding::HalfEven), Ok(49_998));
        assert_eq!(minor_units("499.9851", 2, Rounding::HalfEven), Ok(49_999));
        assert_eq!(minor_units("500", 0, Rounding::Exact), Ok(500));
        assert_eq!(minor_units("1.234", 3, Rounding::Exact), Ok(1_234));
    }

    #[test]
    fn ten_items_add_up_exactly() {
        let tenths = ["0.10"; 10].map(|text| minor_units(text, 2, Rounding::Exact).unwrap());
        assert_eq!(sum(tenths), Ok(100));
        let mixed = ["0.1", "0.2", "49.99", "50.01", "100.05", "99.95", "1.01", "198.69", "0.00", "0.01"];
        assert_eq!(sum(mixed.map(|text| minor_units(text, 2, Rounding::Exact).unwrap())), Ok(50_001));
        assert_eq!(sum([MINOR_MAX, 1]), Err(MoneyError::TooLarge));
        assert_eq!(sum([i64::MAX, i64::MAX]), Err(MoneyError::TooLarge));
    }

    #[test]
    fn amounts_are_shown_with_their_currency() {
        assert_eq!(shown(71_240, 2, "USD"), "712.40 USD");
        assert_eq!(shown(-5, 2, "USD"), "-0.05 USD");
        assert_eq!(shown(500, 0, "JPY"), "500 JPY");
    }
}

//! A sum, worked out without evaluating code: `+ - * / ( )` on floats.
//!
//! The old system handed the text to an interpreter. This one reads a grammar of four operators and nothing else.

use crate::python;

/// Longest expression that is read.
const LENGTH_MAX: usize = 1_000;
/// Brackets and signs inside one another.
const DEPTH_MAX: usize = 64;

/// Why an expression has no value. The words are what the agent reads after `Error: `.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalculateError {
    /// Something other than digits, operators, brackets, points and blanks.
    #[error("invalid characters in expression")]
    Characters,
    /// Not an expression.
    #[error("invalid syntax")]
    Syntax,
    /// Division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// Longer or deeper than is read, or beyond what a float holds.
    #[error("expression too large")]
    TooLarge,
}

/// Works out an expression and prints its value, rounded to cents.
pub fn calculate(expression: &str) -> Result<String, CalculateError> {
    if !expression.bytes().all(|byte| b"0123456789+-*/(). ".contains(&byte)) {
        return Err(CalculateError::Characters);
    }
    if expression.len() > LENGTH_MAX {
        return Err(CalculateError::TooLarge);
    }
    let mut reader = Reader { rest: expression.as_bytes(), depth: 0 };
    let value = reader.sum()?;
    if reader.peek().is_some() {
        return Err(CalculateError::Syntax);
    }
    if !value.is_finite() {
        return Err(CalculateError::TooLarge);
    }
    Ok(python::float(python::round_to_cents(value)))
}

struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<u8> {
        while let [b' ', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    fn take(&mut self, wanted: &[u8]) -> Option<u8> {
        let found = self.peek().filter(|byte| wanted.contains(byte))?;
        self.rest = &self.rest[1..];
        Some(found)
    }

    fn sum(&mut self) -> Result<f64, CalculateError> {
        let mut value = self.product()?;
        while let Some(operator) = self.take(b"+-") {
            let right = self.product()?;
            value = if operator == b'+' { value + right } else { value - right };
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<f64, CalculateError> {
        let mut value = self.signed()?;
        while let Some(operator) = self.take(b"*/") {
            let right = self.signed()?;
            if operator == b'/' && right == 0.0 {
                return Err(CalculateError::DivisionByZero);
            }
            value = if operator == b'*' { value * right } else { value / right };
        }
        Ok(value)
    }

    fn signed(&mut self) -> Result<f64, CalculateError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(CalculateError::TooLarge);
        }
        let value = match self.take(b"+-(") {
            Some(b'-') => -self.signed()?,
            Some(b'+') => self.signed()?,
            Some(_) => {
                let value = self.sum()?;
                self.take(b")").ok_or(CalculateError::Syntax)?;
                value
            }
            None => self.number()?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn number(&mut self) -> Result<f64, CalculateError> {
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let end = self.rest.iter().position(|byte| !is_part(byte)).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        let text = std::str::from_utf8(digits).map_err(|_| CalculateError::Syntax)?;
        // As in the interpreter, 007 is no number, while 00 and 007.5 are.
        let padded = text.starts_with('0') && !text.contains('.') && text.bytes().any(|byte| byte != b'0');
        if padded {
            return Err(CalculateError::Syntax);
        }
        text.parse().map_err(|_| CalculateError::Syntax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: &str) {
        let shown = calculate(expression).unwrap_or_else(|error| format!("Error: {error}"));
        assert_eq!(shown, expected, "{expression}");
    }

    #[test]
    fn sums_are_worked_out_as_python_does() {
        check("2 + 2", "4.0");
        check("54.04", "54.04");
        check("2 + 3 * 4 - 6 / 4", "12.5");
        check("(195.11 - 180.93) + (499.28 - 471.82)", "41.64");
        check("-(2 - 5) * --2", "6.0");
        check("0.1 + 0.2", "0.3");
        check("53.48 - 53.43", "0.05");
        check(".5 + 5. + 00", "5.5");
        check("1/3", "0.33");
        check("0.001 - 0.002", "-0.0");
    }

    #[test]
    fn what_is_no_sum_is_refused() {
        check("", "Error: invalid syntax");
        check("2 +", "Error: invalid syntax");
        check("2 3", "Error: invalid syntax");
        check("(2", "Error: invalid syntax");
        check("2)", "Error: invalid syntax");
        check("1.2.3", "Error: invalid syntax");
        check(".", "Error: invalid syntax");
        check("007", "Error: invalid syntax");
        check("2 ** 9", "Error: invalid syntax");
        check("1 / (2 - 2)", "Error: division by zero");
        check("__import__('os')", "Error: invalid characters in expression");
        check(&"(".repeat(500), "Error: expression too large");
        check(&"-".repeat(500), "Error: expression too large");
        check(&"1+".repeat(501), "Error: expression too large");
        check(&"9".repeat(400), "Error: expression too large");
    }
}

//! What an expression may not say: read before jq sees it, so that every refusal has words of ours.
//!
//! The names here are also taken out of the compiled functions (`meter`), so a way around this reading leads nowhere.

/// The longest expression.
const TEXT_BYTES_MAX: usize = 4_096;
/// Brackets and interpolated strings inside one another: the parser goes one call deeper for each.
const NESTING_MAX: usize = 32;
/// Names and symbols outside strings: the parser may go one call deeper for each `|`, `-` or `if`.
const TOKENS_MAX: usize = 400;

/// Words that could run or grow without end, or look outside.
pub(super) const FORBIDDEN: [&str; 26] = [
    "ENV",
    "combinations",
    "debug",
    "debug_empty",
    "def",
    "env",
    "foreach",
    "halt",
    "halt_error",
    "import",
    "include",
    "infinite",
    "input",
    "input_filename",
    "inputs",
    "localtime",
    "now",
    "range",
    "recurse",
    "reduce",
    "repeat",
    "stderr",
    "stderr_empty",
    "strflocaltime",
    "until",
    "while",
];

/// Refuses an expression that says more than it may.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("the expression is longer than {TEXT_BYTES_MAX} bytes"));
    }
    match words(text)?.into_iter().find(|word| FORBIDDEN.contains(word)) {
        None => Ok(()),
        Some(word) => {
            Err(format!("`{word}` is not allowed: an expression must end, and see only what it is given"))
        }
    }
}

/// Names in an expression: not in its strings, but in the expressions inside them (`"order/\(.arguments.id)"`). A name
/// right after a dot, or before a colon, is a member of a value and can do nothing.
fn words(text: &str) -> Result<Vec<&str>, String> {
    let bytes = text.as_bytes();
    // Brackets that are open in the code around each string that we are inside of.
    let (mut around, mut open, mut quoted) = (Vec::new(), 0_usize, false);
    let (mut words, mut nesting, mut tokens, mut at) = (Vec::new(), 0_usize, 0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        let mut next = at + 1;
        if !quoted {
            match byte {
                b'(' | b'[' | b'{' => nesting += 1,
                b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
                _ => {}
            }
            tokens += usize::from(!byte.is_ascii_whitespace());
            if nesting > NESTING_MAX || tokens > TOKENS_MAX {
                return Err("the expression is too involved: take it apart".to_owned());
            }
        }
        match byte {
            b'\\' if quoted => {
                if bytes.get(next) == Some(&b'(') {
                    around.push(open);
                    nesting += 1;
                    (open, quoted) = (0, false);
                }
                next += 1;
            }
            b'"' => quoted = !quoted,
            _ if quoted => {}
            // A quote in a comment would turn code into string and string into code.
            b'#' => return Err("comments are not allowed: write them beside the expression".to_owned()),
            b'*' => return Err("`*` is not allowed: it repeats a text without bound".to_owned()),
            b'(' => open += 1,
            b')' if open > 0 => open -= 1,
            b')' => {
                open = around.pop().ok_or("a bracket is closed that was not opened")?;
                quoted = true;
            }
            byte if is_word(*byte) => {
                let end =
                    bytes[at..].iter().position(|byte| !is_word(*byte)).map_or(bytes.len(), |len| at + len);
                if !is_member(text, at, end) {
                    words.push(&text[at..end]);
                }
                next = end;
            }
            _ => {}
        }
        at = next;
    }
    Ok(words)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `.name`, but not `..name`; `name:`, but not `name::`.
fn is_member(text: &str, at: usize, end: usize) -> bool {
    let (before, after) = (&text[..at], text[end..].trim_start());
    (before.ends_with('.') && !before.ends_with(".."))
        || (after.starts_with(':') && !after.starts_with("::") && !before.ends_with('$'))
}

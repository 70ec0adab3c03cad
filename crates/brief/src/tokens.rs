//! Tokens: the unit in which a model's window is measured.

/// A tokenizer, by its public name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tokenizer {
    /// `o200k_base` (openai/tiktoken), of the models since GPT-4o.
    #[default]
    O200kBase,
    /// `cl100k_base` (openai/tiktoken), of GPT-4 and its embeddings.
    Cl100kBase,
}

impl Tokenizer {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::O200kBase, Self::Cl100kBase];

    /// Its public name.
    pub fn name(self) -> &'static str {
        match self {
            Self::O200kBase => "o200k_base",
            Self::Cl100kBase => "cl100k_base",
        }
    }

    /// The tokenizer of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// How many tokens a text has.
    pub fn count(self, text: &str) -> usize {
        match self {
            Self::O200kBase => bpe_openai::o200k_base().count(text),
            Self::Cl100kBase => bpe_openai::cl100k_base().count(text),
        }
    }
}

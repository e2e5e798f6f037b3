//! Walks the blocks of a configuration and keeps the directives of interest.

use super::{Conf, ConfError, Included, LogTarget, NamedFormat, Scope, text_of};
use crate::lexer::{LexError, Lexer, Token, line_of};
use crate::log_format::LogFormat;

/// nginx has no limit of its own; a file that includes itself would go on for ever.
const MAX_DEPTH: usize = 32;
/// nginx has no such limit either, but reads recursively; nobody nests a tenth of it.
const MAX_BLOCKS: usize = 128;
/// The most files that are read, against includes that multiply.
const MAX_FILES: usize = 10_000;

type Load<'l> = &'l mut dyn FnMut(&str) -> Result<Vec<Included>, String>;

struct Reader<'l> {
    conf: Conf,
    scope: Scope,
    /// The block that is open, in the tree.
    block: usize,
    load: Load<'l>,
    files: usize,
}

/// A file that is being read.
struct Source<'a> {
    name: &'a str,
    text: &'a [u8],
    depth: usize,
}

pub(super) fn read(name: &str, text: &[u8], load: Load<'_>) -> Result<Conf, ConfError> {
    let (conf, scope) = (Conf::default(), Scope::default());
    let mut reader = Reader { conf, scope, block: 0, load, files: 0 };
    reader.file(&Source { name, text, depth: 0 })?;
    Ok(reader.conf)
}

impl Reader<'_> {
    fn file(&mut self, source: &Source<'_>) -> Result<(), ConfError> {
        let mut lexer = Lexer::new(source.text);
        let mut words: Vec<Vec<u8>> = Vec::new();
        let outer = self.scope.0.len();
        while let Some(token) = lexer.next_token().map_err(|e| source.fault(e))? {
            if matches!(token, Token::Semicolon | Token::Open) {
                self.conf.ports.see(&words, &self.scope.0);
            }
            match token {
                Token::Word(word) => words.push(word),
                Token::Semicolon => {
                    self.directive(&words, source, lexer.position())?;
                    words.clear();
                }
                Token::Open if words.first().is_some_and(|w| w.ends_with(b"_by_lua_block")) => {
                    let start = lexer.position();
                    lexer.skip_lua().map_err(|e| source.fault(e))?;
                    let code = source.text.get(start..lexer.position()).unwrap_or_default();
                    if let Some(name) = words.first() {
                        self.conf.tree.lua(self.block, name, code);
                    }
                    words.clear();
                }
                Token::Open => {
                    if self.scope.0.len() >= MAX_BLOCKS {
                        return Err(source.error(lexer.position(), "blocks are nested too deeply"));
                    }
                    self.scope.0.push(text_of(&words.join(b" ".as_slice())));
                    self.block = self.conf.tree.open(self.block, &words);
                    words.clear();
                }
                Token::Close if self.scope.0.len() > outer && words.is_empty() => {
                    self.scope.0.pop();
                    self.block = self.conf.tree.parent(self.block);
                }
                Token::Close => {
                    return Err(source.error(lexer.position(), "unexpected `}`"));
                }
            }
        }
        if self.scope.0.len() > outer || !words.is_empty() {
            return Err(
                source.error(lexer.position(), "unexpected end of file, expecting `;` or `}`")
            );
        }
        Ok(())
    }

    fn directive(
        &mut self,
        words: &[Vec<u8>],
        source: &Source<'_>,
        at: usize,
    ) -> Result<(), ConfError> {
        let Some((name, arguments)) = words.split_first() else { return Ok(()) };
        let first = arguments.first().map(|word| text_of(word));
        match (name.as_slice(), first) {
            (b"include", Some(pattern)) => self.include(&pattern, source, at)?,
            (b"log_format", Some(name)) => {
                let format = LogFormat::from_words(arguments.get(1..).unwrap_or_default());
                self.conf.formats.push(NamedFormat { name, format });
            }
            (b"access_log", Some(path)) => {
                // `buffer=`, `gzip`, `flush=` and `if=` follow the format's name.
                let format = arguments.get(1).filter(|word| !word.contains(&b'='));
                let format = Some(format.map_or("combined".into(), |word| text_of(word)));
                self.conf.access_logs.push(LogTarget { path, format, scope: self.scope.clone() });
            }
            (b"error_log", Some(path)) => {
                let scope = self.scope.clone();
                self.conf.error_logs.push(LogTarget { path, format: None, scope });
            }
            _ => {
                if let Some(reason) = self.conf.tree.directive(self.block, words) {
                    self.conf.notes.push(source.error(at, &reason));
                }
            }
        }
        Ok(())
    }

    fn include(&mut self, pattern: &str, source: &Source<'_>, at: usize) -> Result<(), ConfError> {
        if source.depth >= MAX_DEPTH {
            return Err(source.error(at, "includes are nested too deeply; is there a cycle?"));
        }
        let files = match (self.load)(pattern) {
            Ok(files) => files,
            Err(reason) => {
                self.conf.notes.push(source.error(at, &format!("include {pattern}: {reason}")));
                return Ok(());
            }
        };
        for (name, text) in files {
            self.files += 1;
            if self.files > MAX_FILES {
                return Err(source.error(at, "more than 10000 included files; is there a cycle?"));
            }
            self.file(&Source { name: &name, text: &text, depth: source.depth + 1 })?;
        }
        Ok(())
    }
}

impl Source<'_> {
    /// An error at a byte offset; the line is counted only now.
    fn error(&self, at: usize, reason: &str) -> ConfError {
        let line = line_of(self.text, at);
        ConfError { file: self.name.to_owned(), line, reason: reason.to_owned() }
    }

    fn fault(&self, (at, reason): LexError) -> ConfError {
        self.error(at, &reason)
    }
}

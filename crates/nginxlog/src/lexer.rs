//! nginx's configuration tokens (nginx src/core/ngx_conf_file.c:503-817).

use memchr::memmem;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Word(Vec<u8>),
    Semicolon,
    Open,
    Close,
}

/// A byte offset and what is wrong there.
pub(crate) type LexError = (usize, String);

#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

/// The words of a text up to its first semicolon.
pub(crate) fn words(text: &[u8]) -> Result<Vec<Vec<u8>>, LexError> {
    let mut lexer = Lexer::new(text);
    let mut words = Vec::new();
    while let Some(token) = lexer.next_token()? {
        match token {
            Token::Word(word) => words.push(word),
            Token::Semicolon => break,
            Token::Open | Token::Close => {
                return Err((lexer.at, "unexpected brace; expected quoted strings".into()));
            }
        }
    }
    Ok(words)
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Offset of the byte that is read next.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn next_token(&mut self) -> Result<Option<Token>, LexError> {
        self.skip_blanks();
        let Some(byte) = self.peek() else { return Ok(None) };
        let token = match byte {
            b';' => Token::Semicolon,
            b'{' => Token::Open,
            b'}' => Token::Close,
            b'"' | b'\'' => return self.quoted(byte).map(Some),
            _ => return Ok(Some(Token::Word(self.bare()))),
        };
        self.at += 1;
        Ok(Some(token))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'#' => self.skip_to(b"\n"),
                _ => return,
            }
        }
    }

    /// Past the next occurrence of `mark`, or to the end.
    fn skip_to(&mut self, mark: &[u8]) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += memmem::find(rest, mark).map_or(rest.len(), |at| at + mark.len());
    }

    fn quoted(&mut self, quote: u8) -> Result<Token, LexError> {
        let start = self.at;
        self.at += 1;
        let mut word = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'\\' {
                self.escaped(&mut word);
            } else if byte == quote {
                return match self.peek() {
                    None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')') => {
                        Ok(Token::Word(word))
                    }
                    Some(_) => Err((
                        self.at,
                        "text right after a closing quote; expected a blank, `;` or `{`".into(),
                    )),
                };
            } else {
                word.push(byte);
            }
        }
        Err((start, "a quoted string that is never closed".into()))
    }

    fn bare(&mut self) -> Vec<u8> {
        let mut word = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' => break,
                // `${name}` does not open a block.
                b'{' if word.last() != Some(&b'$') => break,
                _ => {}
            }
            self.at += 1;
            if byte == b'\\' { self.escaped(&mut word) } else { word.push(byte) }
        }
        word
    }

    /// After a backslash: only these six are translated, any other pair stays as it is.
    fn escaped(&mut self, word: &mut Vec<u8>) {
        let Some(byte) = self.peek() else { return word.push(b'\\') };
        self.at += 1;
        match byte {
            b'"' | b'\'' | b'\\' => word.push(byte),
            b't' => word.push(b'\t'),
            b'r' => word.push(b'\r'),
            b'n' => word.push(b'\n'),
            _ => word.extend([b'\\', byte]),
        }
    }

    /// Inside `*_by_lua_block {`: past the brace that closes it. Strings, long brackets and
    /// comments of Lua may hold braces.
    pub(crate) fn skip_lua(&mut self) -> Result<(), LexError> {
        let start = self.at;
        let mut depth = 1_usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b'"' | b'\'' => self.skip_lua_string(byte),
                b'[' => self.skip_long_bracket(),
                b'-' if self.peek() == Some(b'-') => {
                    self.at += 1;
                    let before = self.at;
                    if self.peek() == Some(b'[') {
                        self.at += 1;
                        self.skip_long_bracket();
                    }
                    // A comment of one line, unless it was a long bracket.
                    if self.at <= before + 1 {
                        self.skip_to(b"\n");
                    }
                }
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err((start, "a Lua block that is never closed".into()))
    }

    fn skip_lua_string(&mut self, quote: u8) {
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                // A string of Lua ends with its line; what follows is read as code again.
                b'\n' => return,
                _ if byte == quote => return,
                _ => {}
            }
        }
    }

    /// After `[`: past `[==[ ... ]==]` if this begins one.
    fn skip_long_bracket(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let level = rest.iter().take_while(|b| **b == b'=').count();
        if rest.get(level) != Some(&b'[') {
            return;
        }
        let close = [b"]".as_slice(), &vec![b'='; level], b"]"].concat();
        self.at += level + 1;
        self.skip_to(&close);
    }
}

/// 1-based line of a byte offset.
pub(crate) fn line_of(text: &[u8], at: usize) -> usize {
    memchr::memchr_iter(b'\n', text.get(..at).unwrap_or(text)).count() + 1
}
